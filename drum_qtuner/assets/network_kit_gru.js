// Networks of type "kit_gru": a gated recurrent unit that hears patterns of the whole kit, may be
// told a style and a tempo, and says 45 numbers a step, for each drum and each pair. Sizes:
//   steps    places are counted round and round in so many
//   back     how many steps back it looks, several numbers
//   hidden, read    numbers in its memory, and in the layer that reads it
//   styles   names of the styles that it may be told
//   D.network.told(styles, {style, bpm}, first)    what it is told, as a sight from `first` on
{
  const {DRUMS, network, recurrent} = D, {patterns} = network;
  const TOLD = 2; // numbers for the tempo, after those of the styles

  // As `condition` in styles.py: the style, and the tempo in octaves from 120.
  network.told = (styles, {style, bpm} = {}, first = 0) => {
    const tempo = first + styles.length, told = style ? [[first + styles.indexOf(style), 1]] : [];
    return bpm ? [...told, [tempo, Math.log2(bpm / 120)], [tempo + 1, 1]] : told;
  };

  const read = ({steps, back, hidden, read: inner, styles}, take) => {
    const seen = back.length * DRUMS + steps + styles.length + TOLD;
    return {steps, back, styles, gru: recurrent.cell({seen, hidden}, take, "gru"),
      read: recurrent.layer({inputs: hidden + seen, outputs: inner}, take, "read"),
      output: recurrent.layer({inputs: inner, outputs: patterns.NUMBERS}, take, "output")};
  };

  const sightOf = ({steps, back}, tokens, t) => { // before step t
    const sight = [[back.length * DRUMS + t % steps, 1]];
    back.forEach((ago, i) => {
      for (let drum = 0; drum < DRUMS; drum++)
        if (tokens[t - ago] >> drum & 1) sight.push([i * DRUMS + drum, 1]);
    });
    return sight;
  };

  // One that is told the same from step to step: hear(tokens, t) gives the numbers of step t.
  const hearer = (m, told) => {
    let memory = new Float64Array(m.gru.hidden), heard = -1;
    return (tokens, t) => {
      while (heard < t) {
        const sight = [...sightOf(m, tokens, ++heard), ...told];
        memory = recurrent.remember(m.gru, memory, sight);
      }
      const inner = recurrent.apply(m.read, memory, [...sightOf(m, tokens, t), ...told]);
      return recurrent.apply(m.output, inner.map(x => Math.max(x, 0)));
    };
  };

  // With guidance it is asked twice, untold and told: how far to go from one to the other.
  const listener = (m, {guidance = 1, ...conditions} = {}) => {
    const told = network.told(m.styles, conditions, m.back.length * DRUMS + m.steps);
    const asked = hearer(m, told), untold = guidance === 1 ? null : hearer(m, []);
    return (tokens, t) => {
      const numbers = asked(tokens, t), plain = untold?.(tokens, t);
      return patterns.logProbabilities(
        plain ? plain.map((x, i) => x + guidance * (numbers[i] - x)) : numbers);
    };
  };

  network.architectures.kit_gru = {read, listener, outputs: ["patterns"]};
}
