// Networks in plain JavaScript: what `scores` and `generate` do in Python, in the page.
// What models there are, and how each computes, is told by data:
//   {name, label, numbers, architecture: {type, outputs, ...sizes}}    `numbers`: how many weights
//   D.network.load({models, float16}) -> {models: {name: model}, leftOut: {name: why}}
//   D.network.all(model, classes)     scores after each 0, 1, ... steps: rows of ten
//   D.network.scores(model, classes)  the last of them
//   D.network.generate(model, {decode, temperature, primer, steps, seed}) -> class sequence
{
  // Half floats (sign, 5 bits of exponent, 10 of fraction) as numbers.
  const half = bits => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  };

  // --- type "conv": convolution, linear layer, output layer, relu between

  // A model from its numbers in the order of torch: conv.weight (channel, class, k), conv.bias,
  // linear.weight (hidden, channel, position), linear.bias, output.weight (output, hidden),
  // output.bias. Kept so that the numbers that are added together lie side by side: the conv
  // weights as one column of channels for each class and k.
  const readConv = ({outputs, classes, steps, channels, kernel, hidden}, numbers) => {
    const width = steps - kernel + 1, value = outputs === "action value";
    const count = value ? 1 : classes;
    let at = 0;
    const take = n => numbers.subarray(at, at += n);
    const conv = take(channels * classes * kernel), convBias = take(channels);
    const linear = take(hidden * channels * width), linearBias = take(hidden);
    const output = take(count * hidden), outputBias = take(count);
    if (at !== numbers.length) throw new Error(`it has ${numbers.length} weights, not ${at}`);
    const column = new Float32Array(conv.length), dense = new Float32Array(linear.length);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < classes * kernel; i++)
        column[i * channels + c] = conv[c * classes * kernel + i];
      for (let i = 0; i < width * hidden; i++) {
        const p = Math.floor(i / hidden), h = i % hidden;
        dense[(p * channels + c) * hidden + h] = linear[(h * channels + c) * width + p];
      }
    }
    return {value, classes, steps, channels, kernel, hidden, width,
      column, convBias, dense, linearBias, output, outputBias};
  };

  // What the convolution says at every place of (steps of padding, then the sequence) before relu.
  // Its input is one-hot, so the product with the weights is no product: it picks one column for
  // each step. `last` leaves out that many newest taps.
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

  // Values of all actions: the state with an action appended differs in its newest column alone,
  // so only the last place of the convolution depends on the action.
  const actionValues = (m, sums, newest) => {
    const candidate = new Float64Array(m.hidden), pattern = new Float64Array(m.channels);
    return Array.from({length: m.classes}, (_, a) => {
      const start = (a * m.kernel + m.kernel - 1) * m.channels;
      for (let c = 0; c < m.channels; c++) pattern[c] = newest[c] + m.column[start + c];
      candidate.set(sums);
      addPlace(m, candidate, m.width - 1, pattern, 0);
      return outputOf(m, candidate, 0);
    });
  };

  // Scores after the first `from`, from + 1, ... steps of the sequence: one row for each.
  const convRows = (m, classes, from) => {
    const first = from + m.value, places = m.width - m.value, {channels} = m; // true counts as 1
    const patterns = convolve(m, classes, first, classes.length + m.width);
    const newest = m.value && convolve(m, classes, from + m.width, classes.length + m.width + 1, 1);
    const sums = new Float64Array(m.hidden), result = [];
    for (let t = from; t <= classes.length; t++) {
      sums.set(m.linearBias);
      for (let p = 0; p < places; p++) addPlace(m, sums, p, patterns, (t - from + p) * channels);
      result.push(m.value
        ? actionValues(m, sums, newest.subarray((t - from) * channels, (t - from + 1) * channels))
        : Array.from({length: m.classes}, (_, a) => outputOf(m, sums, a)));
    }
    return result;
  };

  // --- the architectures that this page knows: add one here

  const ARCHITECTURES = {
    conv: {read: readConv, rows: convRows, outputs: ["classes", "action value"]},
  };

  const modelOf = ({name, architecture}, numbers) => {
    const known = ARCHITECTURES[architecture?.type];
    if (!known) throw new Error("this page does not know how it computes");
    if (!known.outputs.includes(architecture.outputs))
      throw new Error(`this page does not know what its outputs are ("${architecture.outputs}")`);
    return {name, rows: known.rows, parts: known.read(architecture, numbers)};
  };

  const load = asset => {
    const {models: cards, float16} = typeof asset === "string" ? JSON.parse(asset) : asset;
    const bytes = Uint8Array.from(atob(float16), sign => sign.charCodeAt(0));
    const view = new DataView(bytes.buffer), models = {}, leftOut = {};
    let at = 0;
    for (const card of cards) {
      const from = at;
      at += card.numbers;
      try {
        const numbers = Float32Array.from({length: card.numbers}, (_, i) =>
          half(view.getUint16(2 * (from + i), true)));
        models[card.name] = modelOf(card, numbers);
      } catch (error) {
        leftOut[card.name] = error.message;
      }
    }
    return {models, leftOut};
  };

  const all = (m, classes) => m.rows(m.parts, classes, 0);
  const scores = (m, classes) => m.rows(m.parts, classes, classes.length)[0];

  // --- from scores to a beat

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
    for (let a = 0; a < p.length - 1; a++) {
      sum += p[a];
      if (sum > x) return a;
    }
    return p.length - 1;
  };

  // A class sequence. No primer: a random first step, as in section 5 of the paper; []: nothing.
  const generate = (m, options = {}) => {
    const {decode = "sample", temperature = 1, primer = null, seed = 0} = options;
    const {steps = 2 * D.BAR} = options;
    const draw = random(seed);
    const sequence = primer ? [...primer] : [Math.floor(draw() * (D.REST + 1))];
    while (sequence.length < steps)
      sequence.push(choose(scores(m, sequence), decode, temperature, draw));
    return sequence;
  };

  D.network = {load, all, scores, softmax, random, choose, generate};
}
