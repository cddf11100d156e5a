// The studio's strips of buttons and fields: the transport, how it sounds, and editing.
{
  const {BAR, clamp, element, pattern} = D, {LIMITS} = D.StudioState;

  const button = (text, title, onclick, more = {}) =>
    element("button", {type: "button", title, onclick, ...more}, text);
  const field = (text, input) => element("label", {}, element("span", {}, text), input);
  const tick = (text, input) => element("label", {}, input, element("span", {}, text));
  const strip = (...parts) => element("div", {className: "dqs-strip"}, ...parts);
  const group = (...parts) => element("div", {className: "dqs-choice"}, ...parts);

  const range = (value, max, step, more) =>
    element("input", {type: "range", min: 0, max, step, value, ...more});

  const choice = (legend, options, onpick) => { // options: [text, value, title]
    const buttons = options.map(([text, value, title]) => button(text, title, () => onpick(value)));
    const made = element("div", {className: "dqs-choice", role: "group", "aria-label": legend},
      ...buttons);
    made.show = value => buttons.forEach((one, i) =>
      one.setAttribute("aria-pressed", options[i][1] === value));
    return made;
  };

  const number = (value, {min, max, step = "any"}, label, onchange = () => {}) => {
    const input = element("input", {type: "number", min, max, step, value, "aria-label": label});
    input.onchange = () => { // what is no number is not taken
      const given = input.valueAsNumber;
      value = input.value = Number.isFinite(given) ? clamp(given, min, Number(input.max)) : value;
      onchange(value);
    };
    input.show = now => { // but let a person finish typing
      if (!input.matches(":focus") || input.valueAsNumber === value) input.value = now;
      value = now;
    };
    return input;
  };

  D.controls = {button, field, tick, strip, group, range, choice, number};

  // --- playing

  D.studioPlaying = studio => {
    const {state, transport} = studio;
    const play = button("", "Play or stop (Space, or key P)", () => {
      transport.playing ? transport.stop() : transport.start();
      show();
    }, {className: "dqs-play"});
    const [min, max] = LIMITS.bpm;
    const tempo = number(state.bpm, {min, max}, "tempo in beats a minute", bpm => {
      state.bpm = bpm;
      studio.commit();
    });
    const undo = button("↶", "Undo (Ctrl+Z)", () => studio.travel(-1), {"aria-label": "undo"});
    const redo = button("↷", "Redo (Ctrl+Shift+Z)", () => studio.travel(1), {"aria-label": "redo"});
    const swing = range(0, 100, 5, {"aria-label": "swing",
      title: "How much later every second sixteenth comes: 100 % is triplets",
      oninput: () => {
        state.setSwing(Number(swing.value));
        studio.draw();
      },
      onchange: () => studio.commit()});
    const volume = range(transport.volume, 1, .05, {"aria-label": "volume",
      oninput: () => transport.volume = Number(volume.value)});
    const loop = element("input", {type: "checkbox", checked: true,
      onchange: () => transport.loop = loop.checked});
    const click = element("input", {type: "checkbox",
      onchange: () => transport.metronome = click.checked});
    const show = () => {
      const {playing} = transport, word = playing ? "Stop" : "Play";
      if (!playing) studio.grid.light(-1);
      play.innerHTML = D.icon(word.toLowerCase());
      play.setAttribute("aria-label", word);
      studio.root.classList.toggle("dqs-playing", playing);
      if (!playing) studio.next.settle();
      studio.jam.prepare();
    };
    const draw = () => {
      tempo.show(Number(state.bpm.toFixed(3)));
      swing.value = state.swing;
      undo.disabled = !state.canTravel(-1) && !studio.next.waits;
      redo.disabled = !state.canTravel(1);
    };
    const box = strip(play, studio.pads.dot, field("bpm", tempo), group(undo, redo));
    box.classList.add("dqs-transport");
    const sound = strip(field("swing", swing), field("volume", volume), tick("loop", loop),
      tick("click", click), studio.pads.midi);
    sound.classList.add("dqs-sound");
    const repeat = () => loop.checked = transport.loop = true;
    return {box, sound, draw, show, repeat, toggle: () => play.click()};
  };

  // --- editing

  D.studioEditing = (studio, presets) => {
    const {state} = studio;
    const edit = change => () => {
      change();
      studio.commit();
    };
    const voices = choice("sounds in a step", [
      ["mono", false, "One sound in a step, as the models hear it"],
      ["poly", true, "Any number of sounds in a step"],
    ], poly => edit(() => state.setPoly(poly))());
    const strength = choice("strength of new strokes", [...pattern.LEVELS.map(([text], i) =>
      [text, i, `New strokes are ${text}; shift-click changes a stroke that is there`]),
    ["erase", -1, "Press and drag to take strokes away"]],
    level => strength.show(state.level = level));
    const bars = element("select", {"aria-label": "bars",
      onchange: edit(() => state.resize(Number(bars.value) * BAR))});
    const beats = element("select", {"aria-label": "beat", onchange: edit(() => {
      state.load(presets[beats.value]);
      beats.value = "";
    })}, element("option", {value: "", hidden: true}, "choose"),
    ...presets.map(({title}, i) => element("option", {value: i}, title)));
    const clear = button("Clear", "Empty the grid",
      edit(() => state.fill(state.active, {notes: []})));
    const name = () => `beat-${state.active}-${state.slot.model}`;
    const midi = button("MIDI", "Download as a MIDI file", () => D.saveMidi(state.beat, name()));
    const wav = button("WAV", "Download as a WAV file what you hear: drums that are mute are not"
      + " in it", () => D.saveWav(state.heard, name()));
    const draw = () => {
      voices.show(state.poly);
      const now = state.steps / BAR, counts = [...new Set([1, 2, 3, 4, now])];
      if (bars.options.length !== counts.length || Number(bars.value) !== now)
        bars.replaceChildren(...counts.map(n => element("option", {value: n}, n)));
      bars.value = now;
    };
    strength.show(state.level);
    const box = strip(voices, strength, ...presets.length ? [field("beat", beats)] : [],
      field("bars", bars), clear, group(midi, wav));
    box.classList.add("dqs-editing");
    return {box, draw};
  };
}
