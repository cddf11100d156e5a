// What the studio's grid holds: for each step and drum how hard (velocity) and how late (offset).
{
  const {BAR, DRUMS, REST, TICKS} = D;
  const MOST = 16 * BAR; // steps that the grid takes in
  const NORMAL = 100; // velocity of what a model plays
  const LEVELS = [["soft", 40], ["normal", NORMAL], ["hard", 127]];
  const levelOf = velocity => velocity < 50 ? 0 : velocity < 105 ? 1 : 2;
  const louder = velocity => LEVELS[(levelOf(velocity) + 1) % LEVELS.length][1];

  const empty = steps =>
    ({velocity: new Uint8Array(steps * DRUMS), offset: new Int16Array(steps * DRUMS)});

  const stepsOf = ({velocity}) => velocity.length / DRUMS;

  const set = (pattern, step, drum, velocity, offset) => {
    pattern.velocity[step * DRUMS + drum] = velocity;
    pattern.offset[step * DRUMS + drum] = velocity ? offset : 0;
  };

  const fromNotes = (steps, notes) => { // what lies after the last step is cut off
    const pattern = empty(steps);
    for (const [step, ...stroke] of notes) if (step < steps) set(pattern, step, ...stroke);
    return pattern;
  };

  const toNotes = ({velocity, offset}) => [...velocity].flatMap((v, i) =>
    v ? [[Math.floor(i / DRUMS), i % DRUMS, v, offset[i]]] : []);

  const loudest = ({velocity}, step) => { // as Beat.classes(): of equally loud drums the first
    let best = REST, most = 0;
    for (let d = 0; d < DRUMS; d++) {
      const v = velocity[step * DRUMS + d];
      if (v > most) [best, most] = [d, v];
    }
    return best;
  };

  const classesOf = pattern =>
    Array.from({length: stepsOf(pattern)}, (_, step) => loudest(pattern, step));

  // What is struck in each step as one number, see network_patterns.js.
  const numbersOf = ({velocity}) => {
    const numbers = new Array(velocity.length / DRUMS).fill(0);
    velocity.forEach((v, i) => {
      if (v) numbers[Math.floor(i / DRUMS)] += 2 ** (i % DRUMS);
    });
    return numbers;
  };

  const isPoly = pattern => classesOf(pattern).some((_, step) =>
    pattern.velocity.subarray(step * DRUMS, (step + 1) * DRUMS).filter(v => v).length > 1);

  const clear = (pattern, step, except) => {
    for (let d = 0; d < DRUMS; d++) if (d !== except) set(pattern, step, d, 0);
  };

  // What is heard in a step becomes class `a`: the loudest stroke goes to another drum and keeps
  // its strength and its time, and quieter voices stay. In an empty step a normal stroke appears,
  // late by `offset`.
  const change = (pattern, step, a, offset) => {
    const heard = loudest(pattern, step), at = step * DRUMS;
    if (heard === a) return;
    if (a === REST) return clear(pattern, step);
    const stroke = heard === REST ? [NORMAL, offset]
      : [pattern.velocity[at + heard], pattern.offset[at + heard]];
    if (heard !== REST) set(pattern, step, heard, 0);
    set(pattern, step, a, ...stroke);
    for (let d = 0; d < a; d++) // an equally loud one before it would be heard instead
      if (pattern.velocity[at + d] === stroke[0]) pattern.velocity[at + d]--;
  };

  // What stays where a model plays, as a function of step and drum: of `keep`, a number of steps,
  // or true where a stroke and a silence stays, for each step and drum.
  const keeper = keep => Array.isArray(keep) ? (step, drum) => keep[step][drum]
    : step => step < keep;

  const keepAll = (steps, stays) => Array.from({length: steps}, (_, step) =>
    Array.from({length: DRUMS}, (__, drum) => stays(step, drum)));

  // How late a step is, in ticks: at 100 every second sixteenth is that of a triplet.
  const swung = (step, swing) => step % 2 ? Math.round(swing / 100 * TICKS / 3) : 0;

  D.pattern = {MOST, NORMAL, LEVELS, levelOf, louder, empty, set, fromNotes, toNotes, loudest,
    classesOf, numbersOf, isPoly, clear, change, keeper, keepAll, swung};
}
