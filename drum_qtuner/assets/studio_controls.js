// The studio's strips of buttons and fields: playing, editing, and the two cards A and B.
{
  const {BAR, DRUMS, TICKS, clamp, element, pattern} = D;

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
    return input;
  };

  // --- playing

  D.studioPlaying = studio => {
    const {state, transport} = studio;
    const play = button("", "Play or stop (key P)", () => {
      transport.playing ? transport.stop() : transport.start();
      show();
    }, {className: "dqs-play"});
    const tempo = number(state.bpm, {min: 10, max: 1000}, "tempo in beats a minute", bpm => {
      state.bpm = bpm;
      studio.commit();
    });
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
      studio.jam.prepare();
    };
    const draw = () => {
      tempo.value = Number(state.bpm.toFixed(3));
      swing.value = state.swing;
    };
    const box = strip(play, field("bpm", tempo), field("swing", swing), field("volume", volume),
      tick("loop", loop), tick("click", click));
    const repeat = () => loop.checked = transport.loop = true;
    return {box, draw, show, repeat, toggle: () => play.click()};
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
    const strength = choice("strength of new strokes", pattern.LEVELS.map(([text], i) =>
      [text, i, `New strokes are ${text}; shift-click changes a stroke that is there`]),
    level => strength.show(state.level = level));
    const bars = element("select", {"aria-label": "bars",
      onchange: edit(() => state.resize(Number(bars.value) * BAR))});
    const beats = element("select", {"aria-label": "beat", onchange: edit(() => {
      state.load(presets[beats.value]);
      beats.value = "";
    })}, element("option", {value: "", hidden: true}, "choose"),
    ...presets.map(({title}, i) => element("option", {value: i}, title)));
    const undo = button("↶", "Undo (Ctrl+Z)", () => studio.travel(-1), {"aria-label": "undo"});
    const redo = button("↷", "Redo (Ctrl+Shift+Z)", () => studio.travel(1), {"aria-label": "redo"});
    const clear = button("Clear", "Empty the grid",
      edit(() => state.fill(state.active, {notes: []})));
    const name = () => `beat-${state.active}-${state.slot.model}`;
    const midi = button("MIDI", "Download as a MIDI file", () => D.saveMidi(state.beat, name()));
    const wav = button("WAV", "Download as a WAV file", () => D.saveWav(state.beat, name()));
    const draw = () => {
      voices.show(state.poly);
      const now = state.steps / BAR, counts = [...new Set([1, 2, 3, 4, now])];
      if (bars.options.length !== counts.length || Number(bars.value) !== now)
        bars.replaceChildren(...counts.map(n => element("option", {value: n}, n)));
      bars.value = now;
      undo.disabled = !state.canTravel(-1);
      redo.disabled = !state.canTravel(1);
    };
    strength.show(state.level);
    const box = strip(voices, strength, ...presets.length ? [field("beat", beats)] : [],
      field("bars", bars), group(undo, redo), clear, group(midi, wav));
    return {box, draw};
  };

  // --- the cards A and B

  const picture = ({steps}, own) => {
    const high = DRUMS * 4;
    const strokes = pattern.toNotes(own).map(([step, drum, velocity, offset]) =>
      `<rect x="${4 * step + 4 * offset / TICKS}" y="${4 * (DRUMS - 1 - drum)}" width="3.4"`
      + ` height="3.4" fill="${D.color[drum]}" opacity="${.4 + .6 * velocity / 127}"/>`);
    return `<svg viewBox="0 0 ${steps * 4} ${high}" preserveAspectRatio="none" aria-hidden="true">`
      + `${strokes.join("")}</svg>`;
  };

  const card = (studio, key) => {
    const {state} = studio;
    const pick = element("select", {"aria-label": `model ${key}`, onchange: () => {
      state.slots[key].model = pick.value;
      state.active = key;
      studio.commit();
    }}, ...studio.backend.models.map(({name, label = name}) =>
      element("option", {value: name}, label)));
    const activate = () => studio.activate(key);
    const show = button(key, `Show and hear ${key} (key ${key})`, activate, {className: "dqs-key"});
    const shown = element("div", {className: "dqs-picture", onclick: activate});
    const box = element("div", {className: "dqs-card"}, element("div", {}, show, pick), shown);
    const draw = () => {
      const {model, pattern: own, title} = state.slots[key], active = key === state.active;
      pick.value = model;
      box.classList.toggle("dqs-active", active);
      show.setAttribute("aria-pressed", active);
      shown.title = title;
      shown.innerHTML = picture(state, own);
    };
    return {box, draw};
  };

  D.studioCards = studio => {
    const cards = Object.keys(studio.state.slots).map(key => card(studio, key));
    const box = strip(...cards.map(one => one.box));
    box.classList.add("dqs-cards");
    return {box, draw: () => cards.forEach(one => one.draw())};
  };

  // --- how the models play

  const styleMenu = studio => { // where the model in the grid has any
    const {state} = studio, option = (value, text) => element("option", {value}, text);
    const menu = element("select", {"aria-label": "style", onchange: () => {
      state.style = menu.value || null;
      studio.draw();
    }});
    const box = field("style", menu);
    let shown = "";
    const draw = () => {
      const styles = studio.cardOf(state.slot.model)?.styles ?? [];
      box.hidden = !styles.length;
      if (!styles.includes(state.style)) state.style = null;
      if (shown !== styles.join())
        menu.replaceChildren(option("", "any"), ...styles.map(name => option(name, name)));
      shown = styles.join();
      menu.value = state.style ?? "";
    };
    return {box, draw};
  };

  const heldDrums = studio => { // where the model in the grid hears all of them
    const {state} = studio;
    const buttons = D.names.map(([short, name], drum) => button(short,
      `Keep every ${name}: the model plays around it`, () => {
        state.hold(drum);
        studio.draw();
      }, {"aria-label": `${short}: keep every ${name}`}));
    const box = element("div", {className: "dqs-drums", role: "group", "aria-label": "drums kept"},
      element("span", {}, "and keep"), group(...buttons));
    const draw = () => {
      box.hidden = studio.codecOf(state.slot.model).loudestOnly;
      buttons.forEach((one, drum) => one.setAttribute("aria-pressed", state.held.has(drum)));
    };
    return {box, draw};
  };

  D.studioAsking = studio => {
    const {state, models, jam} = studio;
    const option = (value, text) => element("option", {value}, text);
    const decode = element("select", {"aria-label": "decoding rule",
      onchange: () => temperature.disabled = decode.value === "argmax"},
    option("sample", "drawn at random"), option("argmax", "the likeliest"));
    const temperature = number(1, {min: .05, max: 10}, "temperature");
    const seed = number(0, {min: 0, max: 2 ** 31 - 1, step: 1}, "seed");
    const keep = number(state.primer, {min: 0, max: state.steps, step: 1}, "steps kept", steps => {
      state.setPrimer(Math.round(steps));
      studio.commit();
    });
    const actions = [
      button("New", "A new beat after one random first step", () => models.renew()),
      button("Let the network go on",
        "Keep the first steps up to the marker and let the model play on",
        () => models.proceed()),
      button("Vary", "On some steps after the marker the model plays something else",
        () => models.vary()),
      button("A/B", "Both models play on from the same first steps; then switch between them",
        () => models.compare()),
    ];
    const styles = styleMenu(studio), held = heldDrums(studio);
    const jamming = button("Jam", "While the loop runs the model makes the next one, which goes on"
      + " from what you hear (key J); what is kept stays", () => jam.toggle());
    const box = strip(field("each step", decode), field("temperature", temperature), styles.box,
      field("seed", seed), field("keep first", keep), held.box);
    const press = strip(...actions, jamming);
    press.classList.add("dqs-actions");
    return {
      box, press,
      draw: () => {
        Object.assign(keep, {max: state.steps, value: state.primer});
        jamming.setAttribute("aria-pressed", jam.on);
        styles.draw();
        held.draw();
      },
      busy: busy => actions.forEach(one => one.disabled = busy),
      next: () => seed.value = Number(seed.value) + 1,
      settings: () => ({decode: decode.value, temperature: Number(temperature.value),
        seed: Number(seed.value), steps: state.steps}),
    };
  };
}
