// The drum kit in the page: the same table of numbers, and the same arithmetic, as drum_qtuner/sound.py.
// Needs drumQtuner.kit = {sounds, choke, fade, pitches} (Python: `kit_json()`), at the latest when a sound is asked for.
// A beat is {title, steps, bpm, notes: [[step, drum, velocity, offset in 1/960 step], ...]}.
//   D.strike(drum, velocity)    one stroke, Float32Array at 44,100 Hz, mono; do not write into it
//   D.render(beat, {loop})      the whole beat, Float32Array
//   D.sampleOf(ticks, bpm)      1/960 steps -> samples, rounded
//   D.sounds.buffer(context, drum, velocity)   the stroke as an AudioBuffer
//   D.sounds.saturator(context)                {input, output}: y = tanh(x) as two audio nodes
//   D.sounds.rate, .OPEN, .CLOSED, .choke      44100, drum numbers of the hi-hats, seconds of the fade
//   D.wav(samples) -> Uint8Array               D.midi(beat) -> Uint8Array
(() => {
  const D = globalThis.drumQtuner ??= {};
  if (D.strike) return;
  const RATE = 44100, TICKS = 960, FALL = Math.log(1000), OPEN = 5, CLOSED = 6;

  // --- sources: what a layer starts from

  const wave = (samples, valueAt, Type = Float64Array) => {
    const out = new Type(samples);
    for (let n = 0; n < samples; n++) out[n] = valueAt(n);
    return out;
  };

  const whiteNoise = (samples, seed) => wave(samples, n => {
    const x = Math.imul(n + 1, 0x6D2B79F5) + seed >>> 0;
    let y = Math.imul(x ^ x >>> 15, x | 1);
    y ^= y + Math.imul(y ^ y >>> 7, y | 61);
    return ((y ^ y >>> 14) >>> 0) / 2 ** 31 - 1;
  });

  const sources = {
    tone: (samples, {hz, sweep: [factor, seconds]}) => wave(samples, n => {
      const t = n / RATE, bent = t + (factor - 1) * seconds * (1 - Math.exp(-t / seconds));
      let sum = 0;
      for (const f of hz) sum += Math.sin(2 * Math.PI * f * bent);
      return sum / hz.length;
    }),
    squares: (samples, {hz}) => wave(samples, n => {
      let sum = 0;
      for (const f of hz) sum += n * f / RATE % 1 < .5 ? 1 : -1;
      return sum / hz.length;
    }),
    noise: (samples, {seed}) => whiteNoise(samples, seed),
    modes: (samples, {hz, count, ring, seed}) => {
      const random = whiteNoise(2 * count, seed), out = new Float64Array(samples);
      for (let k = 0; k < count; k++) {
        const place = (k + (random[2 * k] + 1) / 2) / count;
        const f = hz[0] * (hz[1] / hz[0]) ** place, seconds = ring[0] * (ring[1] / ring[0]) ** place;
        if (f > .45 * RATE) continue;
        const w = 2 * Math.PI * f / RATE, r = Math.exp(-FALL / (seconds * RATE));
        const a1 = -2 * r * Math.cos(w), a2 = r * r;
        let y = random[2 * k + 1] * Math.sin(w), before = 0;
        for (let n = 0; n < samples; n++) {
          out[n] += y;
          const next = -a1 * y - a2 * before;
          before = y;
          y = next;
        }
      }
      return wave(samples, n => out[n] / Math.sqrt(count));
    },
  };

  const filtered = (x, [kind, hz, q = .7]) => {
    const w = 2 * Math.PI * Math.min(hz, .45 * RATE) / RATE, cos = Math.cos(w), alpha = Math.sin(w) / (2 * q);
    const [b0, b1, b2] = {
      lowpass: [(1 - cos) / 2, 1 - cos, (1 - cos) / 2],
      highpass: [(1 + cos) / 2, -1 - cos, (1 + cos) / 2],
      bandpass: [alpha, 0, -alpha],
    }[kind].map(b => b / (1 + alpha));
    const a1 = -2 * cos / (1 + alpha), a2 = (1 - alpha) / (1 + alpha);
    let z1 = 0, z2 = 0;
    return wave(x.length, n => {
      const y = b0 * x[n] + z1;
      z1 = b1 * x[n] - a1 * y + z2;
      z2 = b2 * x[n] - a2 * y;
      return y;
    });
  };

  // --- strokes

  const cached = (make, cache = new Map()) => (...key) => {
    const name = key.join();
    if (!cache.has(name)) cache.set(name, make(...key));
    return cache.get(name);
  };

  const layers = cached(drum => {
    const sound = D.kit.sounds[drum], samples = Math.round(sound.length * RATE), sum = new Float64Array(samples);
    const rows = sound.layers.map(({source, level, attack = 0, decay = Infinity, filters = [], ...more}) => {
      const row = filters.reduce(filtered, sources[source](samples, more)), shrink = Math.exp(-FALL / (decay * RATE));
      for (let n = 0, fall = level; n < samples; n++, fall *= shrink) {
        const t = n / RATE;
        row[n] *= fall;
        if (t < attack) row[n] *= t / attack;
        if (t > sound.length - D.kit.fade) row[n] *= (sound.length - t) / D.kit.fade;
        sum[n] += row[n];
      }
      return row;
    });
    let peak = 0;
    for (const x of sum) peak = Math.max(peak, Math.abs(x));
    const scale = sound.level / peak;
    return rows.map(row => wave(samples, n => scale * row[n], Float32Array));
  });

  const strike = cached((drum, velocity) => {
    const rows = layers(drum), out = new Float32Array(rows[0].length);
    const gains = D.kit.sounds[drum].layers.map(layer => (velocity / 127) ** layer.touch);
    for (let n = 0; n < out.length; n++) {
      let sum = 0;
      for (let k = 0; k < rows.length; k++) sum += gains[k] * rows[k][n];
      out[n] = sum;
    }
    return out;
  });
  D.strike = strike;

  // --- beats

  D.sampleOf = (ticks, bpm) => Math.floor(ticks * 15 * RATE / (TICKS * bpm) + .5);

  D.render = ({steps, bpm, notes}, {loop = false} = {}) => {
    const strokes = notes.map(([step, drum, velocity, offset]) => [D.sampleOf(step * TICKS + offset, bpm), drum, velocity])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const length = D.sampleOf(steps * TICKS, bpm);
    const closings = strokes.filter(([, drum]) => drum === CLOSED).map(([at]) => at);
    const nextClosing = at => Math.min(...closings.map(close => // counted round the ring in a loop
      loop ? ((close - at - 1) % length + length) % length + 1 : close > at ? close - at : Infinity));
    const early = loop ? 0 : Math.max(0, ...strokes.slice(0, 1).map(([at]) => -at));
    const end = loop ? length : strokes.reduce((end, [at, drum, velocity]) => Math.max(end, at + strike(drum, velocity).length), length);
    const mix = new Float64Array(early + end);
    for (const [at, drum, velocity] of strokes) {
      const wave = strike(drum, velocity);
      const closed = drum === OPEN ? nextClosing(at) : Infinity;
      for (let n = 0, place = loop ? (at + length) % length : early + at; n < wave.length; n++, place++) {
        if (place === mix.length) place = 0;
        const late = n - closed;
        mix[place] += late > 0 ? wave[n] * Math.max(0, 1 - late / (D.kit.choke * RATE)) : wave[n];
      }
    }
    return wave(mix.length, n => Math.tanh(mix[n]), Float32Array);
  };

  // --- Web Audio: strokes as buffers, and the soft saturation that keeps the mix below full scale

  const buffers = new WeakMap();
  D.sounds = {
    rate: RATE, OPEN, CLOSED,
    get choke() { return D.kit.choke; },
    buffer(context, drum, velocity) {
      if (!buffers.has(context)) buffers.set(context, new Map());
      const held = buffers.get(context), key = drum * 128 + velocity;
      if (!held.has(key)) {
        const wave = strike(drum, velocity), buffer = context.createBuffer(1, wave.length, RATE);
        buffer.copyToChannel(wave, 0);
        held.set(key, buffer);
      }
      return held.get(key);
    },
    saturator(context, range = 8, points = 16385) { // a curve is read between -1 and 1: sums up to `range` are scaled to that
      const input = context.createGain(), output = context.createWaveShaper();
      input.gain.value = 1 / range;
      output.curve = Float32Array.from({length: points}, (_, i) => Math.tanh(range * (2 * i / (points - 1) - 1)));
      input.connect(output);
      return {input, output};
    },
  };

  // --- files

  const text = string => [...string].map(c => c.charCodeAt(0));

  D.wav = samples => {
    const bytes = new Uint8Array(44 + 2 * samples.length), view = new DataView(bytes.buffer);
    bytes.set(text("RIFF"), 0);
    view.setUint32(4, 36 + 2 * samples.length, true);
    bytes.set(text("WAVEfmt "), 8);
    view.setUint32(16, 16, true); // length of the format part
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // mono
    view.setUint32(24, RATE, true);
    view.setUint32(28, 2 * RATE, true); // bytes a second
    view.setUint16(32, 2, true); // bytes a sample
    view.setUint16(34, 16, true); // bits
    bytes.set(text("data"), 36);
    view.setUint32(40, 2 * samples.length, true);
    samples.forEach((x, n) => view.setInt16(44 + 2 * n, Math.round(32767 * x), true));
    return bytes;
  };

  const variable = number => { // MIDI's numbers of variable length: seven bits a byte, all but the last marked
    const bytes = [number & 127];
    while (number >>= 7) bytes.unshift(number & 127 | 128);
    return bytes;
  };

  D.midi = ({steps, bpm, notes}) => {
    const begin = notes.some(([step, , , offset]) => step === 0 && offset < 0) ? 16 * TICKS : 0, end = begin + steps * TICKS;
    const events = begin ? [[begin, 0, [0xFF, 1, 20, ...text("the beat starts here")]]] : [];
    D.kit.pitches.forEach((pitch, drum) => {
      const own = notes.filter(note => note[1] === drum).sort((a, b) => a[0] - b[0]);
      const ticks = own.map(([step, , , offset]) => begin + step * TICKS + offset);
      own.forEach(([, , velocity], i) => {
        events.push([ticks[i], 2, [0x99, pitch, velocity]]);
        events.push([Math.min(ticks[i] + TICKS, ticks[i + 1] ?? end), 1, [0x89, pitch, 64]]);
      });
    });
    events.push([end, 3, [0xB9, 123, 0]]); // all notes off
    events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const tempo = Math.round(60e6 / bpm);
    const track = [0, 0xFF, 3, 5, ...text("Drums"), 0, 0xFF, 0x51, 3, tempo >> 16, tempo >> 8 & 255, tempo & 255,
      0, 0xFF, 0x58, 4, 4, 2, 24, 8, 0, 0xC9, 0];
    let now = 0, running = 0xC9; // a status byte that repeats is left out
    for (const [tick, , [status, ...rest]] of events) {
      track.push(...variable(tick - now), ...(status === running ? [] : [status]), ...rest);
      now = tick;
      running = status === 0xFF ? null : status;
    }
    track.push(0, 0xFF, 0x2F, 0);
    const length = [24, 16, 8, 0].map(shift => track.length >> shift & 255);
    return Uint8Array.from([...text("MThd"), 0, 0, 0, 6, 0, 0, 0, 1, 4 * TICKS >> 8, 4 * TICKS & 255, ...text("MTrk"), ...length, ...track]);
  };
})();
