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

  // --- the architectures that this page knows: each in a file of its own (network_conv.js, ...)

  //   {read(sizes, numbers) -> parts; rows(parts, classes, from): scores after the first `from`,
  //    from + 1, ... steps, a row for each; outputs: what these may be}
  const architectures = {};

  // A function that takes so many of the numbers at a time, and `done` when none may be left.
  const reader = numbers => {
    let at = 0;
    const take = n => numbers.subarray(at, at += n);
    const done = () => {
      if (at !== numbers.length) throw new Error(`it has ${numbers.length} weights, not ${at}`);
    };
    return {take, done};
  };

  const modelOf = ({name, architecture}, numbers) => {
    const known = architectures[architecture?.type];
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

  D.network = {architectures, reader, load, all, scores, softmax, random, choose, generate};
}
