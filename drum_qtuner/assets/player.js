// Play a beat in time, and the player that a beat shows itself with. Needs sound.js, and from Python (`player_script()`):
// drumQtuner.kit, .color (nine colours), .names ([short, full] of the nine drums) and .css (player.css).
//   new D.Transport({beat, loop, volume, metronome, swing, bpm, onstep, onframe, onstop})   see below
//   D.icon(name)                      a 16 x 16 icon as SVG text
//   D.place(position)                 horizontal place of a step (or of a point between two) in the grid's units
//   D.download(bytes, name, mime)     let the person save a file
//   D.mount()                         turn every figure that waits in D.queue into a player
(() => {
  const D = globalThis.drumQtuner ??= {};
  if (D.Transport) return;
  const BAR = 16, QUARTER = 4, TICKS = 960;
  const AHEAD = .2, AHEAD_HIDDEN = 1.5; // seconds scheduled ahead; a hidden page's timer fires only once a second
  const EVERY = 25; // milliseconds between two looks ahead
  const SLOWEST = 20, FASTEST = 300; // beats per minute that the controls offer

  // --- one audio context for the page, made at the first press

  D.audio = () => {
    if (!D.context) {
      D.context = new AudioContext();
      D.master = D.context.createGain();
      D.master.connect(D.context.destination);
    }
    if (D.context.state === "suspended") D.context.resume();
    return D.context;
  };

  const click = accent => { // the metronome: a short sine
    const rate = D.sounds.rate, buffer = D.context.createBuffer(1, .05 * rate, rate);
    buffer.copyToChannel(Float32Array.from({length: buffer.length}, (_, n) =>
      .35 * Math.sin(2 * Math.PI * (accent ? 1760 : 1320) * n / rate) * Math.exp(-n / rate / .008)), 0);
    return buffer;
  };

  // --- transport: what is heard when

  // Only one plays on a page: `D.playing`. Times are computed from the start by multiplication, so errors do not add up.
  D.Transport = class {
    #beat; #bpm = null; #swing = 0; #volume = .8; #events = []; #next = 0; #sounding = []; #timer = 0; #frame = 0; #shown = -1;
    origin = 0; // time on the audio clock at which step 0 of the first loop falls

    constructor({beat, loop = true, volume = .8, metronome = false, swing = 0, bpm = null, onstep, onframe, onstop}) {
      Object.assign(this, {loop, metronome, onstep, onframe, onstop});
      [this.#swing, this.#volume, this.#bpm] = [swing, volume, bpm];
      this.beat = beat;
    }

    get playing() { return D.playing === this; }

    get beat() { return this.#beat; }
    set beat(beat) { this.#change(() => this.#beat = beat); }

    get bpm() { return this.#bpm ?? this.#beat?.bpm; } // null: the beat's own
    set bpm(bpm) { this.#change(() => this.#bpm = bpm); }

    get swing() { return this.#swing; } // 0: straight, 1: every second sixteenth comes a third of a step late, as in triplets
    set swing(swing) { this.#change(() => this.#swing = swing); }

    get volume() { return this.#volume; } // 0 to 1
    set volume(volume) {
      this.#volume = volume;
      if (this.playing) this.out.gain.setTargetAtTime(volume ** 2, D.context.currentTime, .01);
    }

    timeOf(loop, place) { return this.origin + (loop * this.#beat.steps + place) * 15 / this.bpm; } // seconds on the audio clock

    position() { // in steps from the beat's start, a fraction between two: what the ear hears now
      if (!this.playing) return 0;
      const heard = D.context.currentTime - (D.context.outputLatency || D.context.baseLatency || 0);
      const steps = (heard - this.origin) * this.bpm / 15;
      return steps < 0 ? 0 : steps % this.#beat.steps;
    }

    start() {
      if (this.playing) return;
      D.playing?.stop();
      const context = D.audio(), {input, output} = D.sounds.saturator(context);
      this.input = input;
      this.out = context.createGain();
      this.out.gain.value = this.#volume ** 2;
      output.connect(this.out).connect(D.master);
      D.playing = this;
      [this.#next, this.#sounding, this.#shown] = [0, [], -1];
      this.#prepare(0);
      const early = Math.max(0, ...this.#events.slice(0, 1).map(event => -event.place)) * 15 / this.bpm;
      this.origin = context.currentTime + .08 + early;
      this.#look();
      this.#timer = setInterval(() => this.#look(), EVERY);
      this.#draw();
    }

    stop() { this.#end(() => {
      const now = D.context.currentTime;
      this.out.gain.cancelScheduledValues(now);
      this.out.gain.setTargetAtTime(0, now, .004); // without a click
      for (const {source} of this.#sounding) source.stop(now + .05);
    }); }

    #end(silence = () => {}) { // or let it ring out
      if (!this.playing) return;
      silence();
      clearInterval(this.#timer);
      cancelAnimationFrame(this.#frame);
      const {out} = this;
      setTimeout(() => out.disconnect(), 5000);
      D.playing = null;
      this.onstop?.();
    }

    #arrange() { // strokes and clicks in the order of time
      const late = step => step % 2 ? this.#swing / 3 : 0;
      const strokes = this.#beat.notes.map(([step, drum, velocity, offset]) => ({place: step + offset / TICKS + late(step), drum, velocity}));
      const clicks = Array.from({length: this.#beat.steps / QUARTER}, (_, i) => ({place: i * QUARTER, drum: -1, velocity: i % QUARTER}));
      this.#events = [...clicks, ...strokes].sort((a, b) => a.place - b.place);
    }

    #change(make) { // takes effect at once while playing: what has not sounded yet is planned anew
      const {bpm, playing} = this;
      make();
      this.#arrange();
      if (!playing) return;
      this.#prepare(this.position());
      const now = D.context.currentTime + .005, place = (now - this.origin) * bpm / 15;
      this.origin = now - (place < 0 ? place : place % this.#beat.steps) * 15 / this.bpm;
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

    #prepare(position) { // make the whole kit, once, and the strokes that come first, before time counts
      for (const drum of D.names.keys()) D.sounds.buffer(D.context, drum, 127);
      for (const {drum, velocity, place} of this.#events)
        if (drum >= 0 && (place - position + this.#beat.steps) % this.#beat.steps < 4) D.sounds.buffer(D.context, drum, velocity);
    }

    #timeOfNext() {
      const count = this.#events.length;
      return this.timeOf(Math.floor(this.#next / count), this.#events[this.#next % count].place);
    }

    #look() { // schedule what comes next
      const now = D.context.currentTime, until = now + (document.hidden ? AHEAD_HIDDEN : AHEAD);
      this.#sounding = this.#sounding.filter(({end}) => end > now);
      for (let time; (time = this.#timeOfNext()) < until; this.#next++) {
        if (!this.loop && this.#next >= this.#events.length) break;
        if (time > now - .02) this.#strike(this.#events[this.#next % this.#events.length], time); // later than that: leave it out
      }
      if (!this.loop && now > this.timeOf(1, 0)) this.#end();
    }

    #strike({drum, velocity}, time) {
      if (drum < 0 && !this.metronome) return;
      const context = D.context, source = context.createBufferSource(), gain = context.createGain();
      source.buffer = drum < 0 ? click(velocity === 0) : D.sounds.buffer(context, drum, velocity);
      source.connect(gain).connect(this.input);
      source.start(Math.max(time, context.currentTime));
      if (drum === D.sounds.CLOSED) for (const open of this.#sounding) if (open.drum === D.sounds.OPEN && open.time < time && !open.choked) {
        open.choked = time;
        open.gain.gain.setValueAtTime(1, time);
        open.gain.gain.linearRampToValueAtTime(0, time + D.sounds.choke);
      }
      this.#sounding.push({source, gain, drum, time, end: time + source.buffer.duration});
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

  // --- small helpers

  D.download = (bytes, name, mime) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], {type: mime}));
    link.download = name;
    link.hidden = true;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  D.fileName = title => title.normalize("NFKD").replace(/[^\w]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "beat";

  const ICONS = {
    play: '<path d="M5 3.2v9.6L12.6 8z" fill="currentColor" stroke-width="1.6"/>',
    stop: '<rect x="4" y="4" width="8" height="8" rx="1" fill="currentColor"/>',
    loop: '<path d="M2.5 7.5V7A2.5 2.5 0 0 1 5 4.5h8M11 2.3l2.3 2.2L11 6.7M13.5 8.5V9a2.5 2.5 0 0 1-2.5 2.5H3M5 9.3 2.7 11.5 5 13.7"/>',
    metronome: '<path d="M6.2 2.3h3.6l2.7 11.4h-9zM4.4 10.5h7.2M8 10.5l4.7-7"/>',
    volume: '<path d="M2.5 6.2h2.3L8 3.5v9L4.8 9.8H2.5zM10.5 6a3 3 0 0 1 0 4M12.3 4a5.7 5.7 0 0 1 0 8"/>',
    download: '<path d="M8 2.5v7.3M4.8 6.9 8 10.1l3.2-3.2M3 13.3h10"/>',
    reset: '<path d="M3 8a5 5 0 1 0 1.6-3.7L3 5.8M3 2.5v3.3h3.3"/>',
  };
  D.icon = name => `<svg class="dq-icon" viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.4"
    stroke-linecap="round" stroke-linejoin="round">${ICONS[name]}</svg>`;

  D.place = position => 20 * position + 4 * Math.floor(position / QUARTER) + 6 * Math.floor(position / BAR);

  D.style = () => { // once a page, in the head: the output that carried it may go away
    if (document.getElementById("drum-qtuner")) return;
    const style = document.createElement("style");
    style.id = "drum-qtuner";
    style.textContent = D.css + `:root{${D.color.map((color, i) => `--dq-${i}:${color}`).join(";")}}`;
    document.head.append(style);
  };

  // --- the player

  const controls = `
    <div class="dq-first">
      <button type="button" class="dq-play"></button>
      <div class="dq-title"></div>
      <div class="dq-group">
        <button type="button" class="dq-tool dq-loop" aria-pressed="true" aria-label="Loop" title="Loop">${D.icon("loop")}</button>
        <button type="button" class="dq-tool dq-metronome" aria-pressed="false" aria-label="Metronome" title="Metronome">${D.icon("metronome")}</button>
      </div>
    </div>
    <div class="dq-second">
      <div class="dq-group dq-tempo">
        <input type="range" step="1" aria-label="Tempo in beats per minute">
        <label><input type="number" step="any" inputmode="decimal" aria-label="Tempo in beats per minute">bpm</label>
        <button type="button" class="dq-tool dq-reset" aria-label="Back to the beat's tempo" title="Back to the beat's tempo">${D.icon("reset")}</button>
      </div>
      <label class="dq-volume" title="Volume">${D.icon("volume")}<input type="range" min="0" max="1" step="0.01" aria-label="Volume"></label>
      <div class="dq-group">
        <button type="button" class="dq-tool dq-midi" aria-label="Download MIDI" title="Download MIDI">${D.icon("download")}MIDI</button>
        <button type="button" class="dq-tool dq-wav" aria-label="Download WAV" title="Download WAV">${D.icon("download")}WAV</button>
      </div>
    </div>`;

  const SVG = "http://www.w3.org/2000/svg";

  const mount = figure => {
    if (figure.dataset.ready) return;
    figure.dataset.ready = "yes";
    const find = selector => figure.querySelector(selector);
    const caption = find("figcaption"), title = caption.firstElementChild.textContent;
    const beat = {...JSON.parse(find("script[type='application/json']").textContent), title};

    const bar = document.createElement("div");
    bar.className = "dq-bar";
    bar.innerHTML = controls;
    figure.prepend(bar);
    find(".dq-title").append(caption);
    find(".dq-audio").remove();
    figure.setAttribute("role", "group");
    figure.setAttribute("aria-label", title);

    find(".dq-names").innerHTML = D.names.map(([short, full], i) =>
      `<div style="--dq-own:${D.color[i]}"><span class="dq-full">${full}</span><abbr class="dq-short" title="${full}">${short}</abbr></div>`).reverse().join("");
    const names = [...find(".dq-names").children].reverse();
    const box = find(".dq-scroll"), grid = box.querySelector("svg"), [left, , width, height] = grid.getAttribute("viewBox").split(" ").map(Number);
    const head = document.createElementNS(SVG, "line");
    head.setAttribute("class", "dq-head");
    head.setAttribute("y2", height);
    grid.append(head);
    const struck = Array.from({length: beat.steps}, () => []);
    for (const [step, drum] of beat.notes) struck[step].push(drum);

    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    const transport = new D.Transport({
      beat,
      onframe(position) {
        if (!figure.isConnected) return transport.stop();
        const x = D.place(smooth ? position : Math.floor(position)), seen = (x - left) / width * box.scrollWidth;
        head.setAttribute("x1", x);
        head.setAttribute("x2", x);
        if (box.scrollWidth > box.clientWidth && (seen < box.scrollLeft || seen > box.scrollLeft + .9 * box.clientWidth))
          box.scrollLeft = seen - .1 * box.clientWidth;
      },
      onstep(step) {
        for (const drum of struck[step]) {
          names[drum].classList.remove("dq-hit");
          void names[drum].offsetWidth; // so that the animation begins anew
          names[drum].classList.add("dq-hit");
        }
      },
      onstop: () => show(),
    });

    const play = find(".dq-play");
    const show = () => {
      figure.classList.toggle("dq-playing", transport.playing);
      play.innerHTML = D.icon(transport.playing ? "stop" : "play");
      play.setAttribute("aria-label", `${transport.playing ? "Stop" : "Play"} ${title}`);
      play.title = transport.playing ? "Stop" : "Play";
    };
    play.onclick = () => {
      transport.playing ? transport.stop() : transport.start();
      show();
    };
    const toggle = (selector, name) => find(selector).onclick = ({currentTarget}) => {
      transport[name] = !transport[name];
      currentTarget.setAttribute("aria-pressed", transport[name]);
    };
    toggle(".dq-loop", "loop");
    toggle(".dq-metronome", "metronome");

    const [slider, number] = figure.querySelectorAll(".dq-tempo input"), reset = find(".dq-reset");
    for (const input of [slider, number]) {
      input.min = Math.min(SLOWEST, Math.ceil(beat.bpm));
      input.max = Math.max(FASTEST, Math.ceil(beat.bpm));
    }
    const tempo = bpm => {
      transport.bpm = bpm;
      slider.value = transport.bpm;
      number.value = Math.round(100 * transport.bpm) / 100;
      reset.style.visibility = bpm === null ? "hidden" : "";
    };
    tempo(null);
    slider.oninput = () => tempo(Number(slider.value));
    number.onchange = () => tempo(Math.min(Math.max(number.valueAsNumber || beat.bpm, number.min), number.max));
    reset.onclick = () => {
      tempo(null);
      slider.focus();
    };

    const volume = find(".dq-volume input");
    volume.value = transport.volume;
    volume.oninput = () => transport.volume = Number(volume.value);

    const heard = () => ({...beat, bpm: transport.bpm}), name = D.fileName(title); // files hold the tempo that is shown
    find(".dq-midi").onclick = () => D.download(D.midi(heard()), `${name}.mid`, "audio/midi");
    find(".dq-wav").onclick = () => D.download(D.wav(D.render(heard())), `${name}.wav`, "audio/wav");
    figure.transport = transport;
    show();
  };

  D.mount = () => {
    D.style();
    for (const figure of (D.queue ??= []).splice(0)) mount(figure);
  };
  D.mount();
})();
