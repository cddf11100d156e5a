// Networks of type "drummer": one says what is struck (network_kit_gru.js), another how hard and
// how early or late (network_humaniser.js). Sizes: {hits, humaniser}, those of each.
//   D.network.touch(model, notes, {steps, bpm, style, seed, kept}) -> a generator that stops after
//       each step; its value: notes, loud and late as the model plays them; kept(step, drum): stays
//   D.network.hasTouch(model)
{
  const {TICKS, clamp, network, humaniser} = D, {architectures} = network;

  const read = (sizes, take) => {
    const part = name => (tensor, count) => take(`${name}.${tensor}`, count);
    return {hits: architectures.kit_gru.read(sizes.hits, part("hits")),
      humaniser: humaniser.read(sizes.humaniser, part("humaniser"))};
  };

  const listener = ({hits}, conditions) => architectures.kit_gru.listener(hits, conditions);

  // The class of a time, as `tick_classes` in touch.py, and back.
  const tickOf = ({ticks}, offset) =>
    clamp(Math.round(offset / TICKS * ticks) + ticks / 2, 0, ticks - 1);
  const offsetOf = ({ticks}, tick) => Math.round((tick - ticks / 2) / ticks * TICKS);

  function* touch({parts}, notes, {steps, bpm, style, seed = 0, kept = () => false}) {
    const m = parts.humaniser, numbers = new Array(steps).fill(0), there = new Map();
    for (const note of notes) {
      const [step, drum] = note;
      numbers[step] += 2 ** drum;
      there.set(`${step} ${drum}`, note);
    }
    const strokes = yield* humaniser.play(m, numbers, {style, bpm}, {
      draw: network.random(~seed), // other numbers than those that drew the hits
      kept: (step, drum) => {
        if (!kept(step, drum)) return null;
        const [,, velocity, offset] = there.get(`${step} ${drum}`);
        return [velocity - 1, tickOf(m, offset)];
      },
    });
    return strokes.map(({step, drum, classes: [velocity, tick]}) => kept(step, drum)
      ? there.get(`${step} ${drum}`) : [step, drum, velocity + 1, offsetOf(m, tick)]);
  }

  network.hasTouch = ({parts}) => Boolean(parts.humaniser);
  network.touch = touch;
  architectures.drummer = {read, listener, outputs: ["patterns"]};
}
