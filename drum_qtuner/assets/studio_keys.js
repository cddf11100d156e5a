// The keys of the studio, and the lines on the page that tell of them.
//   D.studioKeys(studio, everywhere) -> a function that lets go
//       everywhere: the studio is the page, and hears keys while nothing has the focus
//   D.studioHelp() -> {hint, box}
{
  const {TICKS, clamp, element, pattern} = D;
  const LOUDER = 8, LATER = TICKS / 32; // of one press
  const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

  // One cell of the grid takes part in the tab order, arrows move it.
  const keyOnCell = (studio, {key, shiftKey}, [step, row]) => { // was it a key for a cell?
    const {state, grid, models} = studio, last = state.steps - 1;
    if (MOVES[key]) {
      const [x, y] = MOVES[key];
      if (shiftKey) return shape(studio, [step, row], -LOUDER * y, LATER * x);
      grid.focus(clamp(step + x, 0, last), grid.nextRow(row, y));
    } else if (key === "Home" || key === "End") {
      grid.focus(key === "Home" ? 0 : last, row);
    } else if (key === "Enter" && !models.busy) {
      D.pressCell(studio, [step, row], shiftKey);
    } else if (/^[ms]$/i.test(key) && row < D.REST) {
      studio.mix(key.toLowerCase() === "m" ? "muted" : "soloed", row);
    } else return false;
    return true;
  };

  const shape = (studio, [step, row], louder, later) => {
    const {state, grid, models} = studio, velocity = row < D.REST && state.velocity(step, row);
    if (!velocity || models.busy) return true;
    state.shape(step, row, velocity + louder, state.late(step, row) + later);
    studio.commit();
    grid.tellShape(step, row);
    if (louder) studio.hear(row, state.velocity(step, row));
    return true;
  };

  const command = (studio, key, {target, shiftKey}) => { // with Ctrl or Cmd
    const undo = key === "z" && !target.matches("input[type=number]");
    if (undo) studio.travel(shiftKey ? 1 : -1);
    else if (key === "y") studio.travel(1);
    return undo || key === "y";
  };

  const LETTERS = {
    p: studio => studio.playing.toggle(),
    r: studio => studio.pads.record(),
    j: studio => studio.jam.toggle(),
    f: studio => studio.models.four(),
    l: studio => studio.voting.press(true),
    k: studio => studio.voting.press(false),
    "?": studio => studio.help.box.toggleAttribute("open"),
    ...Object.fromEntries(D.StudioState.KEYS.map(key =>
      [key.toLowerCase(), studio => studio.activate(key)])),
  };

  const hit = ({state, pads}, drum, {shiftKey, timeStamp}) =>
    pads.hit(drum, shiftKey ? 127 : state.strength || pattern.NORMAL, timeStamp);

  const jobOf = ({target, code, key: pressed}) => { // what a key does wherever the focus is
    const key = pressed.toLowerCase();
    if (target.matches("input[readonly], select")) return null;
    if (key === " ") // which presses what can be pressed
      return target.closest("button, summary, a, [type=checkbox]") ? null : LETTERS.p;
    if (target.matches("[type=number]")) return null;
    if (/^Digit[1-9]$/.test(code))
      return (studio, event) => hit(studio, Number(code.at(-1)) - 1, event);
    return Object.hasOwn(LETTERS, key) ? LETTERS[key] : null;
  };

  const keyAnywhere = (studio, event) => { // was it a key for the studio?
    const place = studio.grid.placeOf(event.target);
    if (event.ctrlKey || event.metaKey) return command(studio, event.key.toLowerCase(), event);
    if (event.altKey) return false;
    if (place && keyOnCell(studio, event, place)) return true;
    const job = jobOf(event);
    if (job && !event.repeat) job(studio, event);
    return Boolean(job);
  };

  // What was pressed with a pointer does not hold the keys: they are the studio's again.
  const letGo = ({root, grid}) => {
    let pointed = false;
    root.addEventListener("pointerdown", () => pointed = true, true);
    root.addEventListener("keydown", () => pointed = false, true);
    const give = ({target}) => {
      const pressed = target.closest("button, select, [type=checkbox]");
      if (pointed && pressed && pressed.matches(":focus")) grid.refocus();
    };
    root.addEventListener("click", event => event.target.matches("select") || give(event));
    root.addEventListener("change", give);
  };

  D.studioKeys = (studio, everywhere) => {
    const {grid, root} = studio;
    const listen = event => keyAnywhere(studio, event) && event.preventDefault();
    const outside = event => event.target === document.body && listen(event);
    root.addEventListener("keydown", event => {
      event.stopPropagation();
      listen(event);
    });
    letGo(studio);
    grid.box.addEventListener("focusin", event => {
      const place = grid.placeOf(event.target);
      if (place) grid.announce(...place, event.target);
    });
    grid.box.addEventListener("focusout", () => grid.endShape());
    if (everywhere) document.addEventListener("keydown", outside);
    return () => document.removeEventListener("keydown", outside);
  };

  // --- told on the page

  const HINT = "Press a cell for a stroke. Drag a stroke up or down for loudness, sideways for"
    + " timing. Space plays, 1 to 9 hit the drums.";
  const HELP = [
    ["Space or P", "play, stop"],
    ["1 to 9", "hit the drums from the bass drum up, with Shift as hard as can be; so do the names"
      + " beside the grid, and an instrument at MIDI in"],
    ["R", "record what is hit while the loop plays: on the nearest step, as early or late as it"
      + " was"],
    ["press an empty cell, Enter", "put a stroke; drag on to paint more"],
    ["press a stroke, Enter", "take it away; drag with erase to take away more"],
    ["drag a stroke up, down; Shift+↑ ↓", "louder, softer"],
    ["drag a stroke sideways; Shift+← →", "earlier, later, by half a step at most"],
    ["Shift+press, Shift+Enter", "soft, normal, hard in turn"],
    ["M, S", "mute the drum of the cell, or hear it alone"],
    ["A B C D", "show and hear a slot; while it plays, where the loop ends"],
    ["New", "a new beat by the model of the slot"],
    ["Let the network go on", "the model plays on after what is kept; Vary: it changes some steps"],
    ["A/B", "the models of A and B both play on from what A or B keeps: compare them"],
    ["Four (F)", "four ways on from the steps that are kept, one in each slot"],
    ["Jam (J)", "the model goes on from loop to loop; rings show what comes"],
    ["L, K", "like, dislike"],
    ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo: strokes, tempo, settings, all of it"],
    ["edge above the grid", "what lies before it is kept: drag it, or move it with ← →"],
    ["drop a MIDI file", "open it"],
  ];

  D.studioHelp = () => ({
    hint: element("p", {className: "dqs-hint"}, HINT),
    box: element("details", {className: "dqs-help"},
      element("summary", {}, "All keys and gestures (key ?)"),
      element("dl", {}, ...HELP.map(([keys, what]) =>
        element("div", {}, element("dt", {}, keys), element("dd", {}, what))))),
  });
}
