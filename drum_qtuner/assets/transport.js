// Play a beat in time. Only one plays on a page: `page.playing`.
//   new D.Transport({beat, loop, volume, metronome, swing, bpm, onstep, onframe, onstop, onturn})
//       .beat = other      takes effect at once
//       .next = other      takes over where the loop ends, at the same tempo; `onturn` then
//       .silent = drums    a Set of those that do not sound
{
  const {QUARTER, TICKS, secondsOf, stepsOf} = D;
  const AHEAD = .2; // seconds scheduled ahead
  const AHEAD_HIDDEN = 1.5; // the timer of a hidden page fires only once a second
  const EVERY = 25; // milliseconds between two looks ahead

  // Times are computed from the start by multiplication, so errors do not add up.
  D.Transport = class {
    origin = 0; // time on the audio clock at which step 0 of the first loop falls
    #beat;
    #bpm;
    #swing;
    #volume;
    #silent = new Set();
    #events = []; // strokes and clicks of one loop in the order of time
    #next = 0; // number of the event to be scheduled next, counted through all loops
    #sounding = [];
    #timer = 0;
    #frame = 0;
    #shown = -1;
    #last = null; // the beat that is still heard, while the next one is being scheduled

    next = null; // the beat that follows on this loop; none: the same again

    constructor({beat, loop = true, volume = .8, metronome = false, swing = 0, bpm = null, ...on}) {
      Object.assign(this, {loop, metronome}, on);
      [this.#swing, this.#volume, this.#bpm] = [swing, volume, bpm];
      this.beat = beat;
    }

    get playing() { return page.playing === this; }

    get beat() { return this.#beat; }
    set beat(beat) { this.#change(() => this.#beat = beat); }

    get bpm() { return this.#bpm ?? this.#beat?.bpm; } // null: the beat's own
    set bpm(bpm) { this.#change(() => this.#bpm = bpm); }

    // 0: straight, 1: every second sixteenth comes a third of a step late, as in triplets
    get swing() { return this.#swing; }
    set swing(swing) { this.#change(() => this.#swing = swing); }

    get silent() { return this.#silent; }
    set silent(drums) { this.#change(() => this.#silent = drums); }

    get volume() { return this.#volume; } // 0 to 1
    set volume(volume) {
      this.#volume = volume;
      if (this.playing) this.out.gain.setTargetAtTime(volume ** 2, page.context.currentTime, .01);
    }

    timeOf(loop, place) { // in seconds on the audio clock
      return this.origin + secondsOf(loop * this.#beat.steps + place, this.bpm);
    }

    get #heard() { // what of the audio clock has reached the ear
      const {currentTime, outputLatency, baseLatency} = page.context;
      return currentTime - (outputLatency || baseLatency || 0);
    }

    position(ago = 0) { // in steps from the beat's start: what the ear hears, some seconds ago
      if (!this.playing) return 0;
      const steps = stepsOf(this.#heard - ago - this.origin, this.bpm);
      if (steps >= 0) return steps % this.#beat.steps;
      return this.#last ? Math.max(0, this.#last.steps + steps) : 0; // its end, or none has begun
    }

    start() {
      if (this.playing) return;
      page.playing?.stop();
      const context = D.audio(), {input, output} = D.sounds.saturator(context);
      this.input = input;
      this.out = context.createGain();
      this.out.gain.value = this.#volume ** 2;
      output.connect(this.out).connect(page.master);
      page.playing = this;
      [this.#next, this.#sounding, this.#shown, this.next] = [0, [], -1, null];
      this.#prepare(0);
      const early = Math.max(0, ...this.#events.slice(0, 1).map(({place}) => -place));
      this.origin = context.currentTime + .08 + secondsOf(early, this.bpm);
      this.#look();
      this.#timer = setInterval(() => this.#look(), EVERY);
      this.#draw();
    }

    stop() {
      this.#end(() => {
        const now = page.context.currentTime;
        this.out.gain.cancelScheduledValues(now);
        this.out.gain.setTargetAtTime(0, now, .004); // without a click
        for (const {source} of this.#sounding) source.stop(now + .05);
      });
    }

    #end(silence = () => {}) { // or let it ring out
      if (!this.playing) return;
      silence();
      this.#undoTurn();
      clearInterval(this.#timer);
      cancelAnimationFrame(this.#frame);
      const {out} = this;
      setTimeout(() => out.disconnect(), 5000);
      page.playing = null;
      this.onstop?.();
    }

    #arrange() {
      const late = step => step % 2 ? this.#swing / 3 : 0;
      const strokes = this.#beat.notes.map(([step, drum, velocity, offset]) =>
        ({place: step + offset / TICKS + late(step), drum, velocity}));
      const clicks = Array.from({length: this.#beat.steps / QUARTER}, (_, i) =>
        ({place: i * QUARTER, drum: -1, velocity: i % QUARTER}));
      this.#events = [...clicks, ...strokes].sort((a, b) => a.place - b.place);
    }

    #change(make) { // takes effect at once: what has not sounded yet is planned anew
      const {bpm, playing} = this;
      this.#undoTurn();
      make();
      this.#arrange();
      if (!playing) return;
      this.#prepare(this.position());
      const now = page.context.currentTime + .005, place = stepsOf(now - this.origin, bpm);
      this.origin = now - secondsOf(place < 0 ? place : place % this.#beat.steps, this.bpm);
      for (const {source, gain, time} of this.#sounding) {
        if (time > now) source.stop();
        else gain.gain.cancelScheduledValues(now);
      }
      this.#sounding = this.#sounding.filter(({time}) => time <= now);
      for (const stroke of this.#sounding) if (stroke.choked > now) stroke.choked = null;
      this.#next = 0;
      while (this.#timeOfNext() < now) this.#next++;
      this.#look();
    }

    #prepare(position) { // make the whole kit, and the strokes that come first, before time counts
      const {context} = page, {steps} = this.#beat;
      for (const drum of D.names.keys()) D.sounds.buffer(context, drum, 127);
      for (const {drum, velocity, place} of this.#events) {
        const soon = (place - position + steps) % steps < QUARTER;
        if (drum >= 0 && soon) D.sounds.buffer(context, drum, velocity);
      }
    }

    // Everything of this loop is scheduled: the next beat takes over where it ends.
    #turn() {
      const loops = this.#next / this.#events.length;
      if (!this.next || !this.loop || !loops || !Number.isInteger(loops)) return;
      this.origin = this.timeOf(loops, 0);
      [this.#last, this.#beat, this.next, this.#next] = [this.#beat, this.next, null, 0];
      this.#arrange();
    }

    #undoTurn() { // before it was heard
      this.next = null;
      if (!this.#last) return;
      this.origin -= secondsOf(this.#last.steps, this.bpm);
      [this.#beat, this.#last] = [this.#last, null];
      this.#arrange();
    }

    #noticeTurn() { // is the beat that took over heard by now?
      if (!this.#last || this.#heard < this.origin) return;
      this.#last = null;
      this.onturn?.(this.#beat);
    }

    #timeOfNext() {
      const count = this.#events.length;
      return this.timeOf(Math.floor(this.#next / count), this.#events[this.#next % count].place);
    }

    #look() { // schedule what comes next
      const now = page.context.currentTime;
      const until = now + (document.hidden ? AHEAD_HIDDEN : AHEAD);
      this.#noticeTurn();
      this.#sounding = this.#sounding.filter(({end}) => end > now);
      for (;; this.#next++) {
        this.#turn();
        const time = this.#timeOfNext(), event = this.#events[this.#next % this.#events.length];
        if (time >= until || !this.loop && this.#next >= this.#events.length) break;
        if (time > now - .02) this.#strike(event, time); // later than that: leave it out
      }
      if (!this.loop && now > this.timeOf(1, 0)) this.#end();
    }

    #strike({drum, velocity}, time) {
      if (drum < 0 ? !this.metronome : this.#silent.has(drum)) return;
      const {context} = page, {buffer, CLOSED} = D.sounds;
      const source = context.createBufferSource(), gain = context.createGain();
      source.buffer = drum < 0 ? D.click(velocity === 0) : buffer(context, drum, velocity);
      source.connect(gain).connect(this.input);
      source.start(Math.max(time, context.currentTime));
      if (drum === CLOSED) this.#choke(time);
      this.#sounding.push({source, gain, drum, time, end: time + source.buffer.duration});
    }

    #choke(time) { // a closed hi-hat ends the open one
      for (const open of this.#sounding) {
        if (open.drum !== D.sounds.OPEN || open.time >= time || open.choked) continue;
        open.choked = time;
        open.gain.gain.setValueAtTime(1, time);
        open.gain.gain.linearRampToValueAtTime(0, time + D.sounds.choke);
      }
    }

    #draw() { // what the eye sees
      const position = this.position(), step = Math.floor(position);
      this.onframe?.(position);
      if (step !== this.#shown && this.playing) {
        this.#shown = step;
        this.onstep?.(step);
      }
      if (this.playing) this.#frame = requestAnimationFrame(() => this.#draw());
    }
  };
}
