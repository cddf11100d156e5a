// The models at work in the studio: what they expect, and what they play. Who computes, the page
// or the kernel, is the backend's affair.
{
  const {pattern} = D;
  const PART = 1 / 8; // of the later steps are varied

  // Ask the backend what the model expects. While an answer is on its way only the newest
  // question waits.
  D.studioHeat = studio => {
    const {state, grid, backend} = studio;
    let asking = false, again = false;
    const once = async () => {
      again = false;
      const {steps, slot: {model, pattern: own}} = state;
      const rows = await backend.scores(model, pattern.classesOf(own));
      if (!studio.stopped && !again && steps === state.steps) grid.drawHeat(model, rows);
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

  // The grid's pattern, on some of the steps after the marker what the model would rather play.
  const varied = async ({state, backend}, {decode, temperature, seed}) => {
    const {slot, steps, primer} = state, draw = D.network.random(seed);
    const later = Array.from({length: steps - primer}, (_, i) => primer + i);
    const picked = later.filter(() => draw() < PART);
    if (!picked.length && later.length) picked.push(later[Math.floor(draw() * later.length)]);
    const next = pattern.fromNotes(steps, pattern.toNotes(slot.pattern));
    for (const step of picked) {
      const classes = pattern.classesOf(next);
      const rows = await backend.scores(slot.model, classes.slice(0, step));
      rows[step][classes[step]] = -Infinity; // anything but what is there
      const a = D.network.choose(rows[step], decode, temperature, draw);
      pattern.change(next, step, a, state.offset(step));
    }
    return next;
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
      try {
        await job(asking.settings());
        studio.complain("plays", null);
        asking.next(); // the next press plays something else
      } catch (error) {
        studio.complain("plays", error);
      }
      busy = false;
      root.removeAttribute("aria-busy");
      asking.busy(false);
      if (!studio.stopped) studio.commit();
    };

    // What `model` plays on after the first `keep` steps; what it plays on the beat swings along.
    const playOn = async (model, given, keep, settings) => {
      const beat = await backend.generate(model, {...settings, given, keep});
      const notes = beat.notes.map(([step, drum, velocity, offset]) =>
        [step, drum, velocity, step < keep ? offset : offset || state.offset(step)]);
      return {...beat, notes};
    };

    const make = (how, keep) => work(async settings => {
      const {active, beat, slot: {model}} = state;
      const made = await playOn(model, keep === null ? null : beat, keep, settings);
      state.fill(active, made, `${model}, ${how}, seed ${settings.seed}`);
    });

    const compare = () => work(async settings => {
      const {beat, primer, slots} = state, made = {};
      for (const [key, {model}] of Object.entries(slots))
        made[key] = await playOn(model, beat, primer, settings);
      for (const [key, {model}] of Object.entries(slots))
        state.fill(key, made[key], `${model}, continued, seed ${settings.seed}`);
    });

    const vary = () => work(async settings => {
      const {slot} = state, next = await varied(studio, settings);
      Object.assign(slot, {pattern: next, title: `${slot.model}, varied, seed ${settings.seed}`});
    });

    return {
      get busy() { return busy; },
      renew: () => make("new", null),
      proceed: () => make("continued", state.primer),
      vary, compare,
    };
  };
}
