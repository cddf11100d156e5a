// The drum kit: the same table of numbers, and the same arithmetic, as sound.py.
//   D.strike(drum, velocity)    one stroke, Float32Array, mono; do not write into it
//   D.render(beat, {loop})      the whole beat, Float32Array
//   D.sampleOf(ticks, bpm)      ticks -> samples, rounded
//   D.sounds.buffer(context, drum, velocity)   the stroke as an AudioBuffer
//   D.sounds.saturator(context)                {input, output}: y = tanh(x) as two audio nodes
//   D.sounds.OPEN, .CLOSED, .choke             the hi-hats' drum numbers, seconds of the fade
{
  const {RATE, TICKS} = D;
  const FALL = Math.log(1000); // a decay is the time to a thousandth
  const drumOf = short => D.names.findIndex(([name]) => name === short);
  const OPEN = drumOf("OH"), CLOSED = drumOf("CH");

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
        const f = hz[0] * (hz[1] / hz[0]) ** place;
        const seconds = ring[0] * (ring[1] / ring[0]) ** place;
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
    const w = 2 * Math.PI * Math.min(hz, .45 * RATE) / RATE;
    const cos = Math.cos(w), alpha = Math.sin(w) / (2 * q);
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

  const MOST = 256; // strokes that are kept: who plays for hours plays every drum at every velocity

  const cached = (make, most = Infinity, cache = new Map()) => (...key) => {
    const name = key.join(), found = cache.get(name) ?? make(...key);
    cache.delete(name);
    cache.set(name, found); // the first one was used the longest time ago
    if (cache.size > most) cache.delete(cache.keys().next().value);
    return found;
  };

  const layers = cached(drum => {
    const {layers: parts, length, level: peak} = D.kit.sounds[drum], {fade} = D.kit;
    const samples = Math.round(length * RATE), sum = new Float64Array(samples);
    const rows = parts.map(part => {
      const {source, level, attack = 0, decay = Infinity, filters = [], ...more} = part;
      const row = filters.reduce(filtered, sources[source](samples, more));
      const shrink = Math.exp(-FALL / (decay * RATE));
      for (let n = 0, fall = level; n < samples; n++, fall *= shrink) {
        const t = n / RATE;
        row[n] *= fall;
        if (t < attack) row[n] *= t / attack;
        if (t > length - fade) row[n] *= (length - t) / fade;
        sum[n] += row[n];
      }
      return row;
    });
    let highest = 0;
    for (const x of sum) highest = Math.max(highest, Math.abs(x));
    const scale = peak / highest;
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
  }, MOST);
  D.strike = strike;

  // --- beats

  D.sampleOf = (ticks, bpm) =>
    Math.floor(ticks * (60 / D.QUARTER) * RATE / (TICKS * bpm) + .5);

  // After how many samples a closed hi-hat follows; in a loop it is counted round the ring.
  const nextClosing = (strokes, at, loop, length) => {
    const waits = strokes.filter(([, drum]) => drum === CLOSED).map(([close]) => close - at);
    if (loop) return Math.min(...waits.map(n => ((n - 1) % length + length) % length + 1));
    return Math.min(...waits.filter(n => n > 0));
  };

  // Add a stroke to the mix from `place` on, round its end; an open hi-hat fades when it is closed.
  const add = (mix, place, stroke, closed) => {
    for (let n = 0; n < stroke.length; n++, place++) {
      if (place === mix.length) place = 0;
      const late = n - closed;
      const level = late > 0 ? Math.max(0, 1 - late / (D.kit.choke * RATE)) : 1;
      mix[place] += level * stroke[n];
    }
  };

  D.render = ({steps, bpm, notes}, {loop = false} = {}) => {
    const strokes = notes.map(([step, drum, velocity, offset]) =>
      [D.sampleOf(step * TICKS + offset, bpm), drum, velocity]);
    strokes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const length = D.sampleOf(steps * TICKS, bpm);
    const early = loop ? 0 : Math.max(0, ...strokes.slice(0, 1).map(([at]) => -at));
    const ends = strokes.map(([at, drum, velocity]) => at + strike(drum, velocity).length);
    const mix = new Float64Array(early + (loop ? length : Math.max(length, ...ends)));
    for (const [at, drum, velocity] of strokes) {
      const closed = drum === OPEN ? nextClosing(strokes, at, loop, length) : Infinity;
      add(mix, loop ? (at + length) % length : early + at, strike(drum, velocity), closed);
    }
    return wave(mix.length, n => Math.tanh(mix[n]), Float32Array);
  };

  // --- Web Audio: strokes as buffers, and the soft saturation that keeps the mix below full scale

  const buffers = new WeakMap();

  const made = context => cached((drum, velocity) => {
    const samples = strike(drum, velocity), own = context.createBuffer(1, samples.length, RATE);
    own.copyToChannel(samples, 0);
    return own;
  }, MOST);

  const buffer = (context, drum, velocity) => {
    if (!buffers.has(context)) buffers.set(context, made(context));
    return buffers.get(context)(drum, velocity);
  };

  // A curve is read between -1 and 1: sums up to `range` are scaled to that.
  const saturator = (context, range = 8, points = 16385) => {
    const input = context.createGain(), output = context.createWaveShaper();
    input.gain.value = 1 / range;
    output.curve = Float32Array.from({length: points}, (_, i) =>
      Math.tanh(range * (2 * i / (points - 1) - 1)));
    input.connect(output);
    return {input, output};
  };

  D.sounds = {rate: RATE, OPEN, CLOSED, choke: D.kit.choke, buffer, saturator};
}
