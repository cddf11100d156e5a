// What comes next while the loop plays: the grid shows it faintly, and it takes over where the loop
// ends. While nothing plays it is there at once.
//   D.studioNext(studio) -> {
//     plan({fills: {key: {notes, title, model}}, active: key, jammed})
//                  these slots are filled, and that one is heard; what jam has made may be dropped
//     waits        the slot that a person waits for; none: undefined
//     drop()       it does not come
//     arm()        tell the transport again, which forgets what is next when anything changes
//     turn(beat)   the transport has gone on to it
//     settle()     the loop has ended: it is there now
//   }
{
  const {pattern} = D;

  D.studioNext = studio => {
    const {state, transport, grid} = studio;
    const plans = new WeakMap(); // of the beats that were handed to the transport
    let now = null;

    const beatOf = ({fills, active}) => {
      const one = fills[active] ? {...state.beat, ...fills[active]} : state.beatOf(active);
      const {title, steps, bpm, notes} = one;
      return {title, steps, bpm, notes: notes.filter(([step]) => step < steps)};
    };

    const show = beat => {
      grid.drawGhost(beat && pattern.fromNotes(beat.steps, beat.notes));
      studio.cards.draw();
      studio.playing.draw();
    };

    const drop = () => {
      if (!now) return;
      now = transport.next = null;
      show(null);
    };

    const arm = () => {
      if (!now) return;
      const beat = beatOf(now);
      plans.set(beat, now);
      transport.next = beat;
      show(beat);
    };

    const carryOut = ({fills, active}) => {
      for (const [key, {model, ...beat}] of Object.entries(fills)) {
        state.fill(key, beat, beat.title);
        state.slots[key].model = model ?? state.slots[key].model;
      }
      state.activate(active);
      studio.commit();
    };

    return {
      get waits() { return now && !now.jammed ? now.active : undefined; },
      drop, arm,
      plan: what => {
        if (!transport.playing) return carryOut(what);
        now = what;
        arm();
        studio.jam.prepare(); // which waits as well
      },
      turn: beat => {
        const what = plans.get(beat);
        if (what === now) [now, transport.next] = [null, null];
        show(now && beatOf(now));
        studio.follow(beat);
        carryOut(what);
      },
      settle: () => {
        const what = now;
        drop();
        if (what && !what.jammed && !studio.stopped) carryOut(what);
      },
    };
  };
}
