// What the studio is about to play, and what undo goes back to. Two slots, A and B, share tempo and
// length; the grid shows the active one. Nothing here knows of the page.
{
  const {BAR, DRUMS, TICKS, clamp, pattern} = D;
  const MEMORY = 500; // states that undo remembers
  const PRIMER = BAR / 2; // steps that are kept at first

  D.StudioState = class {
    swing = 0;
    active = "A";
    level = 1; // of new strokes, in pattern.LEVELS
    style = null; // in which a model plays that has any
    held = new Set(); // drums that stay everywhere, where the model hears the whole kit
    #history = [];
    #at = -1;

    constructor(beat, modelA, modelB) {
      const {steps, bpm, notes, title} = beat;
      Object.assign(this, {steps, bpm, primer: Math.min(PRIMER, steps)});
      const slot = model =>
        ({model, title: title || "beat", pattern: pattern.fromNotes(steps, notes)});
      this.slots = {A: slot(modelA), B: slot(modelB)};
      this.poly = pattern.isPoly(this.slot.pattern); // any number of sounds in a step
      this.remember();
    }

    get slot() { return this.slots[this.active]; }

    get strength() { return pattern.LEVELS[this.level][1]; }

    get beat() {
      const {steps, bpm, slot} = this;
      return {title: slot.title, steps, bpm, notes: pattern.toNotes(slot.pattern)};
    }

    // --- history

    remember() {
      const {steps, bpm, swing, primer, active} = this;
      const slots = Object.fromEntries(Object.entries(this.slots).map(([key, one]) =>
        [key, {...one, pattern: pattern.toNotes(one.pattern)}]));
      const now = JSON.stringify({steps, bpm, swing, primer, active, slots});
      if (now === this.#history[this.#at]) return;
      this.#history.splice(this.#at + 1, Infinity, now);
      if (this.#history.length > MEMORY) this.#history.shift();
      this.#at = this.#history.length - 1;
    }

    recall() { // what was remembered last
      const {slots, ...rest} = JSON.parse(this.#history[this.#at]);
      Object.assign(this, rest);
      for (const [key, one] of Object.entries(slots))
        this.slots[key] = {...one, pattern: pattern.fromNotes(this.steps, one.pattern)};
      this.poly ||= pattern.isPoly(this.slot.pattern);
    }

    canTravel(by) { return this.#history[this.#at + by] !== undefined; }

    travel(by) {
      this.#at += by;
      this.recall();
    }

    // --- edits

    velocity(step, drum) { return this.slot.pattern.velocity[step * DRUMS + drum]; }

    offset(step) { return step % 2 ? Math.round(this.swing / 100 * TICKS / 3) : 0; }

    put(step, drum, velocity) { // 0: take the stroke away
      const own = this.slot.pattern, late = own.offset[step * DRUMS + drum];
      const there = this.velocity(step, drum) > 0;
      if (velocity && !this.poly) pattern.clear(own, step, drum);
      pattern.set(own, step, drum, velocity, there ? late : this.offset(step));
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

    hold(drum) { // or let go
      if (!this.held.delete(drum)) this.held.add(drum);
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
