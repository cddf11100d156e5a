// Jam: while the loop runs the model makes the next one, which goes on from what is heard, and it
// takes over where the loop ends (studio_next.js). What changes in the grid or in the settings is
// heard from the loop after it on.
//   D.studioJam(studio) -> {on, toggle(), prepare()}
{
  const {BAR, pattern} = D;
  const PAST = 2 * BAR; // steps of what is heard from which the model goes on

  // The loop that follows on the one in the grid; the steps that are kept stay in it.
  const follow = async ({state, asking, models}) => {
    const {beat, steps, slot: {model}} = state, settings = asking.settings(), notes = [];
    const whole = PAST + steps, stays = pattern.keeper(models.keepFor(model));
    const keep = pattern.keepAll(whole, (t, drum) => t < PAST || stays(t - PAST, drum));
    for (let t = 0; t < whole; t++) {
      const from = ((t - PAST) % steps + steps) % steps; // short loops are heard several times
      for (const [step, drum, ...stroke] of beat.notes)
        if (step === from && keep[t][drum]) notes.push([t, drum, ...stroke]);
    }
    const given = {...beat, steps: whole, notes};
    const long = await models.playOn(model, given, keep, {...settings, steps: whole});
    asking.next();
    const played = long.notes.flatMap(([step, ...stroke]) =>
      step < PAST ? [] : [[step - PAST, ...stroke]]);
    return {title: `${model}, jammed, seed ${settings.seed}`, notes: played};
  };

  D.studioJam = studio => {
    const {state, transport} = studio;
    let on = false, making = false, wanted = ""; // what the next loop is to be made from

    const make = async () => { // while one is being made only the newest wish waits
      making = true;
      try {
        for (let asked; wanted && asked !== wanted;) {
          asked = wanted;
          const {active} = state, fills = {[active]: await follow(studio)};
          if (asked === wanted) studio.next.plan({fills, active, jammed: true});
        }
        studio.complain("jams", null);
      } catch (error) {
        studio.complain("jams", error);
        on = false;
        studio.drawJam();
      }
      making = false;
    };

    const prepare = () => {
      const {beat, primer, held, slot: {model}} = state;
      const goal = on && transport.playing && !studio.stopped && !studio.next.waits
        ? JSON.stringify({beat, primer, held: [...held], model, ...studio.conditions}) : "";
      if (goal === wanted) return;
      wanted = goal;
      if (!studio.next.waits) studio.next.drop();
      if (goal && !making) make();
    };

    const toggle = () => {
      on = !on;
      if (on) studio.playing.repeat();
      if (on && !transport.playing) studio.playing.toggle();
      prepare();
      studio.drawJam();
    };

    return {
      get on() { return on; },
      toggle, prepare,
    };
  };
}
