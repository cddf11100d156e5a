// Networks of type "gru": a gated recurrent unit that sees the step before, the step a bar before
// and its place, all one-hot; the output layer reads its memory and what it sees.
{
  // The columns of a matrix (rows, columns) whose rows lie one after another, one after another.
  const turned = (matrix, rows) => {
    const columns = matrix.length / rows;
    return Float32Array.from(matrix, (_, i) => matrix[i % rows * columns + Math.floor(i / rows)]);
  };

  // A model from its numbers in the order of torch: gru.weight_ih (gate and hidden, seen),
  // weight_hh (gate and hidden, hidden), both biases, output.weight (class, hidden and seen), bias.
  // A one-hot input picks a column, so the columns are kept side by side.
  const read = ({classes, steps, hidden}, numbers) => {
    const {take, done} = D.network.reader(numbers), seen = 2 * classes + steps;
    const columns = turned(take(3 * hidden * seen), 3 * hidden), recall = take(3 * hidden * hidden);
    const columnsBias = take(3 * hidden), recallBias = take(3 * hidden);
    const output = turned(take(classes * (hidden + seen)), classes), outputBias = take(classes);
    done();
    return {classes, steps, hidden, columns, columnsBias, recall, recallBias, output, outputBias};
  };

  // sums += these columns, each as long as the sums.
  const addColumns = (sums, columns, which) => {
    for (const column of which) {
      const start = column * sums.length;
      for (let i = 0; i < sums.length; i++) sums[i] += columns[start + i];
    }
  };

  // Which columns the network sees before step t.
  const sights = (m, classes, t) => {
    const seen = [2 * m.classes + t % m.steps];
    if (t >= 1) seen.push(classes[t - 1]);
    if (t >= D.BAR) seen.push(m.classes + classes[t - D.BAR]);
    return seen;
  };

  const gate = x => 1 / (1 + Math.exp(-x));

  // The memory after another look: reset gate, then the share that stays, then what is new.
  const remember = (m, memory, seen) => {
    const {hidden} = m, fresh = Float64Array.from(m.columnsBias);
    const old = Float64Array.from(m.recallBias);
    addColumns(fresh, m.columns, seen);
    for (let g = 0; g < old.length; g++)
      for (let h = 0; h < hidden; h++) old[g] += m.recall[g * hidden + h] * memory[h];
    return memory.map((before, h) => {
      const reset = gate(fresh[h] + old[h]), keep = gate(fresh[hidden + h] + old[hidden + h]);
      const now = Math.tanh(fresh[2 * hidden + h] + reset * old[2 * hidden + h]);
      return (1 - keep) * now + keep * before;
    });
  };

  const outputOf = (m, memory, seen) => {
    const row = Float64Array.from(m.outputBias);
    memory.forEach((x, h) => {
      for (let a = 0; a < m.classes; a++) row[a] += x * m.output[h * m.classes + a];
    });
    addColumns(row, m.output, seen.map(column => m.hidden + column));
    return [...row];
  };

  // Scores after the first `from`, from + 1, ... steps of the sequence: one row for each.
  const rows = (m, classes, from) => {
    const result = [];
    let memory = new Float64Array(m.hidden);
    for (let t = 0; t <= classes.length; t++) {
      const seen = sights(m, classes, t);
      memory = remember(m, memory, seen);
      if (t >= from) result.push(outputOf(m, memory, seen));
    }
    return result;
  };

  D.network.architectures.gru = {read, rows, outputs: ["classes"]};
}
