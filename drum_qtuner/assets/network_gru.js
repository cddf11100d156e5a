// Gated recurrent units, and networks of type "gru": one that sees the step before, the step a bar
// before and its place, all one-hot; the output layer reads its memory and what it sees.
//   D.recurrent.cell({seen, hidden}, take, name, way)  a GRU's weights, by the names of torch
//   D.recurrent.remember(cell, memory, sight)          its memory after another look
//   D.recurrent.layer({inputs, outputs}, take, name)   the weights of a linear layer
//   D.recurrent.apply(layer, numbers, sight)           what it says of numbers, then a sight
//       sight: [[column, amount], ...], all that is not 0 of what is seen
{
  // The columns of a matrix (rows, columns) whose rows lie one after another, one after another:
  // nearly all that is seen is 0, and what is not picks a column.
  const turned = (matrix, rows) => {
    const columns = matrix.length / rows;
    return Float32Array.from(matrix, (_, i) => matrix[i % rows * columns + Math.floor(i / rows)]);
  };

  // Gate and hidden, seen; gate and hidden, hidden.
  const cell = ({seen, hidden}, take, name, way = "") => {
    const part = (kind, count) => take(`${name}.${kind}_l0${way}`, count), rows = 3 * hidden;
    return {hidden, columns: turned(part("weight_ih", rows * seen), rows),
      columnsBias: part("bias_ih", rows), recall: part("weight_hh", rows * hidden),
      recallBias: part("bias_hh", rows)};
  };

  const layer = ({inputs, outputs}, take, name) => ({
    columns: turned(take(`${name}.weight`, outputs * inputs), outputs),
    bias: take(`${name}.bias`, outputs),
  });

  // sums += amount * a column, which is as long as the sums.
  const addColumn = (sums, columns, column, amount) => {
    for (let i = 0, at = column * sums.length; i < sums.length; i++, at++)
      sums[i] += amount * columns[at];
  };

  const apply = ({columns, bias}, numbers, sight = []) => {
    const sums = new Float64Array(bias);
    for (let i = 0; i < numbers.length; i++)
      if (numbers[i]) addColumn(sums, columns, i, numbers[i]);
    for (const [column, amount] of sight) addColumn(sums, columns, numbers.length + column, amount);
    return sums;
  };

  const gate = x => 1 / (1 + Math.exp(-x));

  // Reset gate, then the share that stays, then what is new.
  const remember = ({hidden, columns, columnsBias, recall, recallBias}, memory, sight) => {
    const fresh = new Float64Array(columnsBias), old = new Float64Array(recallBias);
    for (const [column, amount] of sight) addColumn(fresh, columns, column, amount);
    for (let g = 0, at = 0; g < old.length; g++) {
      let sum = old[g];
      for (let h = 0; h < hidden; h++) sum += recall[at++] * memory[h];
      old[g] = sum;
    }
    return memory.map((before, h) => {
      const reset = gate(fresh[h] + old[h]), keep = gate(fresh[hidden + h] + old[hidden + h]);
      const now = Math.tanh(fresh[2 * hidden + h] + reset * old[2 * hidden + h]);
      return (1 - keep) * now + keep * before;
    });
  };

  D.recurrent = {cell, remember, layer, apply};

  // --- the network of classes

  const read = ({classes, steps, hidden}, take) => {
    const seen = 2 * classes + steps;
    return {classes, steps, gru: cell({seen, hidden}, take, "gru"),
      output: layer({inputs: hidden + seen, outputs: classes}, take, "output")};
  };

  const sightOf = (m, classes, t) => { // before step t
    const sight = [[2 * m.classes + t % m.steps, 1]];
    if (t >= 1) sight.push([classes[t - 1], 1]);
    if (t >= D.BAR) sight.push([m.classes + classes[t - D.BAR], 1]);
    return sight;
  };

  const listener = m => {
    let memory = new Float64Array(m.gru.hidden), heard = -1;
    return (classes, t) => {
      while (heard < t) memory = remember(m.gru, memory, sightOf(m, classes, ++heard));
      return [...apply(m.output, memory, sightOf(m, classes, t))];
    };
  };

  D.network.architectures.gru = {read, listener, outputs: ["classes"]};
}
