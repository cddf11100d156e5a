// What sounds together in a step as one number, 0 for a rest to 511 for all nine drums: drum d is
// the bit 2 ** d, as in patterns.py.
//   D.network.patterns.COUNT, .NUMBERS  512 patterns; 45 numbers: a drum's own, then those of pairs
//   D.network.patterns.logProbabilities(numbers)    log p of each pattern
//   D.network.patterns.chances(logP)    how probable each drum is by itself, and at last a rest
{
  const COUNT = 2 ** D.DRUMS, NUMBERS = D.DRUMS * (D.DRUMS + 1) / 2;

  const logChance = logit => Math.min(logit, 0) - Math.log1p(Math.exp(-Math.abs(logit)));

  // Drum by drum, each given those before it: a drum doubles the list of what has been struck so
  // far, first all of it without this drum, then with it.
  const logProbabilities = numbers => {
    const found = new Float64Array(COUNT), pairs = new Float64Array(COUNT / 2);
    for (let drum = 0, at = D.DRUMS; drum < D.DRUMS; at += drum++) {
      const count = 2 ** drum;
      pairs[0] = numbers[drum];
      for (let e = 0; e < drum; e++)
        for (let k = 0, bit = 2 ** e; k < bit; k++) pairs[bit + k] = pairs[k] + numbers[at + e];
      for (let k = 0; k < count; k++) {
        const logit = pairs[k], struck = found[k] + logChance(logit);
        found[count + k] = struck;
        found[k] = struck - logit;
      }
    }
    return [...found];
  };

  const chances = logP => {
    const found = new Array(D.DRUMS + 1).fill(0);
    logP.forEach((x, number) => {
      const p = Math.exp(x);
      if (!number) found[D.REST] = p;
      for (let drum = 0; drum < D.DRUMS; drum++) if (number >> drum & 1) found[drum] += p;
    });
    return found;
  };

  D.network.patterns = {COUNT, NUMBERS, logProbabilities, chances};
}
