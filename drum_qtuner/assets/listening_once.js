// A beat that is played once, as Python renders it. A beat also has `gain`, the factor that makes
// all equally loud.
//   new D.Once(beat, changed) -> {plays, played, sounds, prepare(), start(), stop()}
{
  const PATIENCE = 3000; // milliseconds without any sound until the listener is told

  D.Once = class {
    plays = 0; // how often it was heard to the end
    played = 0; // which part of it, now
    sounds = false;
    #samples = null;

    constructor(beat, changed) {
      Object.assign(this, {beat, changed});
      this.seconds = D.secondsOf(beat.steps, beat.bpm);
    }

    prepare() { return this.#samples ??= D.render(this.beat).map(x => x * this.beat.gain); }

    start() {
      page.playing?.stop();
      const context = D.audio(), samples = this.prepare();
      const buffer = context.createBuffer(1, samples.length, D.sounds.rate);
      buffer.copyToChannel(samples, 0);
      this.source = context.createBufferSource();
      this.source.buffer = buffer;
      this.source.connect(page.master);
      const begin = context.currentTime + .05, pressed = performance.now();
      this.source.start(begin);
      page.playing = this;
      this.sounds = true;
      this.timer = setInterval(() => {
        this.played = D.clamp((context.currentTime - begin) / this.seconds, 0, 1);
        if (this.played === 1) this.#end(true);
        else if (!this.played && performance.now() - pressed > PATIENCE)
          this.#end(false, "The browser plays no sound. Is a loudspeaker or headphone connected?");
        else this.changed();
      }, 40);
      this.changed();
    }

    stop() {
      if (this.sounds) this.#end(false);
      this.source?.stop();
    }

    #end(heard, message) { // the last stroke may ring on
      clearInterval(this.timer);
      this.sounds = false;
      this.played = 0;
      if (page.playing === this && !heard) page.playing = null;
      if (heard) this.plays++;
      this.changed(message);
    }
  };
}
