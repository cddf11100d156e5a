// The pointer and the keys in the studio's grid.
{
  const {REST, clamp, pattern} = D;

  // What a press on a cell will do to the cells that it reaches: a velocity to put there, 0 to take
  // away, "rest" to empty the step, "primer" to move the marker.
  const toolOf = (state, [step, row], shift) => {
    if (row === "ruler") return "primer";
    if (row === REST) return "rest";
    const velocity = state.velocity(step, row);
    if (shift) return velocity ? pattern.louder(velocity) : pattern.LEVELS.at(-1)[1];
    return velocity ? 0 : state.strength;
  };

  const apply = (studio, tool, [step, row]) => {
    const {state} = studio;
    if (tool === "primer") {
      state.setPrimer(step + 1);
      studio.drawPrimer();
      return;
    }
    if (row === "ruler") return;
    if (tool === "rest" || row === REST) return state.rest(step);
    const was = state.velocity(step, row);
    state.put(step, row, tool);
    if (tool > 0 && was !== tool) studio.hear(row, tool);
  };

  // A fast pointer skips cells: all between two of them.
  const between = ([fromStep, fromRow], [step, row]) => {
    if (row === "ruler" || fromRow === "ruler") return [[step, row]];
    const n = Math.max(Math.abs(step - fromStep), 1);
    return Array.from({length: n}, (_, i) => {
      const part = (i + 1) / n;
      return [Math.round(fromStep + (step - fromStep) * part),
        n === 1 ? row : Math.round(fromRow + (row - fromRow) * part)];
    });
  };

  // What the first cell was decides whether a drag paints or erases. -> a function that lets go
  D.studioPointer = studio => {
    const {state, grid, models, root} = studio, {box} = grid;
    let drag = null; // {id, tool, last: [step, row]}
    const redraw = () => drag.tool !== "primer" && studio.draw();
    const press = event => {
      const place = grid.placeOf(event.target);
      if (!place || event.button || models.busy) return;
      event.preventDefault();
      const tool = toolOf(state, place, event.shiftKey), [step, row] = place;
      if (tool === "primer" && state.primer === step + 1) { // the last kept step lets go
        state.setPrimer(step);
        studio.commit();
        return;
      }
      drag = {id: event.pointerId, tool, last: place};
      if (row !== "ruler") grid.focus(step, row);
      apply(studio, tool, place);
      redraw();
    };
    const follow = event => {
      if (drag?.id !== event.pointerId) return;
      const under = root.getRootNode().elementFromPoint(event.clientX, event.clientY);
      const place = grid.placeOf(under);
      if (!place || place.join() === drag.last.join()) return;
      for (const cell of between(drag.last, place)) apply(studio, drag.tool, cell);
      drag.last = place;
      redraw();
    };
    const release = event => {
      if (drag?.id !== event.pointerId) return;
      drag = null;
      if (event.type === "pointerup") return studio.commit();
      state.recall(); // a finger that scrolls has not painted
      studio.draw();
    };
    box.addEventListener("pointerdown", press);
    box.addEventListener("pointerover", event => {
      const place = grid.placeOf(event.target);
      if (place && !drag) grid.tell(place[0]);
    });
    box.addEventListener("pointerleave", () => grid.tell());
    const heard = {pointermove: follow, pointerup: release, pointercancel: release};
    for (const [name, listen] of Object.entries(heard)) document.addEventListener(name, listen);
    return () => {
      for (const [name, listen] of Object.entries(heard))
        document.removeEventListener(name, listen);
    };
  };

  // --- keys: one cell of the grid takes part in the tab order, arrows move it

  const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

  const keyOnCell = (studio, {key, shiftKey}, [step, row]) => { // was it a key for a cell?
    const {state, grid, models} = studio, last = state.steps - 1;
    if (MOVES[key]) {
      const [x, y] = MOVES[key];
      grid.focus(clamp(step + x, 0, last), grid.nextRow(row, y));
    } else if (key === "Home" || key === "End") {
      grid.focus(key === "Home" ? 0 : last, row);
    } else if ((key === " " || key === "Enter") && !models.busy) {
      apply(studio, toolOf(state, [step, row], shiftKey), [step, row]);
      studio.commit();
    } else return false;
    return true;
  };

  const command = (studio, key, {target, shiftKey}) => { // with Ctrl or Cmd
    const undo = key === "z" && !target.matches("input[type=number]");
    if (undo) studio.travel(shiftKey ? 1 : -1);
    else if (key === "y") studio.travel(1);
    return undo || key === "y";
  };

  const keyAnywhere = (studio, event) => { // was it a key for the studio?
    const {target} = event, key = event.key.toLowerCase(), place = studio.grid.placeOf(target);
    if (event.ctrlKey || event.metaKey) return command(studio, key, event);
    if (event.altKey) return false;
    if (place && keyOnCell(studio, event, place)) return true;
    if (target.matches("input, select")) return false;
    if (key === "p") studio.playing.toggle();
    else if (key === "a" || key === "b") studio.activate(key.toUpperCase());
    else if (key === "l" || key === "d") studio.voting.press(key === "l");
    else if (key === "j") studio.jam.toggle();
    else return false;
    return true;
  };

  D.studioKeys = studio => {
    const {grid, root} = studio;
    root.addEventListener("keydown", event => {
      event.stopPropagation();
      if (keyAnywhere(studio, event)) event.preventDefault();
    });
    grid.box.addEventListener("focusin", event => {
      const place = grid.placeOf(event.target);
      if (place) grid.announce(...place, event.target);
    });
  };
}
