// What the studio is about to play, and what undo goes back to. Four slots, A to D, share tempo and
// length; the grid shows the active one. Nothing here knows of the page.
{
  const {BAR, DRUMS, TICKS, clamp, pattern} = D;
  const MEMORY = 500; // states that undo remembers
  const SETS = ["held", "muted", "soloed"]; // of drums

  D.StudioState = class {
    swing = 0;
    active = "A";
    level = 1; // of new strokes, in pattern.LEVELS; -1: strokes are taken away
    settings = {...D.StudioState.SETTINGS};
    held = new Set(); // stay everywhere, where the model hears the whole kit
    muted = new Set();
    soloed = new Set(); // if there are any, these alone are heard
    #history = [];
    #at = -1;

    static KEYS = ["A", "B", "C", "D"];
    static PRIMER = BAR / 2; // steps that are kept at first
    static SETTINGS = {decode: "sample", temperature: 1, seed: 0, style: null};
    static LIMITS = {bpm: [10, 1000], temperature: [.05, 10], seed: [0, 2 ** 31 - 1]};

    constructor(beat, models) { // models: names, the first for A, the second for B
      const {steps, bpm, notes, title} = beat, {KEYS, PRIMER} = D.StudioState;
      Object.assign(this, {steps, bpm, primer: Math.min(PRIMER, steps)});
      this.slots = Object.fromEntries(KEYS.map((key, i) => [key, {model: models[i] ?? models[0],
        title: title || "beat", pattern: pattern.fromNotes(steps, notes)}]));
      this.poly = pattern.isPoly(this.slot.pattern); // any number of sounds in a step
      this.remember();
    }

    get slot() { return this.slots[this.active]; }

    get strength() { return this.level < 0 ? 0 : pattern.LEVELS[this.level][1]; }

    get beat() { return this.beatOf(this.active); }

    beatOf(key) {
      const {steps, bpm, slots: {[key]: slot}} = this;
      return {title: slot.title, steps, bpm, notes: pattern.toNotes(slot.pattern)};
    }

    get silent() { // drums that are not heard
      const {muted, soloed} = this;
      return new Set([...D.names.keys()].filter(drum =>
        muted.has(drum) || soloed.size && !soloed.has(drum)));
    }

    get heard() { // the beat as it sounds
      const {beat, silent} = this;
      return {...beat, notes: beat.notes.filter(([, drum]) => !silent.has(drum))};
    }

    // --- history

    remember() {
      const {steps, bpm, swing, primer, active, poly, settings} = this;
      const slots = Object.fromEntries(Object.entries(this.slots).map(([key, one]) =>
        [key, {...one, pattern: pattern.toNotes(one.pattern)}]));
      const sets = SETS.map(name => [...this[name]].sort());
      const now = JSON.stringify(
        {steps, bpm, swing, primer, active, poly, settings, slots, sets});
      if (now === this.#history[this.#at]) return;
      this.#history.splice(this.#at + 1, Infinity, now);
      if (this.#history.length > MEMORY) this.#history.shift();
      this.#at = this.#history.length - 1;
    }

    recall() { // what was remembered last
      const {slots, sets, ...rest} = JSON.parse(this.#history[this.#at]);
      Object.assign(this, rest);
      SETS.forEach((name, i) => this[name] = new Set(sets[i]));
      for (const [key, one] of Object.entries(slots))
        this.slots[key] = {...one, pattern: pattern.fromNotes(this.steps, one.pattern)};
    }

    canTravel(by) { return this.#history[this.#at + by] !== undefined; }

    travel(by) {
      this.#at += by;
      this.recall();
    }

    // --- edits

    velocity(step, drum) { return this.slot.pattern.velocity[step * DRUMS + drum]; }

    late(step, drum) { return this.slot.pattern.offset[step * DRUMS + drum]; } // in ticks

    offset(step) { return pattern.swung(step, this.swing); } // of a new stroke

    put(step, drum, velocity) { // 0: take the stroke away
      const own = this.slot.pattern, late = this.late(step, drum);
      const there = this.velocity(step, drum) > 0;
      if (velocity && !this.poly) pattern.clear(own, step, drum);
      pattern.set(own, step, drum, velocity, there ? late : this.offset(step));
    }

    shape(step, drum, velocity, late) { // a stroke that is there
      pattern.set(this.slot.pattern, step, drum, clamp(Math.round(velocity), 1, 127),
        clamp(Math.round(late), -TICKS / 2, TICKS / 2 - 1));
    }

    record(position, drum, velocity) { // in steps: to the nearest one, with what is left of it
      const nearest = Math.round(position), step = nearest % this.steps;
      this.put(step, drum, velocity);
      this.shape(step, drum, velocity, (position - nearest) * TICKS);
    }

    rest(step) { pattern.clear(this.slot.pattern, step); }

    setSwing(amount) {
      this.swing = amount;
      for (const {pattern: own} of Object.values(this.slots)) own.velocity.forEach((v, i) => {
        const step = Math.floor(i / DRUMS);
        if (v && step % 2) own.offset[i] = this.offset(step);
      });
    }

    setPoly(poly) {
      this.poly = poly;
      const own = this.slot.pattern;
      if (!poly) pattern.classesOf(own).forEach((a, step) => pattern.clear(own, step, a));
    }

    keeps(step, drum) { return step < this.primer || this.held.has(drum); }

    toggle(name, drum) { // in one of the sets
      if (!this[name].delete(drum)) this[name].add(drum);
    }

    setPrimer(steps) { this.primer = clamp(steps, 0, this.steps); }

    resize(steps) {
      this.steps = steps;
      this.primer = Math.min(this.primer, steps);
      for (const one of Object.values(this.slots))
        one.pattern = pattern.fromNotes(steps, pattern.toNotes(one.pattern));
    }

    activate(key) {
      this.active = key;
      this.poly ||= pattern.isPoly(this.slot.pattern);
    }

    load(beat) {
      if (beat.steps !== this.steps) this.resize(beat.steps);
      this.bpm = beat.bpm;
      this.fill(this.active, beat, beat.title);
      this.poly ||= pattern.isPoly(this.slot.pattern);
    }

    fill(key, {notes}, title) {
      const own = pattern.fromNotes(this.steps, notes);
      Object.assign(this.slots[key], {title: title || "beat", pattern: own});
    }
  };
}
