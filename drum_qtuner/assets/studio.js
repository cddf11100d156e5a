// The studio: a step sequencer in which a model listens along. It asks a backend:
//   models: [{name, label, architecture}]        architecture.outputs says what its scores are
//   scores(model, classes) -> Promise of rows    ten scores after each 0, 1, ... steps
//   generate(model, {given, keep, decode, temperature, seed, steps}) -> Promise of a beat
//       that begins with the first `keep` steps of the beat `given`; null: one random step
//   notes: [text]                                what else the person must know
//   D.studio(root, {backend, beat, model, against, presets, drums, changed, voting})
//       -> {beat, model, votes (all can be set), stop()}     voting: see studio_votes.js
//   D.studioPage(root)     the page computes (network.js); the data are in a <script> inside root
//   D.studioWidget         the kernel computes: {render({model, el})} for anywidget
{
  const {element, pattern} = D;

  const MEANING = { // of the grey in the grid, by what a model puts out
    classes: "p(a|s)",
    "action value": "as softmax of its values Q(s, a), which are not probabilities",
  };

  class Studio {
    stopped = false;
    #legend = element("p", {className: "dqs-legend"});
    #alert = element("p", {className: "dqs-alert", role: "alert", hidden: true});
    #handed = ""; // the beat that the transport has
    #wrong = {}; // what went wrong: {expects, plays}

    constructor(root, {backend, beat, model, against, presets = [], drums = {},
      changed = () => {}, voting = {}}) {
      Object.assign(this, {root, backend, changed});
      const [first, ...others] = [model, against, ...backend.models.map(({name}) => name)].filter(
        (name, i, all) => this.#has(name) && all.indexOf(name) === i);
      this.state = new D.StudioState(beat, first, others[0] ?? first);
      this.grid = new D.StudioGrid(this);
      this.transport = new D.Transport({beat: this.state.beat, loop: true,
        onstep: step => root.isConnected ? this.grid.light(step) : this.transport.stop()});
      this.models = D.studioModels(this);
      this.playing = D.studioPlaying(this);
      this.editing = D.studioEditing(this, presets);
      this.editing.box.append(D.studioFiles(this, drums).button);
      this.cards = D.studioCards(this);
      this.asking = D.studioAsking(this);
      this.voting = D.studioVotes(this, voting);
      this.transport.onstop = this.playing.show;
      this.refresh = D.studioHeat(this);
      this.#place();
      D.studioKeys(this);
      this.release = D.studioPointer(this);
      this.draw();
      this.playing.show();
    }

    #place() {
      const {root, playing, editing, grid, cards, asking, voting} = this;
      root.classList.add("dqs-studio");
      root.setAttribute("role", "region");
      root.setAttribute("aria-label", "drum studio");
      root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: keys are the studio's
      const notes = (this.backend.notes ?? []).map(text =>
        element("p", {className: "dqs-legend"}, text));
      root.replaceChildren(playing.box, editing.box, grid.box, grid.readout, this.#legend,
        ...notes, cards.box, asking.box, asking.press, voting.box, this.#alert);
    }

    // --- everything on the page follows from the state

    draw() {
      this.grid.draw();
      const {playing, editing, cards, asking, voting} = this;
      for (const part of [playing, editing, cards, asking, voting]) part.draw();
      this.#tell();
      const beat = this.state.beat, now = JSON.stringify(beat);
      if (this.#handed !== now) { // the transport plans anew only where something has changed
        this.#handed = now;
        this.transport.beat = beat;
      }
      this.refresh();
    }

    drawPrimer() {
      this.grid.drawKept();
      this.asking.draw();
    }

    #has(model) { return this.backend.models.some(({name}) => name === model); }

    outputsOf(model) {
      return this.backend.models.find(({name}) => name === model)?.architecture?.outputs;
    }

    #tell() {
      const {model, pattern: own} = this.state.slot;
      const meaning = MEANING[this.outputsOf(model)] ?? "as softmax of its scores";
      this.#legend.textContent =
        `Grey: what ${model} expects at each step from the steps before it, ${meaning}.`
        + (pattern.isPoly(own) ? " Where several sounds meet it hears only the loudest." : "");
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
      if (report) this.#report();
    }

    #report() {
      const {beat, slot: {model}} = this.state;
      this.changed({beat, model});
    }

    travel(by) {
      if (this.models.busy || !this.state.canTravel(by)) return;
      this.state.travel(by);
      this.draw();
      this.#report();
    }

    activate(key) {
      if (this.models.busy) return;
      this.state.activate(key);
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
      this.release();
    }
  }

  D.studio = (root, options) => new Studio(root, options);

  // --- two backends

  D.studioPage = root => {
    const {beat, model, against, presets, drums, voting, ...asset} = D.readData(root);
    const {models, leftOut} = D.network.load(asset);
    const notes = Object.entries(leftOut).map(([name, why]) => `${name} is left out: ${why}.`);
    const known = asset.models.filter(({name}) => name in models);
    if (!known.length) return root.replaceChildren(...notes.map(text => element("p", {}, text)));
    const play = (name, {given, keep, ...options}) => {
      const played = given && pattern.classesOf(pattern.fromNotes(given.steps, given.notes));
      const primer = played && played.slice(0, keep);
      const classes = D.network.generate(models[name], {...options, primer});
      return pattern.continued(given ?? {...beat, notes: []}, keep, classes);
    };
    const backend = {
      notes,
      models: known,
      scores: (name, classes) => Promise.resolve(D.network.all(models[name], classes)),
      generate: (name, options) => Promise.resolve(play(name, options)),
    };
    addEventListener("beforeunload", event => {
      if (root.isConnected && root.studio.voting.unsaved) event.preventDefault();
    });
    return root.studio = D.studio(root, {backend, beat, model, against, presets, drums, voting});
  };

  D.studioWidget = {
    render({model, el}) {
      const {ask, close} = D.bridge(model);
      const {models, against, presets, drums, voting} = model.get("_page");
      const backend = {
        models,
        scores: (name, classes) => ask({ask: "scores", model: name, classes}),
        generate: (name, options) => ask({ask: "generate", model: name, ...options}),
      };
      const root = element("div");
      el.append(root);
      const studio = D.studio(root, {backend, against, presets, drums,
        beat: model.get("beat"), model: model.get("model"),
        changed: ({beat, model: name}) => {
          model.set("beat", beat);
          model.set("model", name);
          model.save_changes();
        },
        voting: {...voting, votes: model.get("votes"), voted: votes => {
          model.set("votes", votes);
          model.save_changes();
        }}});
      const plain = beat => JSON.stringify({...beat, title: ""});
      const heard = {
        "change:beat": () => {
          if (plain(studio.beat) !== plain(model.get("beat"))) studio.beat = model.get("beat");
        },
        "change:model": () => {
          if (studio.model !== model.get("model")) studio.model = model.get("model");
        },
        "change:votes": () => {
          const votes = model.get("votes");
          if (JSON.stringify(studio.votes) !== JSON.stringify(votes)) studio.votes = votes;
        },
      };
      for (const [name, listen] of Object.entries(heard)) model.on(name, listen);
      return () => {
        studio.stop();
        close();
        for (const [name, listen] of Object.entries(heard)) model.off(name, listen);
      };
    },
  };
}
