// Networks in plain JavaScript: what `scores` and `generate` do in Python, in the page.
// What models there are, and how each computes, is told by data:
//   {name, label, architecture: {type, outputs, ...sizes}, tensors: [[name, count], ...]}
//   D.network.load({models, float16}) -> {models: {name: model}, leftOut: {name: why}}
//   D.network.all(model, tokens, conditions)     scores after each 0, 1, ... steps
//   D.network.scores(model, tokens, conditions)  the last of them
//   D.network.generate(model, {decode, temperature, primer, steps, seed, conditions}) -> tokens
//   D.network.steps(model, options)   the same as a generator that stops after each step
// Tokens are what a model hears and plays, a whole number a step: classes 0 to 9, or patterns of
// the whole kit (network_patterns.js). Conditions, {style, bpm, guidance}, are for those that have
// any.
{
  // Half floats (sign, 5 bits of exponent, 10 of fraction) as numbers.
  const half = bits => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  };

  // --- the architectures that this page knows: each in a file of its own (network_conv.js, ...)

  //   {read(sizes, take) -> parts, take(name, n): n weights; outputs: what these may be; and one of
  //    rows(parts, tokens, from): scores after the first `from`, from + 1, ... steps
  //    listener(parts, conditions) -> hear(tokens, t): after the first t, more from call to call}
  const architectures = {};

  const modelOf = ({name, architecture}, tensors) => {
    const known = architectures[architecture?.type];
    if (!known) throw new Error("this page does not know how it computes");
    if (!known.outputs.includes(architecture.outputs))
      throw new Error(`this page does not know what its outputs are ("${architecture.outputs}")`);
    const parts = known.read(architecture, (tensor, count) => {
      const there = tensors[tensor]?.length ?? 0;
      if (there !== count) throw new Error(`its ${tensor} has ${there} weights, not ${count}`);
      return tensors[tensor];
    });
    return {name, outputs: architecture.outputs, known, parts};
  };

  const load = asset => {
    const {models: cards, float16} = typeof asset === "string" ? JSON.parse(asset) : asset;
    const bytes = Uint8Array.from(atob(float16), sign => sign.charCodeAt(0));
    const view = new DataView(bytes.buffer), models = {}, leftOut = {};
    let at = 0;
    const next = () => half(view.getUint16(2 * at++, true));
    for (const card of cards) {
      const tensors = Object.fromEntries(card.tensors.map(([name, count]) =>
        [name, Float32Array.from({length: count}, next)]));
      try {
        models[card.name] = modelOf(card, tensors);
      } catch (error) {
        leftOut[card.name] = error.message;
      }
    }
    return {models, leftOut};
  };

  const listener = ({known, parts}, conditions) => known.listener?.(parts, conditions)
    ?? ((tokens, t) => known.rows(parts, tokens.slice(0, t), t)[0]);

  const all = (m, tokens, conditions) => {
    if (m.known.rows) return m.known.rows(m.parts, tokens, 0);
    const hear = listener(m, conditions);
    return Array.from({length: tokens.length + 1}, (_, t) => hear(tokens, t));
  };

  const scores = (m, tokens, conditions) => listener(m, conditions)(tokens, tokens.length);

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

  // What a model plays, step by step. `primer` holds what is given, null where a step is open. No
  // primer: a random first class, as in section 5 of the paper; a whole kit begins with nothing.
  // `fits`: of a step the function that says which tokens may be played there.
  function* steps(m, options = {}) {
    const {decode = "sample", temperature = 1, primer = null, seed = 0, fits, conditions} = options;
    const draw = random(seed), hear = listener(m, conditions), tokens = [];
    const first = m.outputs === "patterns" ? [] : [Math.floor(draw() * (D.REST + 1))];
    const given = primer ?? first, count = options.steps ?? 2 * D.BAR;
    const play = t => {
      const row = hear(tokens, t), may = fits?.(t);
      return choose(may ? row.map((x, token) => may(token) ? x : -Infinity) : row,
        decode, temperature, draw);
    };
    for (let t = 0; t < count; t++) {
      tokens.push(given[t] ?? play(t));
      yield tokens;
    }
    return tokens;
  }

  const generate = (m, options) => {
    const played = steps(m, options);
    for (;;) {
      const {done, value} = played.next();
      if (done) return value;
    }
  };

  D.network =
    {architectures, load, all, scores, softmax, random, choose, steps, generate};
}
