// Networks of type "conv": convolution, linear layer, output layer, relu between.
{
  // A model from its tensors, as torch has them: conv.weight (channel, class, k), linear.weight
  // (hidden, channel, position), output.weight (output, hidden), and their biases. Kept so that the
  // numbers that are added together lie side by side: the conv weights as one column of channels
  // for each class and k.
  const readConv = ({outputs, classes, steps, channels, kernel, hidden}, take) => {
    const width = steps - kernel + 1, value = outputs === "action value";
    const count = value ? 1 : classes;
    const conv = take("conv.weight", channels * classes * kernel);
    const linear = take("linear.weight", hidden * channels * width);
    const output = take("output.weight", count * hidden), convBias = take("conv.bias", channels);
    const linearBias = take("linear.bias", hidden), outputBias = take("output.bias", count);
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

  D.network.architectures.conv =
    {read: readConv, rows: convRows, outputs: ["classes", "action value"]};
}
