// What all files of a page share. `script()` in Python puts them into one function, with two names:
//   D      this script's own things. Python gives what it owns: version, BAR (steps in a bar),
//          DRUMS, REST (the class after the drums), TICKS (in a step), RATE (samples a second),
//          names ([short, full] of each drum), color (of each) and kit (what sounds are made of)
//   page   `drumQtuner`, the one object that all scripts of a web page share: what plays now
//          (`playing`), the sound (`context`, `master`), the players that wait (`queue`), and
//          what scripts have published
// A beat is {title, steps, bpm, notes: [[step, drum, velocity, offset in ticks], ...]}.
{
  const older = (a, b) => a.localeCompare(b, "en", {numeric: true}) < 0;

  // Put this script's things on the page. A notebook may hold outputs of many days: an older
  // script never replaces what a newer one has brought, and of the same version the later wins.
  // What stands on the page already goes on with the things of the script that has made it.
  D.publish = () => {
    const versions = page.versions ??= {};
    for (const [name, thing] of Object.entries(D)) {
      if (older(D.version, versions[name] ?? "")) continue;
      page[name] = thing;
      versions[name] = D.version;
    }
    page.mount?.();
  };

  D.QUARTER = D.BAR / 4;
  D.secondsOf = (steps, bpm) => steps * 60 / (D.QUARTER * bpm);
  D.stepsOf = (seconds, bpm) => seconds * bpm * D.QUARTER / 60;
  D.clamp = (x, low, high) => Math.min(Math.max(x, low), high);

  // An element with properties, attributes and listeners ("onclick"), and what is inside.
  D.element = (tag, properties = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name in made && name !== "list") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };

  D.readData = root => // that Python has put into the page
    JSON.parse(root.querySelector("script[type='application/json']").textContent);

  D.style = (id, css) => { // once a page, in the head: the output that carried it may go away
    const style = document.getElementById(id)
      ?? document.head.appendChild(D.element("style", {id}));
    if (style.textContent !== css) style.textContent = css;
  };

  D.download = (bytes, name, type) => {
    const href = URL.createObjectURL(new Blob([bytes], {type}));
    const link = D.element("a", {href, download: name, hidden: true});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  };

  D.fileName = title => { // letters of any script and numbers stay, all else becomes a dash
    const letters = title.normalize("NFC").replace(/[^\p{L}\p{M}\p{N}_]+/gu, "-");
    return [...letters.replace(/^-+|-+$/g, "")].slice(0, 60).join("") || "beat";
  };

  const THUMB = '<path d="M2.5 7.2h2.4v6.3H2.5zM4.9 7.4 7.6 2.2c1.4 0 1.9 1 1.6 2.3l-.5 2.2h3.6'
    + 'a1.3 1.3 0 0 1 1.3 1.6l-1 4a1.6 1.6 0 0 1-1.6 1.2H4.9"/>';
  const ICONS = {
    play: '<path d="M5 3.2v9.6L12.6 8z" fill="currentColor" stroke-width="1.6"/>',
    stop: '<rect x="4" y="4" width="8" height="8" rx="1" fill="currentColor"/>',
    loop: '<path d="M2.5 7.5V7A2.5 2.5 0 0 1 5 4.5h8M11 2.3l2.3 2.2L11 6.7'
      + 'M13.5 8.5V9a2.5 2.5 0 0 1-2.5 2.5H3M5 9.3 2.7 11.5 5 13.7"/>',
    metronome: '<path d="M6.2 2.3h3.6l2.7 11.4h-9zM4.4 10.5h7.2M8 10.5l4.7-7"/>',
    volume: '<path d="M2.5 6.2h2.3L8 3.5v9L4.8 9.8H2.5z'
      + 'M10.5 6a3 3 0 0 1 0 4M12.3 4a5.7 5.7 0 0 1 0 8"/>',
    download: '<path d="M8 2.5v7.3M4.8 6.9 8 10.1l3.2-3.2M3 13.3h10"/>',
    like: THUMB,
    dislike: `<g transform="rotate(180 8 8)">${THUMB}</g>`,
    reset: '<path d="M3 8a5 5 0 1 0 1.6-3.7L3 5.8M3 2.5v3.3h3.3"/>',
  };

  // A picture of 16 x 16, as SVG text.
  D.icon = name => '<svg class="dq-icon" viewBox="0 0 16 16" aria-hidden="true" fill="none"'
    + ' stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round">'
    + `${ICONS[name]}</svg>`;
}
