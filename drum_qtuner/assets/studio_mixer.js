// Beside the rows of the grid: the names of the drums, which are pads to hit, and in front of the
// first bar two buttons each, to mute a drum or to hear it alone.
//   new D.StudioMixer(studio)
//       .pad(drum), .buttons(drum)     elements for the grid
//       .draw(), .flash(drum)
{
  const {element, pattern} = D;

  D.StudioMixer = class {
    #studio;
    #pads = D.names.map(() => []); // one for each bar
    #buttons = []; // {muted, soloed} of each drum

    constructor(studio) { this.#studio = studio; }

    clear() { this.#pads = D.names.map(() => []); }

    get width() { return this.#pads[0][0].offsetWidth; }

    pad(drum) {
      const {state, pads} = this.#studio, [short, name] = D.names[drum];
      const made = element("button", {type: "button", tabIndex: -1,
        "aria-label": `${short}: hit ${name}`, title: `${name}: hit it (key ${drum + 1})`,
        onpointerdown: ({timeStamp}) =>
          pads.hit(drum, state.strength || pattern.NORMAL, timeStamp)}, short);
      this.#pads[drum].push(made);
      return made;
    }

    buttons(drum) {
      const [, name] = D.names[drum], one = (set, text, title) => element("button", {
        type: "button", tabIndex: -1, title, "aria-label": `${text}: ${title}`,
        onclick: () => this.#studio.mix(set, drum)}, text);
      const muted = one("muted", "M", `mute ${name}`);
      const soloed = one("soloed", "S", `${name} alone`);
      this.#buttons[drum] = {muted, soloed};
      return [muted, soloed];
    }

    draw() {
      const {state} = this.#studio;
      this.#buttons.forEach((pair, drum) => {
        for (const [set, button] of Object.entries(pair))
          button.setAttribute("aria-pressed", state[set].has(drum));
      });
    }

    flash(drum) { // it was hit
      for (const pad of this.#pads[drum]) pad.animate?.([{opacity: .2}, {opacity: 1}], 250);
    }
  };
}
