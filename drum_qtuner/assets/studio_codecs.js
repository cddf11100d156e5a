// What a model hears of the grid, and what it plays: between a pattern of the grid and the tokens
// of a network (network.js). A model's card says which: `hears`.
//   D.codecs[hears].hear(own)             the tokens of a pattern, one a step
//   D.codecs[hears].strokes(token)        the drums that it stands for
//   D.codecs[hears].fitting(own, kept)    of a step the function that says which tokens leave what
//       kept(step, drum) keeps of a pattern as it is; null: what it plays stands beside it
//   D.codecs[hears].view(rows, tokens)    of a network's scores what the studio asks a backend for:
//       {rows: of ten numbers after each 0, 1, ... steps; surprise: -log p of each token}
//   D.codecs[hears].chances(row)          how probable each drum and a rest are in such a row
//   D.codecs[hears].loudestOnly           hears one sound a step
{
  const {DRUMS, REST, pattern, network} = D;
  const LEAST = 1e-30; // of a chance of which the logarithm is taken

  const classes = { // the loudest drum, or a rest; the rows are scores, softmax makes them chances
    hear: pattern.classesOf,
    strokes: token => token === REST ? [] : [token],
    fitting: () => null,
    view: (rows, tokens) => ({rows, surprise: tokens.map((a, t) =>
      -Math.log(Math.max(network.softmax(rows[t])[a], LEAST)))}),
    chances: row => network.softmax(row),
    loudestOnly: true,
  };

  const patterns = { // all that is struck; the rows are chances of each drum by itself, and a rest
    hear: pattern.numbersOf,
    strokes: token => [...Array(DRUMS).keys()].filter(drum => token >> drum & 1),
    fitting: (own, kept) => {
      const numbers = pattern.numbersOf(own);
      return step => {
        let mask = 0;
        for (let drum = 0; drum < DRUMS; drum++) mask += kept(step, drum) ? 2 ** drum : 0;
        return token => (token & mask) === (numbers[step] & mask);
      };
    },
    view: (rows, tokens) => ({rows: rows.map(network.patterns.chances),
      surprise: tokens.map((number, t) => -rows[t][number])}),
    chances: row => row,
    loudestOnly: false,
  };

  D.codecs = {classes, patterns};
}
