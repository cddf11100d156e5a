// The player that a beat shows itself with. From Python (`player_script()`): D.css.
//   D.place(position)     horizontal place of a step, or of a point between two, in the grid
//   D.mount()             turn every figure that waits in `page.queue` into a player
{
  const {BAR, QUARTER, icon} = D;
  const SLOWEST = 20, FASTEST = 300; // beats per minute that the controls offer

  D.place = position =>
    20 * position + 4 * Math.floor(position / QUARTER) + 6 * Math.floor(position / BAR);

  const tool = (name, label, more = "", text = "") =>
    `<button type="button" class="dq-tool dq-${name}" aria-label="${label}" title="${label}"${more}`
    + `>${icon(text ? "download" : name)}${text}</button>`;

  const TEMPO = 'aria-label="Tempo in beats per minute"';
  const CONTROLS = `
    <div class="dq-first">
      <button type="button" class="dq-play"></button>
      <div class="dq-title"></div>
      <div class="dq-group">
        ${tool("loop", "Loop", ' aria-pressed="true"')}
        ${tool("metronome", "Metronome", ' aria-pressed="false"')}
      </div>
    </div>
    <div class="dq-second">
      <div class="dq-group dq-tempo">
        <input type="range" step="1" ${TEMPO}>
        <label><input type="number" step="any" inputmode="decimal" ${TEMPO}>bpm</label>
        ${tool("reset", "Back to the beat's tempo")}
      </div>
      <label class="dq-volume" title="Volume">${icon("volume")}
        <input type="range" min="0" max="1" step="0.01" aria-label="Volume"></label>
      <div class="dq-group">
        ${tool("midi", "Download MIDI", "", "MIDI")}
        ${tool("wav", "Download WAV", "", "WAV")}
      </div>
    </div>`;

  // --- the parts of a player: each takes the figure and what it needs

  const addControls = (figure, title) => {
    const bar = D.element("div", {className: "dq-bar", innerHTML: CONTROLS});
    figure.prepend(bar);
    figure.querySelector(".dq-title").append(figure.querySelector("figcaption"));
    figure.querySelector(".dq-audio").remove();
    figure.setAttribute("role", "group");
    figure.setAttribute("aria-label", title);
  };

  const addNames = (figure, beat) => { // they flash when their drum is struck
    const box = figure.querySelector(".dq-names");
    const names = D.names.map(([short, full], i) => {
      const name = D.element("div", {}, D.element("span", {className: "dq-full"}, full),
        D.element("abbr", {className: "dq-short", title: full}, short));
      name.style.setProperty("--dq-own", D.color[i]);
      return name;
    });
    box.replaceChildren(...[...names].reverse());
    const struck = Array.from({length: beat.steps}, () => []);
    for (const [step, drum] of beat.notes) struck[step].push(names[drum]);
    return step => {
      for (const name of struck[step]) {
        name.classList.remove("dq-hit");
        void name.offsetWidth; // so that the animation begins anew
        name.classList.add("dq-hit");
      }
    };
  };

  // the line that moves over the grid, and its box that follows
  const addHead = (figure, {steps}) => {
    const box = figure.querySelector(".dq-scroll"), grid = box.querySelector("img, svg");
    const head = D.element("div", {className: "dq-head"});
    const left = -9, width = D.place(steps) + 9; // as Python draws the grid
    grid.parentNode.style.position = "relative";
    grid.after(head);
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    return position => {
      const x = (D.place(smooth ? position : Math.floor(position)) - left) / width;
      head.style.left = `${100 * x}%`;
      const {scrollWidth, clientWidth, scrollLeft} = box, seen = x * scrollWidth;
      const outside = seen < scrollLeft || seen > scrollLeft + .9 * clientWidth;
      if (scrollWidth > clientWidth && outside) box.scrollLeft = seen - .1 * clientWidth;
    };
  };

  const addPlay = (figure, transport, title) => {
    const play = figure.querySelector(".dq-play");
    const show = () => {
      const word = transport.playing ? "Stop" : "Play";
      figure.classList.toggle("dq-playing", transport.playing);
      play.innerHTML = icon(word.toLowerCase());
      play.setAttribute("aria-label", `${word} ${title}`);
      play.title = word;
    };
    play.onclick = () => {
      transport.playing ? transport.stop() : transport.start();
      show();
    };
    transport.onstop = show;
    show();
  };

  const addTempo = (figure, transport) => {
    const {bpm: own} = transport, reset = figure.querySelector(".dq-reset");
    const [slider, number] = figure.querySelectorAll(".dq-tempo input");
    for (const input of [slider, number]) {
      input.min = Math.min(SLOWEST, Math.ceil(own));
      input.max = Math.max(FASTEST, Math.ceil(own));
    }
    const tempo = bpm => {
      transport.bpm = bpm;
      slider.value = transport.bpm;
      number.value = Math.round(100 * transport.bpm) / 100;
      reset.style.visibility = bpm === null ? "hidden" : "";
    };
    tempo(null);
    slider.oninput = () => tempo(Number(slider.value));
    number.onchange = () =>
      tempo(D.clamp(number.valueAsNumber || own, Number(number.min), Number(number.max)));
    reset.onclick = () => {
      tempo(null);
      slider.focus();
    };
  };

  const addTools = (figure, transport, title) => {
    const find = selector => figure.querySelector(selector), volume = find(".dq-volume input");
    volume.value = transport.volume;
    volume.oninput = () => transport.volume = Number(volume.value);
    for (const name of ["loop", "metronome"]) {
      const button = find(`.dq-${name}`);
      button.onclick = () => {
        transport[name] = !transport[name];
        button.setAttribute("aria-pressed", transport[name]);
      };
    }
    const name = D.fileName(title);
    const heard = () => ({...transport.beat, bpm: transport.bpm}); // at the tempo that is shown
    find(".dq-midi").onclick = () => D.saveMidi(heard(), name);
    find(".dq-wav").onclick = () => D.saveWav(heard(), name);
  };

  const mount = figure => {
    if (figure.dataset.ready) return;
    figure.dataset.ready = "yes";
    const title = figure.querySelector("figcaption").firstElementChild.textContent;
    const beat = {...D.readData(figure), title};
    addControls(figure, title);
    const move = addHead(figure, beat), flash = addNames(figure, beat);
    const transport = new D.Transport({
      beat,
      onframe: position => figure.isConnected ? move(position) : transport.stop(),
      onstep: flash,
    });
    addPlay(figure, transport, title);
    addTempo(figure, transport);
    addTools(figure, transport, title);
    figure.transport = transport;
  };

  D.mount = () => {
    D.style("drum-qtuner", D.css + `:root{${D.color.map((c, i) => `--dq-${i}:${c}`).join(";")}}`);
    for (const figure of (page.queue ??= []).splice(0)) mount(figure);
  };
}
