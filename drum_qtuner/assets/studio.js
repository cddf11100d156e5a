// The studio: a step sequencer in which a model listens along. It asks a backend:
//   models: [{name, label, architecture, hears, styles}]    architecture.outputs: what its scores
//       are; hears: how it sees a beat, see studio_codecs.js; styles: those that it can play in
//   scores(model, tokens, {bpm, style}) -> Promise of {rows, surprise}, see studio_codecs.js
//   generate(model, {given, keep, decode, temperature, seed, steps, bpm, style})
//       -> Promise of a beat in which the first `keep` steps of the beat `given` stay, or those
//       for which `keep` has true; given null: a new one
//   notes: [text]                                what else the person must know
//   D.studio(root, {backend, beat, model, against, presets, drums, changed, voting, keeping,
//       everywhere}) -> {beat, model, votes (all can be set), stop()}
//       voting: see studio_votes.js; keeping: studio_keeping.js; everywhere: studio_keys.js
// Backends are in studio_backends.js.
{
  const {element, pattern} = D;

  const MEANING = { // of the grey in the grid, by what a model puts out
    classes: "p(a|s)",
    "action value": "as softmax of its values Q(s, a), which are not probabilities",
    patterns: "the chance of each drum by itself",
  };

  const groundOf = node => { // the colour behind it, for what covers other things
    for (; node; node = node.parentElement) {
      const {backgroundColor} = getComputedStyle(node);
      if (!/^transparent$|, 0\)$/.test(backgroundColor)) return backgroundColor;
    }
    return "Canvas";
  };

  class Studio {
    stopped = false;
    #legend = element("p", {className: "dqs-legend"});
    #alert = element("p", {className: "dqs-alert", role: "alert", hidden: true});
    #handed = ""; // the beat that the transport has
    #wrong = {}; // what went wrong: {expects, plays}

    constructor(root, {backend, beat, model, against, presets = [], drums = {},
      changed = () => {}, voting = {}, keeping = {}, everywhere = false}) {
      Object.assign(this, {root, backend, changed});
      const [first, ...others] = [model, against, ...backend.models.map(({name}) => name)].filter(
        (name, i, all) => this.#has(name) && all.indexOf(name) === i);
      this.state = new D.StudioState(beat, [first, others[0] ?? first]);
      this.grid = new D.StudioGrid(this);
      this.transport = new D.Transport({beat: this.state.beat, loop: true,
        onstep: step => root.isConnected ? this.grid.light(step) : this.transport.stop(),
        onturn: now => this.next.turn(now)});
      this.models = D.studioModels(this);
      this.jam = D.studioJam(this);
      this.next = D.studioNext(this);
      this.pads = D.studioPads(this, drums);
      this.playing = D.studioPlaying(this);
      this.editing = D.studioEditing(this, presets);
      this.keeping = D.studioKeeping(this, keeping);
      this.editing.box.append(D.studioFiles(this, drums).button);
      this.playing.sound.append(this.keeping.button);
      this.help = D.studioHelp();
      this.cards = D.studioCards(this);
      this.asking = D.studioAsking(this);
      this.voting = D.studioVotes(this, voting);
      this.transport.onstop = this.playing.show;
      this.refresh = D.studioHeat(this);
      this.#place();
      this.release = [D.studioPointer(this), D.studioKeys(this, everywhere), this.keeping.stop,
        this.pads.stop];
      this.draw();
      this.playing.show();
      this.keeping.open();
    }

    #place() {
      const {root, playing, editing, grid, cards, asking, voting, keeping, help} = this;
      root.classList.add("dqs-studio");
      root.setAttribute("role", "region");
      root.setAttribute("aria-label", "drum studio");
      root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: keys are the studio's
      const notes = (this.backend.notes ?? []).map(text =>
        element("p", {className: "dqs-legend"}, text));
      const top = element("div", {className: "dqs-top"}, playing.box, playing.sound);
      root.replaceChildren(top, editing.box, keeping.line, this.#alert,
        grid.box, grid.readout, grid.said, help.hint, this.#legend, ...notes, cards.box, asking.box,
        asking.press, voting.box, help.box);
    }

    // --- everything on the page follows from the state

    draw() {
      this.root.style.setProperty("--ground", groundOf(this.root.parentElement));
      this.grid.draw();
      const {playing, editing, cards, asking, voting, pads} = this;
      for (const part of [playing, editing, cards, asking, voting, pads]) part.draw();
      this.#tell();
      this.#quieten();
      const beat = this.state.beat, now = JSON.stringify(beat);
      if (this.#handed !== now) { // the transport plans anew only where something has changed
        this.#handed = now;
        this.transport.beat = beat;
        this.next.arm();
      }
      this.refresh();
      this.jam.prepare();
    }

    follow(beat) { this.#handed = JSON.stringify(beat); } // the transport plays it by now

    #quieten() {
      const {transport, state: {silent}} = this;
      if ([...silent].join() === [...transport.silent].join()) return;
      transport.silent = silent;
      this.next.arm();
    }

    drawJam() { this.asking.draw(); }

    drawPrimer() {
      this.grid.marker.draw();
      this.asking.draw();
    }

    #has(model) { return Boolean(this.cardOf(model)); }

    cardOf(model) { return this.backend.models.find(({name}) => name === model); }

    outputsOf(model) { return this.cardOf(model)?.architecture?.outputs; }

    codecOf(model) { return D.codecs[this.cardOf(model)?.hears ?? "classes"]; }

    get conditions() { return this.conditionsOf(this.model); }

    conditionsOf(model) { // under which it plays, as far as it asks for any
      const {bpm, settings: {style}} = this.state;
      return this.cardOf(model)?.styles?.length ? {bpm, style} : {bpm};
    }

    #tell() {
      const {model, pattern: own} = this.state.slot;
      const {hears, architecture} = this.cardOf(model);
      const outputs = hears === "patterns" ? hears : architecture?.outputs;
      const meaning = MEANING[outputs] ?? "as softmax of its scores";
      this.#legend.textContent =
        `Grey: what ${model} expects at each step from the steps before it, ${meaning}.`
        + (this.codecOf(model).loudestOnly && pattern.isPoly(own)
          ? " Where several sounds meet it hears only the loudest." : "");
    }

    complain(who, error) { // null: all is well again
      this.#wrong[who] = error;
      const now = Object.values(this.#wrong).find(each => each);
      this.#alert.hidden = !now;
      if (now) this.#alert.textContent = now.message || String(now);
    }

    // --- what parts ask of it

    commit({report = true} = {}) {
      this.state.remember();
      this.draw();
      this.keeping.save();
      if (report) this.#report();
    }

    #report() {
      const {beat, slot: {model}} = this.state;
      this.changed({beat, model});
    }

    travel(by) {
      if (this.models.busy) return;
      if (by < 0 && this.next.waits) return this.next.drop(); // what is not there yet
      if (!this.state.canTravel(by)) return;
      this.state.travel(by);
      this.draw();
      this.keeping.save();
      this.#report();
    }

    activate(key) {
      if (this.models.busy) return;
      if (this.next.waits) this.next.drop();
      if (key !== this.state.active) this.next.plan({fills: {}, active: key});
      else this.jam.prepare();
    }

    mix(set, drum) { // mute a drum, or hear it alone
      this.state.toggle(set, drum);
      this.commit();
    }

    hear(drum, velocity) { // one stroke, while the loop is silent
      if (!this.transport.playing) D.hear(drum, velocity, this.transport.volume);
    }

    // --- from outside: no report back

    get beat() { return this.state.beat; }
    set beat(beat) {
      this.state.load(beat);
      this.commit({report: false});
    }

    get model() { return this.state.slot.model; }
    set model(name) {
      this.state.slot.model = name;
      this.commit({report: false});
    }

    get votes() { return this.voting.votes; }
    set votes(votes) { this.voting.votes = votes; }

    stop() {
      this.stopped = true;
      this.transport.stop();
      for (const release of this.release) release();
    }
  }

  D.studio = (root, options) => new Studio(root, options);
}
