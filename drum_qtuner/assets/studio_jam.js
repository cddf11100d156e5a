// Jam: while the loop runs the model makes the next one, which goes on from what is heard, and it
// takes over where the loop ends. What changes in the grid or in the settings is heard from the
// loop after it on.
//   D.studioJam(studio) -> {on, toggle(), prepare(), turn(beat)}
{
  const PAST = 2 * D.BAR; // steps of what is heard from which the model goes on

  // The loop that follows on the one in the grid; the steps that are kept stay in it.
  const follow = async ({state, asking, models}) => {
    const {beat, primer, steps, slot: {model}} = state, settings = asking.settings();
    const keep = PAST + primer, notes = [];
    for (let t = 0; t < keep; t++) {
      const from = ((t - PAST) % steps + steps) % steps; // short loops are heard several times
      for (const [step, ...stroke] of beat.notes) if (step === from) notes.push([t, ...stroke]);
    }
    const given = {...beat, steps: PAST + steps, notes};
    const long = await models.playOn(model, given, keep, {...settings, steps: PAST + steps});
    asking.next();
    const played = long.notes.flatMap(([step, ...stroke]) =>
      step < PAST ? [] : [[step - PAST, ...stroke]]);
    return {...beat, title: `${model}, jammed, seed ${settings.seed}`, notes: played};
  };

  D.studioJam = studio => {
    const {state, transport} = studio;
    let on = false, making = false, wanted = ""; // what the next loop is to be made from

    const make = async () => { // while one is being made only the newest wish waits
      making = true;
      try {
        for (let asked; wanted && asked !== wanted;) {
          asked = wanted;
          const beat = await follow(studio);
          if (asked === wanted) transport.next = beat;
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
      const {beat, primer, slot: {model}} = state;
      const goal = on && transport.playing && !studio.stopped
        ? JSON.stringify({beat, primer, model, ...studio.conditions}) : "";
      if (goal === wanted) return;
      [wanted, transport.next] = [goal, null];
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
      turn: beat => { // the next one is heard: it is what the grid shows now
        wanted = "";
        studio.follow(beat);
      },
    };
  };
}
