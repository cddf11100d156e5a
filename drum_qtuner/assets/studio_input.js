// The pointer in the studio's grid. A press on an empty cell puts a stroke, and a drag from there
// paints; a stroke is dragged up and down for loudness, sideways for timing, and a press takes it
// away.
{
  const {REST, TICKS, pattern} = D;
  const STILL = 4; // pixels within which a press is no drag
  const LOUDER = 1; // velocity for each pixel upwards

  // What a press on a cell will do to the cells that it reaches: a velocity to put there, 0 to take
  // away, "rest" to empty the step; null: a stroke is dragged.
  const toolOf = (state, [step, row], shift) => {
    if (row === REST) return "rest";
    const velocity = state.velocity(step, row);
    if (shift) return velocity ? pattern.louder(velocity) : pattern.LEVELS.at(-1)[1];
    return velocity && state.strength ? null : state.strength;
  };

  const apply = (studio, tool, [step, row]) => {
    const {state} = studio;
    if (tool === "rest" || row === REST) return state.rest(step);
    const was = state.velocity(step, row);
    state.put(step, row, tool);
    if (tool > 0 && was !== tool) studio.hear(row, tool);
  };

  // A fast pointer skips cells: all between two of them.
  const between = ([fromStep, fromRow], [step, row]) => {
    const n = Math.max(Math.abs(step - fromStep), 1);
    return Array.from({length: n}, (_, i) => {
      const part = (i + 1) / n;
      return [Math.round(fromStep + (step - fromStep) * part),
        n === 1 ? row : Math.round(fromRow + (row - fromRow) * part)];
    });
  };

  // --- a drag is {move(event), end()}

  const painting = (studio, tool, place, later) => {
    const {grid, root} = studio;
    let last = place, waits = later; // a finger may be about to scroll
    const first = () => {
      apply(studio, tool, place);
      waits = false;
      studio.draw();
    };
    if (!waits) first();
    return {
      move: ({clientX, clientY}) => {
        const here = grid.placeOf(root.getRootNode().elementFromPoint(clientX, clientY));
        if (!here || here.join() === last.join()) return;
        if (waits) first();
        for (const cell of between(last, here)) apply(studio, tool, cell);
        last = here;
        studio.draw();
      },
      end: () => waits && first(),
    };
  };

  const shaping = (studio, [step, row], {clientX, clientY}) => {
    const {state, grid} = studio, width = grid.widthOf(step);
    const velocity = state.velocity(step, row), late = state.late(step, row);
    let along = ""; // which way the drag goes, once it does
    return {
      move: event => {
        const x = event.clientX - clientX, y = clientY - event.clientY;
        if (!along && Math.max(Math.abs(x), Math.abs(y)) <= STILL) return;
        along ||= Math.abs(x) > Math.abs(y) ? "x" : "y";
        state.shape(step, row, along === "y" ? velocity + LOUDER * y : velocity,
          along === "x" ? late + x / width * TICKS : late);
        studio.draw();
        grid.tellShape(step, row);
      },
      end: () => {
        if (!along) state.put(step, row, 0);
        else if (along === "y") studio.hear(row, state.velocity(step, row));
      },
    };
  };

  D.studioPointer = studio => { // -> a function that lets go
    const {state, grid, models} = studio, {box} = grid;
    let drag = null, pointer = null, own = null; // the pattern in which it began

    const press = event => {
      const place = grid.placeOf(event.target);
      if (!place || event.button || models.busy || drag) return;
      event.preventDefault();
      const tool = toolOf(state, place, event.shiftKey);
      [pointer, own] = [event.pointerId, state.slot.pattern];
      grid.focus(...place);
      drag = tool === null ? shaping(studio, place, event)
        : painting(studio, tool, place, event.pointerType === "touch");
    };
    const drags = event => {
      if (!drag || pointer !== event.pointerId) return false;
      if (own === state.slot.pattern) return true;
      drag = null; // undone, another slot, the next loop: what it drags is no longer there
      grid.endShape();
      return false;
    };
    const follow = event => drags(event) && drag.move(event);
    const release = event => {
      if (!drags(event)) return;
      const {end} = drag;
      drag = null;
      grid.endShape();
      if (event.type === "pointerup") {
        end();
        return studio.commit();
      }
      state.recall(); // a finger that scrolls has not painted
      studio.draw();
    };

    box.addEventListener("pointerdown", press);
    box.addEventListener("pointerover", event => {
      const place = grid.placeOf(event.target);
      if (place && !drag) grid.tell(place[0]);
    });
    box.addEventListener("pointerleave", () => drag || grid.tell());
    const heard = {pointermove: follow, pointerup: release, pointercancel: release};
    for (const [name, listen] of Object.entries(heard)) document.addEventListener(name, listen);
    return () => {
      for (const [name, listen] of Object.entries(heard))
        document.removeEventListener(name, listen);
    };
  };

  // What Enter does to a cell: the same as a press.
  D.pressCell = (studio, place, shift) => {
    apply(studio, toolOf(studio.state, place, shift) ?? 0, place);
    studio.commit();
  };
}
