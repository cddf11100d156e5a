// A beat, its model and all settings as a short text, for the address of a page.
//   D.link.write(state) -> text      what is as usual is left out
//   D.link.read(text) -> {steps, bpm, notes, swing, primer, poly, model, settings, held, muted,
//       soloed}      an Error says in a sentence what is wrong with it
// One normal stroke a step is a digit a step, as Beat.classes(); any other beat is "x" and bits in
// base64url: the number of bars, 9 for the drums of each step, then 17 for each stroke.
{
  const {BAR, DRUMS, REST, TICKS, pattern} = D, {MOST} = pattern;
  const {LIMITS, PRIMER, SETTINGS} = D.StudioState;
  const LOUD = 7, LATE = 10; // bits of a stroke
  const SETS = {hold: "held", mute: "muted", solo: "soloed"};

  const isPlain = ({poly, slot: {pattern: own}}, lateOf) => !poly
    && pattern.toNotes(own).every(([step, , velocity, late]) =>
      velocity === pattern.NORMAL && late === lateOf(step));

  // --- bits

  const bits = (number, count) => number.toString(2).padStart(count, "0");

  const packed = text => { // base64url
    const bytes = text.match(/.{1,8}/g).map(byte => parseInt(byte.padEnd(8, "0"), 2));
    return btoa(String.fromCharCode(...bytes))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const unpacked = text => { // a function that takes so many bits
    if (!/^[\w-]+$/.test(text)) throw new Error("its beat holds what no beat holds");
    let left = "";
    try {
      left = [...atob(text.replace(/-/g, "+").replace(/_/g, "/"))]
        .map(c => bits(c.charCodeAt(0), 8)).join("");
    } catch {
      throw new Error("its beat holds what no beat holds");
    }
    return count => {
      if (left.length < count) throw new Error("its beat is cut short");
      const taken = left.slice(0, count);
      left = left.slice(count);
      return parseInt(taken, 2);
    };
  };

  const noteBits = ({steps, slot: {pattern: own}}) => {
    const strokes = pattern.toNotes(own).map(([, , velocity, late]) =>
      bits(velocity, LOUD) + bits(late + TICKS / 2, LATE));
    const struck = pattern.numbersOf(own).map(number => bits(number, DRUMS));
    return bits(steps / BAR, 8) + struck.join("") + strokes.join("");
  };

  const fromBits = take => {
    const steps = take(8) * BAR;
    checkSteps(steps);
    const struck = Array.from({length: steps}, () => take(DRUMS));
    const notes = struck.flatMap((number, step) =>
      [...Array(DRUMS).keys()].filter(drum => number >> drum & 1).map(drum => [step, drum]));
    return {steps, notes: notes.map(at => {
      const velocity = take(LOUD), late = take(LATE) - TICKS / 2;
      if (!velocity || late >= TICKS / 2) throw new Error("its beat holds what no beat holds");
      return [...at, velocity, late];
    })};
  };

  const checkSteps = steps => {
    if (!steps || steps % BAR || steps > MOST)
      throw new Error(`its beat does not have 1 to ${MOST / BAR} whole bars`);
  };

  const fromDigits = (text, swing) => {
    checkSteps(text.length);
    return {steps: text.length, notes: [...text].map(Number).flatMap((a, step) =>
      a === REST ? [] : [[step, a, pattern.NORMAL, pattern.swung(step, swing)]])};
  };

  // --- all of it

  const write = state => {
    const {bpm, primer, swing, poly, slot, settings} = state, told = new URLSearchParams();
    const say = (name, value, usual) => value !== usual && told.set(name, value);
    const plain = isPlain(state, step => state.offset(step));
    say("beat", plain ? pattern.classesOf(slot.pattern).join("") : `x${packed(noteBits(state))}`);
    say("bpm", bpm);
    say("model", slot.model);
    say("keep", primer, Math.min(PRIMER, state.steps));
    say("swing", swing, 0);
    say("poly", Number(poly && !pattern.isPoly(slot.pattern)), 0);
    for (const [name, usual] of Object.entries(SETTINGS)) say(name, settings[name], usual);
    for (const [name, set] of Object.entries(SETS)) say(name, [...state[set]].sort().join(""), "");
    return told.toString();
  };

  const numberIn = (told, name, [low, high], usual) => {
    const text = told.get(name) ?? String(usual), number = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && number >= low && number <= high) return number;
    throw new Error(`its ${name} is not a number from ${low} to ${high}`);
  };

  const drumsIn = (told, name) => {
    const text = told.get(name) ?? "";
    if (/^[0-8]*$/.test(text)) return new Set([...text].map(Number));
    throw new Error(`what it says of ${name} are no drums of the kit`);
  };

  const understood = told => {
    const text = told.get("beat") ?? "", swing = numberIn(told, "swing", [0, 100], 0);
    const beat = text.startsWith("x") ? fromBits(unpacked(text.slice(1)))
      : /^\d*$/.test(text) ? fromDigits(text, swing) : null;
    if (!beat) throw new Error("its beat holds what no beat holds");
    const poly = numberIn(told, "poly", [0, 1], 0) > 0;
    const decode = told.get("decode") ?? SETTINGS.decode;
    if (!["sample", "argmax"].includes(decode)) throw new Error("its way to play is unknown");
    return {...beat, swing, poly, model: told.get("model"),
      bpm: numberIn(told, "bpm", LIMITS.bpm, 120),
      primer: Math.round(numberIn(told, "keep", [0, beat.steps], Math.min(PRIMER, beat.steps))),
      settings: {...SETTINGS, decode, style: told.get("style"),
        temperature: numberIn(told, "temperature", LIMITS.temperature, SETTINGS.temperature),
        seed: Math.round(numberIn(told, "seed", LIMITS.seed, SETTINGS.seed))},
      ...Object.fromEntries(Object.entries(SETS).map(([name, set]) =>
        [set, drumsIn(told, name)]))};
  };

  const read = text => {
    try {
      return understood(new URLSearchParams(text));
    } catch (error) {
      throw new Error(`This link is damaged: ${error.message}. The grid is empty.`);
    }
  };

  D.link = {write, read};
}
