// A drum kit to hit: a pad for each drum, and the keys 1 to 9 while one of them has the focus.
{
  const {element, clamp} = D;
  const FULL = 127, KEY = 100; // velocities: as hard as can be, and of a key

  // The higher on the pad, the louder: 1 at its foot, 127 at its head.
  const velocityAt = (pad, y) => {
    const {top, height} = pad.getBoundingClientRect();
    return Math.round(clamp(FULL * (1 - (y - top) / height), 1, FULL));
  };

  D.pads = root => {
    const sound = D.hitting();
    const hit = (drum, velocity) => {
      sound(drum, velocity, 1);
      const pad = pads[drum];
      pad.animate?.([{opacity: 1 - .7 * velocity / FULL}, {opacity: 1}], 250);
      root.hits = [...root.hits, [drum, velocity]].slice(-9);
    };
    const pads = D.names.map(([, name], drum) => element("button", {
      type: "button",
      onpointerdown: event => {
        event.target.focus();
        hit(drum, velocityAt(pads[drum], event.clientY));
      },
      onkeydown: event => {
        if (event.repeat || event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        hit(drum, event.shiftKey ? FULL : KEY);
      },
    }, element("kbd", {}, drum + 1), element("span", {}, name)));
    pads.forEach((pad, drum) => pad.style.borderTopColor = D.color[drum]);
    root.hits = []; // the last ones: [drum, velocity]
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "A drum kit to hit");
    root.addEventListener("keydown", event => {
      const drum = /^Digit[1-9]$/.test(event.code) ? Number(event.code.at(-1)) - 1 : -1;
      if (drum < 0 || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      hit(drum, event.shiftKey ? FULL : KEY);
    });
    root.replaceChildren(element("div", {className: "dqp-kit"}, ...pads), element("small", {},
      "The higher you hit a pad, the louder. Keys 1 to 9 hit too; with Shift, as hard as can be."));
  };
}
