// The Note-CNN and the Q-networks in plain JavaScript: what `scores` and `generate` of note_cnn.py do, in the page.
(() => {
  const D = globalThis.drumQtuner ??= {};
  if (D.network) return;

  // Half floats (sign, 5 bits of exponent, 10 of fraction) as numbers.
  const half = bits => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  };

  // A model from its numbers in the order of torch: conv.weight (channel, class, k), conv.bias, linear.weight
  // (hidden, channel, position), linear.bias, output.weight (output, hidden), output.bias. Kept so that the
  // numbers that are added together lie side by side: the conv weights as one column of channels for each class and k.
  const model = ({name, kind, classes, steps, channels, kernel, hidden}, take) => {
    const width = steps - kernel + 1, outputs = kind === "QNetwork" ? 1 : classes;
    const conv = take(channels * classes * kernel), convBias = take(channels);
    const linear = take(hidden * channels * width), linearBias = take(hidden);
    const output = take(outputs * hidden), outputBias = take(outputs);
    const column = new Float32Array(conv.length), dense = new Float32Array(linear.length);
    for (let c = 0; c < channels; c++) {
      for (let a = 0; a < classes; a++) for (let k = 0; k < kernel; k++)
        column[(a * kernel + k) * channels + c] = conv[(c * classes + a) * kernel + k];
      for (let p = 0; p < width; p++) for (let h = 0; h < hidden; h++)
        dense[(p * channels + c) * hidden + h] = linear[(h * channels + c) * width + p];
    }
    return {name, kind, classes, steps, channels, kernel, hidden, width, outputs, column, convBias, dense, linearBias, output, outputBias};
  };

  // {name: model} from what `weights_asset` of studio.py wrote.
  const load = asset => {
    const {models, float16} = typeof asset === "string" ? JSON.parse(asset) : asset;
    const bytes = Uint8Array.from(atob(float16), sign => sign.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    const take = n => Float32Array.from({length: n}, () => half(view.getUint16(2 * at++, true)));
    const loaded = Object.fromEntries(models.map(card => [card.name, model(card, take)]));
    if (2 * at !== bytes.length) throw new Error(`the weights have ${bytes.length} bytes, the models ${2 * at}`);
    return loaded;
  };

  // What the convolution says at every place of (steps of padding, then the sequence) before relu. Its input is one-hot,
  // so the product with the weights is no product: it picks one column for each step. `last` leaves out that many newest taps.
  const convolve = (m, classes, from, to, last = 0) => {
    const rows = new Float64Array((to - from) * m.channels);
    for (let j = from; j < to; j++) {
      const row = rows.subarray((j - from) * m.channels, (j - from + 1) * m.channels);
      row.set(m.convBias);
      for (let k = 0; k < m.kernel - last; k++) {
        const step = j + k - m.steps; // negative: padding, neither drum nor rest
        if (step < 0) continue;
        const start = (classes[step] * m.kernel + k) * m.channels;
        for (let c = 0; c < m.channels; c++) row[c] += m.column[start + c];
      }
    }
    return rows;
  };

  // sums += the linear layer's share of one place of the convolution, after relu.
  const addPlace = (m, sums, place, patterns, start) => {
    for (let c = 0; c < m.channels; c++) {
      const x = patterns[start + c];
      if (x <= 0) continue;
      const w = (place * m.channels + c) * m.hidden;
      for (let h = 0; h < m.hidden; h++) sums[h] += x * m.dense[w + h];
    }
  };

  const outputOf = (m, sums, o) => {
    let y = m.outputBias[o];
    for (let h = 0; h < m.hidden; h++) if (sums[h] > 0) y += m.output[o * m.hidden + h] * sums[h];
    return y;
  };

  // Scores after the first `from`, from + 1, ... steps of the sequence: one row of ten for each.
  const rows = (m, classes, from) => {
    const value = m.kind === "QNetwork"; // a Q-network sees the state with each action appended
    const first = from + value, places = m.width - value;
    const patterns = convolve(m, classes, first, classes.length + m.width);
    const newest = value && convolve(m, classes, from + m.width, classes.length + m.width + 1, 1);
    const sums = new Float64Array(m.hidden), candidate = new Float64Array(m.hidden), pattern = new Float64Array(m.channels);
    const result = [];
    for (let t = from; t <= classes.length; t++) {
      sums.set(m.linearBias);
      for (let p = 0; p < places; p++) addPlace(m, sums, p, patterns, (t - from + p) * m.channels);
      result.push(Array.from({length: m.classes}, (_, a) => {
        if (!value) return outputOf(m, sums, a);
        const start = (a * m.kernel + m.kernel - 1) * m.channels; // only the newest place depends on the action
        for (let c = 0; c < m.channels; c++) pattern[c] = newest[(t - from) * m.channels + c] + m.column[start + c];
        candidate.set(sums);
        addPlace(m, candidate, m.width - 1, pattern, 0);
        return outputOf(m, candidate, 0);
      }));
    }
    return result;
  };
  const all = (m, classes) => rows(m, classes, 0);
  const scores = (m, classes) => rows(m, classes, classes.length)[0];

  const softmax = (row, temperature = 1) => {
    const top = Math.max(...row), powers = row.map(x => Math.exp((x - top) / temperature));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map(p => p / sum);
  };

  // mulberry32: numbers in [0, 1) from a seed.
  const random = seed => () => {
    seed = seed + 0x6D2B79F5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, seed | 1);
    t = t + Math.imul(t ^ t >>> 7, t | 61) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };

  // The next step by a decoding rule.
  const choose = (row, decode, temperature, draw) => {
    if (decode === "argmax") return row.indexOf(Math.max(...row));
    const p = softmax(row, temperature), x = draw();
    let sum = 0;
    for (let a = 0; a < p.length - 1; a++) if ((sum += p[a]) > x) return a;
    return p.length - 1;
  };

  // A class sequence. No primer: a random first step, as in section 5 of the paper; []: nothing.
  const generate = (m, {decode = "sample", temperature = 1, primer = null, steps = 32, seed = 0} = {}) => {
    const draw = random(seed), sequence = primer ? [...primer] : [Math.floor(draw() * m.classes)];
    while (sequence.length < steps) sequence.push(choose(scores(m, sequence), decode, temperature, draw));
    return sequence;
  };

  D.network = {load, all, scores, softmax, random, choose, generate};
})();
