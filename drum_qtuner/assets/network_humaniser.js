// How hard and how early or late each stroke is, drawn stroke by stroke: a GRU reads all hits both
// ways, another hears what was played; as touch.py. Sizes:
//   around, memory, hidden    numbers in the memories, and in the two small networks
//   velocities, ticks    how many classes there are: velocity - 1, and ticks in a step from its
//       earliest place on
//   places   are counted round and round in so many steps
//   back     steps back at which it looks for the same drum
//   styles   names of the styles that it may be told
//   D.humaniser.read(sizes, take) -> m
//   D.humaniser.play(m, hits, {style, bpm}, {draw, kept, rate}) -> a generator that stops after
//       each step; its value is [{step, drum, classes: [velocity, tick], logP}, ...]
//       hits: a pattern number a step; draw(): in [0, 1); kept(step, drum): classes that stay;
//       rate: say log p of all classes, also where they stay
{
  const {DRUMS, network, recurrent} = D;
  const NONE = -1; // the class of a stroke that is not there
  const TOLD = 2; // numbers for the tempo
  const SHARES = [0, 1]; // two curves around each stroke that is there

  const read = (sizes, take) => {
    const {around, memory, hidden, velocities, ticks, places, back, styles} = sizes;
    const seen = DRUMS + places + styles.length + TOLD;
    const inputs = 2 * around + memory + 4 * DRUMS + 3 * (1 + back.length);
    const head = (kind, classes, more, near) => ({
      classes,
      near: take(`${kind}_near`, near * SHARES.length * (2 * classes - 1)),
      hidden: recurrent.layer({inputs: inputs + more, outputs: hidden}, take, `${kind}_hidden`),
      output: recurrent.layer({inputs: hidden + DRUMS, outputs: classes}, take, `${kind}_output`),
      gates: recurrent.layer({inputs: hidden, outputs: SHARES.length * near}, take,
        `${kind}_gates`),
    });
    return {...sizes,
      forwards: recurrent.cell({seen, hidden: around}, take, "around"),
      backwards: recurrent.cell({seen, hidden: around}, take, "around", "_reverse"),
      played: recurrent.cell({seen: 3 * DRUMS, hidden: memory}, take, "played"),
      velocity: head("velocity", velocities, 0, 1 + back.length),
      offset: head("offset", ticks, 3, 2 + back.length)};
  };

  const struck = number => [...Array(DRUMS).keys()].filter(drum => number >> drum & 1);

  // What the network makes of all hits, step by step.
  const surroundings = (m, hits, conditions) => {
    const told = network.told(m.styles, conditions, DRUMS + m.places);
    const sights = hits.map((number, step) =>
      [...struck(number).map(drum => [drum, 1]), [DRUMS + step % m.places, 1], ...told]);
    const pass = (cell, seen) => {
      let memory = new Float64Array(m.around);
      return seen.map(sight => memory = recurrent.remember(cell, memory, sight));
    };
    const before = pass(m.forwards, sights);
    const after = pass(m.backwards, [...sights].reverse()).reverse();
    return before.map((memory, step) => [...memory, ...after[step]]);
  };

  // What has been played so far.
  class Played {
    #strokes = new Map(); // by step and drum
    #last = Array(DRUMS).fill(null); // of each drum
    #newest = NONE; // tick of the stroke just before

    constructor(m) { this.m = m; }

    at(step, drum) { return this.#strokes.get(step * DRUMS + drum) ?? null; }

    add(step, drum, [velocity, tick]) {
      const half = this.m.ticks / 2;
      const stroke = {step, velocity, tick, loud: (velocity + 1) / this.m.velocities,
        late: (tick - half) / half};
      this.#strokes.set(step * DRUMS + drum, stroke);
      this.#last[drum] = stroke;
      this.#newest = tick;
    }

    before(step) { // hits, loudness and lateness of the step before
      return [...Array(DRUMS).keys()].flatMap(drum => {
        const one = this.at(step - 1, drum);
        return one ? [[drum, 1], [DRUMS + drum, one.loud], [2 * DRUMS + drum, one.late]] : [];
      });
    }

    // What there is to hear for a stroke, and the classes of the strokes that it may be near to.
    heard(step, drum) {
      const own = this.#last[drum], back = this.m.back.map(ago => this.at(step - ago, drum));
      const fresh = one => one ? 1 / (1 + step - one.step) : 0;
      const strokes = [own, ...back], classes = name => strokes.map(one => one?.[name] ?? NONE);
      const numbers = name => this.#last.map(one => one?.[name] ?? 0);
      return {
        numbers: [...numbers("loud"), ...numbers("late"), ...this.#last.map(fresh),
          own?.loud ?? 0, own?.late ?? 0, fresh(own),
          ...back.flatMap(one => one ? [1, one.loud, one.late] : [0, 0, 0])],
        velocities: classes("velocity"),
        ticks: [this.#newest, ...classes("tick")],
      };
    }
  }

  const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

  // log p of each class: the network's own opinion, and curves around the strokes that are near.
  const logProbabilities = ({classes, near, hidden, output, gates}, numbers, drum, others) => {
    const inner = recurrent.apply(hidden, numbers).map(x => Math.max(x, 0));
    const much = recurrent.apply(gates, inner).map(softplus);
    const logits = recurrent.apply(output, inner, [[drum, 1]]), width = 2 * classes - 1;
    others.forEach((other, j) => {
      if (other === NONE) return;
      for (const i of SHARES) {
        const row = SHARES.length * j + i, start = row * width + classes - 1 - other;
        for (let c = 0; c < classes; c++) logits[c] += much[row] * near[start + c];
      }
    });
    const top = Math.max(...logits);
    const sum = Math.log(logits.reduce((all, x) => all + Math.exp(x - top), 0)) + top;
    return logits.map(x => x - sum);
  };

  const drawn = (logP, x) => {
    let sum = 0;
    for (let c = 0; c < logP.length - 1; c++) {
      sum += Math.exp(logP[c]);
      if (sum > x) return c;
    }
    return logP.length - 1;
  };

  const strike = (m, drum, {numbers, velocities, ticks}, {stays, draw, rate}) => {
    if (stays && !rate) return {drum, classes: stays};
    const loud = logProbabilities(m.velocity, numbers, drum, velocities);
    const velocity = stays?.[0] ?? drawn(loud, draw()), hard = (velocity + 1) / m.velocities;
    const more = [hard, hard ** 2, velocity === m.velocities - 1 ? 1 : 0];
    const late = logProbabilities(m.offset, [...numbers, ...more], drum, ticks);
    return {drum, classes: [velocity, stays?.[1] ?? drawn(late, draw())], logP: [loud, late]};
  };

  function* play(m, hits, conditions, {draw, kept = () => null, rate = false}) {
    const around = surroundings(m, hits, conditions), played = new Played(m), strokes = [];
    let memory = new Float64Array(m.memory);
    for (let step = 0; step < hits.length; step++) {
      memory = recurrent.remember(m.played, memory, played.before(step));
      for (const drum of struck(hits[step])) {
        const heard = played.heard(step, drum), which = Array(DRUMS).fill(0);
        which[drum] = 1;
        heard.numbers = [...around[step], ...memory, ...heard.numbers, ...which];
        const stroke = strike(m, drum, heard, {stays: kept(step, drum), draw, rate});
        played.add(step, drum, stroke.classes);
        strokes.push({step, ...stroke});
      }
      yield strokes;
    }
    return strokes;
  }

  D.humaniser = {read, play};
}
