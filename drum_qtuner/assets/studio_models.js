// The models at work in the studio: what they expect, and what they play. Who computes, the page
// or the kernel, is the backend's affair.
{
  const {pattern} = D;
  const PART = 1 / 8; // of the later steps are varied
  const TRIES = 20; // until a variation is another beat

  // Ask the backend what the model expects. While an answer is on its way only the newest
  // question waits.
  D.studioHeat = studio => {
    const {state, grid, backend} = studio;
    let asking = false, again = false;
    const once = async () => {
      again = false;
      const {steps, slot: {model, pattern: own}} = state;
      const tokens = studio.codecOf(model).hear(own);
      const expected = await backend.scores(model, tokens, studio.conditions);
      if (!studio.stopped && !again && steps === state.steps) grid.drawHeat(model, expected);
    };
    return async () => {
      again = true;
      if (asking) return;
      asking = true;
      grid.box.setAttribute("aria-busy", true);
      try {
        while (again && !studio.stopped) await once();
        studio.complain("expects", null);
      } catch (error) {
        studio.complain("expects", error);
      }
      asking = false;
      grid.box.removeAttribute("aria-busy");
    };
  };

  const pick = ({steps, primer}, draw) => { // steps after the marker
    const later = Array.from({length: steps - primer}, (_, i) => primer + i);
    const picked = later.filter(() => draw() < PART);
    if (!picked.length && later.length) picked.push(later[Math.floor(draw() * later.length)]);
    return picked;
  };

  // The grid's pattern, on some of the steps after the marker what the model would rather play: a
  // model of one sound a step moves the stroke that it hears.
  const moved = async ({state, backend}, {decode, temperature, seed}) => {
    const {slot, steps} = state, draw = D.network.random(seed);
    const next = pattern.fromNotes(steps, pattern.toNotes(slot.pattern));
    for (const step of pick(state, draw)) {
      const classes = pattern.classesOf(next);
      const {rows} = await backend.scores(slot.model, classes.slice(0, step), {});
      rows[step][classes[step]] = -Infinity; // anything but what is there
      const a = D.network.choose(rows[step], decode, temperature, draw);
      pattern.change(next, step, a, state.offset(step));
    }
    return next;
  };

  // A model of the whole kit plays some steps after the marker again, until they are others.
  const replayed = async ({state, conditions, backend}, {seed, ...settings}) => {
    const {slot, steps, beat: given} = state, draw = D.network.random(seed);
    const before = pattern.numbersOf(slot.pattern).join();
    for (let tried = 0; tried < TRIES; tried++) {
      const picked = pick(state, draw);
      const keep = pattern.keepAll(steps, (step, drum) =>
        !picked.includes(step) || state.held.has(drum));
      const options = {...settings, ...conditions, seed: seed + tried, given, keep};
      const next = pattern.fromNotes(steps, (await backend.generate(slot.model, options)).notes);
      if (pattern.numbersOf(next).join() !== before) return next;
    }
    throw new Error(`${slot.model} would play the same again: keep less, raise the temperature.`);
  };

  const checkFree = ({state: {primer, steps}}) => { // has a model anything to play?
    if (primer === steps)
      throw new Error("All steps are kept: pull the edge above the grid to the left.");
  };

  // What the buttons ask for.
  const jobsOf = (studio, playOn, keepFor, work) => {
    const {state} = studio;

    const filled = async (model, given, how, settings) => { // for a slot
      if (given) checkFree(studio);
      const {notes} = await playOn(model, given, given && keepFor(model), settings);
      return {notes, model, title: `${model}, ${how}, seed ${settings.seed}`};
    };

    const make = how => work(async settings => {
      const {active, beat, slot: {model}} = state;
      return {[active]: await filled(model, how === "new" ? null : beat, how, settings)};
    });

    const compare = () => work(async settings => {
      const {beat, slots} = state, fills = {};
      for (const key of ["A", "B"])
        fills[key] = await filled(slots[key].model, beat, "continued", settings);
      return fills;
    });

    const four = () => work(async settings => {
      const {beat, slot: {model}} = state, fills = {};
      if (settings.decode === "argmax")
        throw new Error("The likeliest is the same four times: let each step be drawn at random.");
      for (const key of D.StudioState.KEYS) {
        const {seed} = state.settings;
        fills[key] = await filled(model, beat, "continued", {...settings, seed});
        if (key !== D.StudioState.KEYS.at(-1)) studio.asking.next();
      }
      return fills;
    });

    const vary = () => work(async settings => {
      checkFree(studio);
      const {active, slot: {model}} = state;
      const way = studio.codecOf(model).loudestOnly ? moved : replayed;
      const notes = pattern.toNotes(await way(studio, settings));
      return {[active]: {notes, model, title: `${model}, varied, seed ${settings.seed}`}};
    });

    return {renew: () => make("new"), proceed: () => make("continued"), vary, compare, four};
  };

  D.studioModels = studio => {
    const {state, backend} = studio;
    let busy = false;

    const work = async job => {
      if (busy) return;
      const {asking, root} = studio;
      busy = true;
      root.setAttribute("aria-busy", true);
      asking.busy(true);
      let fills = null; // of slots, by their keys
      try {
        fills = await job(asking.settings());
        studio.complain("plays", null);
        asking.next(); // the next press plays something else
      } catch (error) {
        studio.complain("plays", error);
      }
      busy = false;
      asking.busy(false);
      if (fills && !studio.stopped) {
        const active = state.active in fills ? state.active : Object.keys(fills)[0];
        studio.next.plan({fills, active});
      }
      root.removeAttribute("aria-busy");
    };

    // What stays of the grid where `model` plays; drums are held for models of the whole kit alone.
    const keepFor = model => state.held.size && !studio.codecOf(model).loudestOnly
      ? pattern.keepAll(state.steps, (step, drum) => state.keeps(step, drum)) : state.primer;

    // What `model` plays around what is kept; what it plays on the beat swings along.
    const playOn = async (model, given, keep, settings) => {
      const beat = await backend.generate(model,
        {...settings, ...studio.conditionsOf(model), given, keep});
      const stays = pattern.keeper(keep), notes = beat.notes.map(([step, drum, velocity, offset]) =>
        [step, drum, velocity, stays(step, drum) ? offset : offset || state.offset(step)]);
      return {...beat, notes};
    };

    return {
      playOn, keepFor,
      get busy() { return busy; },
      ...jobsOf(studio, playOn, keepFor, work),
    };
  };
}
