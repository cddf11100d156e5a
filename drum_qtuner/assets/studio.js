// The studio: a step sequencer in which a model listens along. Needs sound.js and player.js; talks to a backend:
//   backend.models: [{name, kind}]                           kind "NoteCNN", "QNetwork" or another
//   backend.scores(model, classes) -> Promise of rows         ten scores after each 0, 1, ... steps
//   backend.generate(model, {decode, temperature, primer, steps, seed}) -> Promise of a class sequence
// A beat is {title, steps, bpm, notes: [[step, drum, velocity, offset in 1/960 step], ...]}.
//   D.studio(root, {backend, beat, model, changed}) -> {beat, model (both can be set), stop()}
//   D.studioPage(root)     the backend computes in the page (network.js); the data are in a <script> inside root
//   D.studioWidget         the backend is the kernel: {render({model, el})} for anywidget
(() => {
  const D = globalThis.drumQtuner ??= {};
  if (D.studio) return;
  const BAR = 16, DRUMS = 9, REST = 9, NORMAL = 100, TRIPLET = 320; // 1/960 steps by which full swing delays
  const LEVELS = [["soft", 40], ["normal", NORMAL], ["hard", 127]];
  const levelOf = velocity => velocity < 50 ? 0 : velocity < 105 ? 1 : 2;

  // --- small tools

  const element = (tag, properties = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name in made && name !== "list") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  const percent = p => p >= .995 ? "100 %" : p >= .0095 ? `${Math.round(100 * p)} %` : "< 1 %";
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

  // --- a pattern: what the grid holds

  const empty = steps => ({velocity: new Uint8Array(steps * DRUMS), offset: new Int16Array(steps * DRUMS)});
  const fromNotes = (steps, notes) => {
    const pattern = empty(steps);
    for (const [step, drum, velocity, offset] of notes) if (step < steps) {
      pattern.velocity[step * DRUMS + drum] = velocity;
      pattern.offset[step * DRUMS + drum] = offset;
    }
    return pattern;
  };
  const toNotes = ({velocity, offset}) => [...velocity].flatMap((v, i) => v ? [[Math.floor(i / DRUMS), i % DRUMS, v, offset[i]]] : []);
  const loudest = ({velocity}, step) => { // as Beat.classes(): of equally loud drums the first
    let best = REST, most = 0;
    for (let d = 0; d < DRUMS; d++) if (velocity[step * DRUMS + d] > most) most = velocity[step * DRUMS + (best = d)];
    return best;
  };
  const classesOf = pattern => Array.from({length: pattern.velocity.length / DRUMS}, (_, step) => loudest(pattern, step));
  const strokes = (pattern, step) => pattern.velocity.subarray(step * DRUMS, (step + 1) * DRUMS).filter(v => v).length;
  const isPoly = pattern => classesOf(pattern).some((_, step) => strokes(pattern, step) > 1);

  D.studio = (root, {backend, beat, model = backend.models[0].name, changed = () => {}}) => {
    const names = [...D.names.map(([, name]) => name), "rest"], modelNames = backend.models.map(({name}) => name);
    const kindOf = name => backend.models.find(m => m.name === name).kind;
    const start = fromNotes(beat.steps, beat.notes);
    // What undo goes back to. Two slots share tempo and length; the grid shows the active one.
    const state = {
      steps: beat.steps, bpm: beat.bpm, swing: 0, primer: Math.min(8, beat.steps), active: "A",
      slots: {
        A: {model, title: beat.title || "beat", pattern: start},
        B: {model: modelNames.find(name => name === "dqn-0.1" && name !== model) ?? modelNames.find(name => name !== model) ?? model,
          title: beat.title || "beat", pattern: fromNotes(beat.steps, beat.notes)},
      },
    };
    let poly = isPoly(start), level = 1, heat = null, focused = [0, 0], busy = false;
    const slot = () => state.slots[state.active];

    // --- the page: one block for each strip

    const button = (text, title, onclick, more = {}) => element("button", {type: "button", title, onclick, ...more}, text);
    const field = (text, input) => element("label", {}, element("span", {}, text), input);
    const choice = (legend, options, picked, onpick) => {
      const buttons = options.map(([text, value, title]) => button(text, title, () => onpick(value)));
      const group = element("div", {className: "dqs-choice", role: "group", "aria-label": legend}, ...buttons);
      group.show = value => buttons.forEach((b, i) => b.setAttribute("aria-pressed", options[i][1] === value));
      group.show(picked);
      return group;
    };
    const number = (value, min, max, step, label, onchange) => element("input", {
      type: "number", min, max, step, value, "aria-label": label,
      onchange: e => {
        e.target.value = e.target.value === "" || !Number.isFinite(+e.target.value) ? value : clamp(+e.target.value, min, max);
        onchange(value = +e.target.value);
      }});

    const play = button("", "Play or stop (key P)", () => { player.playing ? player.stop() : player.start(); show(); }, {className: "dqs-play"});
    const tempo = number(state.bpm, 10, 1000, "any", "tempo in beats a minute", bpm => { state.bpm = bpm; commit(); });
    const swing = element("input", {type: "range", min: 0, max: 100, step: 5, value: 0, "aria-label": "swing",
      title: "How much later every second sixteenth comes: 100 % is triplets", oninput: () => setSwing(+swing.value), onchange: () => commit()});
    const bars = element("select", {"aria-label": "bars", onchange: () => { resize(+bars.value * BAR); commit(); }});
    const loop = element("input", {type: "checkbox", checked: true, onchange: () => { player.loop = loop.checked; }});
    const click = element("input", {type: "checkbox", onchange: () => { player.metronome = click.checked; }});
    const volume = element("input", {type: "range", min: 0, max: 1, step: .05, value: .8, "aria-label": "volume", oninput: () => { player.volume = +volume.value; }});
    const undo = button("↶", "Undo (Ctrl+Z)", () => travel(-1), {"aria-label": "undo"});
    const redo = button("↷", "Redo (Ctrl+Shift+Z)", () => travel(1), {"aria-label": "redo"});
    const clear = button("Clear", "Empty the grid", () => { slot().pattern = empty(state.steps); slot().title = "beat"; commit(); });
    const midi = button("MIDI", "Download as a MIDI file", () => D.download(D.midi(current()), `${fileName()}.mid`, "audio/midi"));
    const wav = button("WAV", "Download as a WAV file", () => D.download(D.wav(D.render(current())), `${fileName()}.wav`, "audio/wav"));
    const voices = choice("sounds in a step", [["mono", false, "One sound in a step, as the models hear it"], ["poly", true, "Any number of sounds in a step"]], poly, setPoly);
    const strength = choice("strength of new strokes", LEVELS.map(([text], i) => [text, i, `New strokes are ${text}; shift-click changes a stroke that is there`]), level,
      value => strength.show(level = value));

    const grid = element("div", {className: "dqs-grid"});
    const readout = element("p", {className: "dqs-readout"});
    const legend = element("p", {className: "dqs-legend"});
    const alert = element("p", {className: "dqs-alert", role: "alert", hidden: true});

    const cards = Object.fromEntries(["A", "B"].map(key => {
      const pick = element("select", {"aria-label": `model ${key}`, onchange: () => { state.slots[key].model = pick.value; state.active = key; commit(); }},
        ...modelNames.map(name => element("option", {value: name}, name)));
      const show = button(key, `Show and hear ${key} (key ${key})`, () => activate(key), {className: "dqs-key"});
      const picture = element("div", {className: "dqs-picture", onclick: () => activate(key)});
      return [key, {pick, show, picture, card: element("div", {className: "dqs-card"}, element("div", {}, show, pick), picture)}];
    }));
    const decode = element("select", {"aria-label": "decoding rule", onchange: () => { temperature.disabled = decode.value === "argmax"; }},
      element("option", {value: "sample"}, "drawn at random"), element("option", {value: "argmax"}, "the likeliest"));
    const temperature = number(1, .05, 10, "any", "temperature", () => {});
    const seed = number(0, 0, 2 ** 31 - 1, 1, "seed", () => {});
    const keep = number(state.primer, 0, state.steps, 1, "steps kept", steps => setPrimer(Math.round(steps), true));
    const actions = [
      button("New", "A new beat after one random first step", () => make("new", null)),
      button("Continue", "Keep the first steps up to the marker and let the model play on", () => make("continued", state.primer)),
      button("Vary", "On some steps after the marker the model plays something else", vary),
      button("A/B", "Both models play on from the same first steps; then switch between them", compare),
    ];

    root.classList.add("dqs-studio");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "drum studio");
    root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: keys belong to the studio
    root.replaceChildren(
      element("div", {className: "dqs-strip"}, play, field("bpm", tempo), field("swing", swing), field("volume", volume),
        element("label", {}, loop, element("span", {}, "loop")), element("label", {}, click, element("span", {}, "click"))),
      element("div", {className: "dqs-strip"}, voices, strength, field("bars", bars), element("div", {className: "dqs-choice"}, undo, redo), clear,
        element("div", {className: "dqs-choice"}, midi, wav)),
      grid, readout, legend,
      element("div", {className: "dqs-strip dqs-cards"}, cards.A.card, cards.B.card),
      element("div", {className: "dqs-strip"}, field("each step", decode), field("temperature", temperature), field("seed", seed), field("keep first", keep)),
      element("div", {className: "dqs-strip dqs-actions"}, ...actions), alert);

    // --- the grid

    let cells = [], ruler = [], surprise = [], kept = [], heads = [];
    const build = () => {
      cells = Array.from({length: REST + 1}, () => []);
      [ruler, surprise, kept, heads] = [[], [], [], []];
      const rows = [8, 7, 6, 5, 4, 3, 2, 1, 0, REST]; // cymbals above, bass drum below, then the rest
      grid.replaceChildren(...Array.from({length: state.steps / BAR}, (_, bar) => {
        const steps = Array.from({length: BAR}, (_, i) => bar * BAR + i);
        const cell = (step, row) => {
          const made = element("div", {role: "gridcell", tabIndex: -1, className: `dqs-cell${step % 4 ? "" : " dqs-beat"}`});
          Object.assign(made.dataset, {step, row});
          if (row < REST) made.style.setProperty("--c", D.color[row]);
          return cells[row][step] = made;
        };
        const label = row => row === REST
          ? element("span", {role: "rowheader", className: "dqs-name", title: "rest"}, "rest")
          : element("span", {role: "rowheader", className: "dqs-name", title: names[row]},
            element("button", {type: "button", tabIndex: -1, "aria-label": `hear ${names[row]}`, onclick: () => hear(row, LEVELS[level][1])}, D.names[row][0]));
        kept[bar] = element("div", {className: "dqs-kept"});
        heads[bar] = element("div", {className: "dqs-now", hidden: true});
        return element("div", {className: "dqs-bar", role: "grid", "aria-label": `bar ${bar + 1}`},
          element("div", {className: "dqs-row", "aria-hidden": true}, element("span", {className: "dqs-name", title: "Steps before the marker are kept: drag it"}, "keep"),
            ...steps.map(step => {
              const made = element("div", {className: "dqs-number"}, step % 4 ? "·" : `${step + 1}`);
              Object.assign(made.dataset, {step, row: "ruler"});
              return ruler[step] = made;
            })),
          ...rows.map(row => element("div", {className: `dqs-row${row === REST ? " dqs-rest" : ""}`, role: "row"}, label(row), ...steps.map(step => cell(step, row)))),
          element("div", {className: "dqs-row", "aria-hidden": true}, element("span", {className: "dqs-name", title: "How surprised the model is at what is there: -log p(a|s)"}, "−log p"),
            ...steps.map(step => surprise[step] = element("div", {className: "dqs-surprise"}, element("i")))),
          kept[bar], heads[bar]);
      }));
      [...bars.options].forEach(option => option.remove());
      for (const n of new Set([1, 2, 3, 4, state.steps / BAR])) bars.append(element("option", {value: n}, n));
      bars.value = state.steps / BAR;
      keep.max = state.steps;
      focused = [clamp(focused[0], 0, state.steps - 1), focused[1]];
      cells[focused[1]][focused[0]].tabIndex = 0;
    };

    const describe = (step, row) => {
      const velocity = slot().pattern.velocity[step * DRUMS + row];
      return row === REST ? `rest, step ${step + 1}` : `${names[row]}, step ${step + 1}, ${velocity ? LEVELS[levelOf(velocity)][0] : "off"}`;
    };

    const drawNotes = () => {
      const {pattern} = slot();
      for (let step = 0; step < state.steps; step++) {
        const silent = loudest(pattern, step) === REST;
        for (let row = 0; row <= REST; row++) {
          const cell = cells[row][step], v = row < REST ? pattern.velocity[step * DRUMS + row] : silent, o = row < REST ? pattern.offset[step * DRUMS + row] : 0;
          const key = `${v} ${o}`;
          if (cell.drawn === key) continue;
          cell.drawn = key;
          cell.classList.toggle("dqs-on", !!v);
          cell.style.setProperty("--v", v / 127);
          cell.style.setProperty("--o", o / 960);
          cell.setAttribute("aria-selected", !!v);
          cell.setAttribute("aria-label", describe(step, row));
        }
      }
    };

    const drawFrame = () => {
      kept.forEach((shade, bar) => {
        const n = clamp(state.primer - bar * BAR, 0, BAR);
        shade.hidden = !n;
        shade.style.gridColumn = `2 / span ${n || 1}`;
        shade.classList.toggle("dqs-marker", n > 0 && state.primer <= (bar + 1) * BAR);
      });
      ruler.forEach((cell, step) => cell.classList.toggle("dqs-held", step < state.primer));
      [tempo.value, swing.value, keep.value] = [+state.bpm.toFixed(3), state.swing, state.primer];
      voices.show(poly);
      for (const [key, {card, pick, show, picture}] of Object.entries(cards)) {
        const {model, pattern, title} = state.slots[key], active = key === state.active;
        pick.value = model;
        card.classList.toggle("dqs-active", active);
        show.setAttribute("aria-pressed", active);
        picture.title = title;
        picture.innerHTML = `<svg viewBox="0 0 ${state.steps * 4} ${DRUMS * 4}" preserveAspectRatio="none" aria-hidden="true">${
          toNotes(pattern).map(([step, drum, v, o]) => `<rect x="${4 * step + 4 * o / 960}" y="${4 * (DRUMS - 1 - drum)}" width="3.4" height="3.4" fill="${D.color[drum]}" opacity="${.4 + .6 * v / 127}"/>`).join("")}</svg>`;
      }
      undo.disabled = at === 0;
      redo.disabled = at === history.length - 1;
      const name = slot().model, kind = kindOf(name);
      legend.textContent = `Grey: what ${name} expects at each step from the steps before it, ${
        kind === "NoteCNN" ? "p(a|s)" : kind === "QNetwork" ? "as softmax of its values Q(s, a), which are not probabilities" : "as softmax of its scores"}.${
        isPoly(slot().pattern) ? " Where several sounds meet it hears only the loudest." : ""}`;
    };

    const drawHeat = () => {
      const played = classesOf(slot().pattern), rows = heat.rows;
      let sum = 0;
      for (let step = 0; step < state.steps; step++) {
        const p = D.network.softmax(rows[step]);
        for (let row = 0; row <= REST; row++) cells[row][step].style.setProperty("--p", Math.sqrt(p[row]).toFixed(3));
        const nats = -Math.log(Math.max(p[played[step]], 1e-30));
        surprise[step].style.setProperty("--h", Math.min(nats / 8, 1).toFixed(3));
        surprise[step].title = `−log p = ${nats.toFixed(2)} nats`;
        if (step) sum += nats;
      }
      heat.mean = sum / (state.steps - 1);
      tell(focused[0]);
    };

    // What the model expects at a step, in words.
    const tell = step => {
      if (!heat || heat.rows.length <= step) return;
      const row = heat.rows[step], p = D.network.softmax(row), value = kindOf(heat.model) === "QNetwork";
      const best = p.map((_, a) => a).sort((a, b) => p[b] - p[a]).slice(0, 3);
      const expected = best.map(a => `${names[a]} ${percent(p[a])}${value ? ` (Q ${row[a].toFixed(2).replace("-", "−")})` : ""}`).join(", ");
      readout.textContent = `Step ${step + 1}: ${heat.model} expects ${expected}. Surprise after the first step: ${heat.mean.toFixed(2)} nats a step.`;
    };

    // Ask the backend; while one answer is on its way the newest question waits.
    let asking = false, again = false, stopped = false;
    const refresh = async () => {
      if (asking) { again = true; return; }
      asking = true;
      grid.setAttribute("aria-busy", true);
      try {
        do {
          again = false;
          const {model, pattern} = slot(), steps = state.steps, rows = await backend.scores(model, classesOf(pattern));
          if (stopped) return;
          if (!again && steps === state.steps) { heat = {model, rows}; drawHeat(); grid.dataset.heat = model; }
        } while (again);
        alert.hidden = true;
      } catch (error) { complain(error); }
      asking = false;
      grid.removeAttribute("aria-busy");
    };
    const complain = error => { alert.textContent = error.message || String(error); alert.hidden = false; };

    // --- sound

    const current = () => ({title: slot().title, steps: state.steps, bpm: state.bpm, notes: toNotes(slot().pattern)});
    const fileName = () => `beat-${state.active}-${slot().model}`;
    let lit = -1;
    const light = step => {
      if (lit >= 0 && heads[Math.floor(lit / BAR)]) heads[Math.floor(lit / BAR)].hidden = true;
      lit = step;
      const head = heads[Math.floor(step / BAR)];
      if (!head) return;
      head.hidden = false;
      head.style.gridColumn = `${step % BAR + 2} / span 1`;
    };
    const player = new D.Transport({beat: current(), loop: true, volume: +volume.value,
      onstep: step => root.isConnected ? light(step) : player.stop(), onstop: () => show()});
    const show = () => {
      if (!player.playing) light(-1);
      play.innerHTML = D.icon(player.playing ? "stop" : "play");
      play.setAttribute("aria-label", player.playing ? "Stop" : "Play");
      root.classList.toggle("dqs-playing", player.playing);
    };
    const hear = (drum, velocity) => { // one stroke, while the loop is silent
      if (player.playing) return;
      const context = D.audio(), source = context.createBufferSource(), gain = context.createGain(), {input, output} = D.sounds.saturator(context);
      source.buffer = D.sounds.buffer(context, drum, velocity);
      gain.gain.value = volume.value ** 2;
      source.connect(input);
      output.connect(gain).connect(D.master);
      source.onended = () => gain.disconnect();
      source.start();
    };

    let given = "";
    const hand = () => { // the transport plans anew only where something has changed
      const beat = current(), now = JSON.stringify(beat);
      if (given !== now) [given, player.beat] = [now, beat];
    };

    // --- history

    const snapshot = () => JSON.stringify({...state, slots: Object.fromEntries(Object.entries(state.slots)
      .map(([key, {model, title, pattern}]) => [key, {model, title, notes: toNotes(pattern)}]))});
    const history = [snapshot()];
    let at = 0;
    const draw = () => { // everything follows from the state
      if (ruler.length !== state.steps) build();
      drawNotes();
      drawFrame();
      hand();
      refresh();
    };
    const commit = ({report = true} = {}) => {
      const now = snapshot();
      if (now !== history[at]) {
        history.splice(at + 1, Infinity, now);
        if (history.length > 500) history.shift();
        at = history.length - 1;
      }
      draw();
      if (report) changed({beat: current(), model: slot().model});
    };
    const restore = () => {
      const {slots, ...rest} = JSON.parse(history[at]);
      Object.assign(state, rest);
      for (const [key, {model, title, notes}] of Object.entries(slots)) state.slots[key] = {model, title, pattern: fromNotes(state.steps, notes)};
      if (isPoly(slot().pattern)) poly = true;
      draw();
    };
    const travel = by => {
      if (busy || !history[at + by]) return;
      at += by;
      restore();
      changed({beat: current(), model: slot().model});
    };

    // --- edits

    const offsetOf = step => step % 2 ? Math.round(state.swing / 100 * TRIPLET) : 0;
    const put = (step, drum, velocity) => {
      const {pattern} = slot(), i = step * DRUMS + drum;
      if (velocity && !poly) clearStep(step, drum);
      if (velocity && !pattern.velocity[i]) pattern.offset[i] = offsetOf(step);
      if (!velocity) pattern.offset[i] = 0;
      pattern.velocity[i] = velocity;
    };
    const clearStep = (step, except) => { for (let d = 0; d < DRUMS; d++) if (d !== except) put(step, d, 0); };
    const putClass = (pattern, step, a) => {
      if (loudest(pattern, step) === a) return;
      pattern.velocity.fill(0, step * DRUMS, (step + 1) * DRUMS);
      pattern.offset.fill(0, step * DRUMS, (step + 1) * DRUMS);
      if (a === REST) return;
      pattern.velocity[step * DRUMS + a] = NORMAL;
      pattern.offset[step * DRUMS + a] = offsetOf(step);
    };
    function setSwing(amount) {
      state.swing = amount;
      for (const {pattern} of Object.values(state.slots)) pattern.velocity.forEach((v, i) => {
        const step = Math.floor(i / DRUMS);
        if (v && step % 2) pattern.offset[i] = offsetOf(step);
      });
      draw();
    }
    function setPoly(value) {
      poly = value;
      if (!poly) classesOf(slot().pattern).forEach((a, step) => clearStep(step, a));
      commit();
    }
    function setPrimer(steps, done) {
      state.primer = clamp(steps, 0, state.steps);
      done ? commit() : drawFrame();
    }
    const resize = steps => {
      state.steps = steps;
      state.primer = Math.min(state.primer, steps);
      for (const one of Object.values(state.slots)) one.pattern = fromNotes(steps, toNotes(one.pattern));
    };
    const activate = key => {
      if (busy) return;
      state.active = key;
      poly = poly || isPoly(slot().pattern);
      commit();
    };

    // --- pointer: what the first cell was decides whether a drag paints or erases

    let drag = null;
    const placeOf = target => {
      const hit = target?.closest?.("[data-step]");
      return hit && grid.contains(hit) ? [+hit.dataset.step, hit.dataset.row === "ruler" ? "ruler" : +hit.dataset.row] : null;
    };
    const apply = (step, row) => {
      if (drag.tool === "primer") return setPrimer(step + 1);
      if (row === "ruler") return;
      const was = slot().pattern.velocity[step * DRUMS + row];
      if (drag.tool === "rest" || row === REST) clearStep(step);
      else put(step, row, drag.tool);
      if (row < REST && drag.tool > 0 && was !== drag.tool) hear(row, drag.tool);
    };
    grid.addEventListener("pointerdown", event => {
      const place = placeOf(event.target);
      if (!place || event.button || busy) return;
      const [step, row] = place, velocity = slot().pattern.velocity[step * DRUMS + row];
      event.preventDefault();
      drag = {id: event.pointerId, last: place,
        tool: row === "ruler" ? "primer" : row === REST ? "rest"
          : event.shiftKey ? velocity ? LEVELS[(levelOf(velocity) + 1) % 3][1] : LEVELS[2][1]
          : velocity ? 0 : LEVELS[level][1]};
      if (drag.tool === "primer" && state.primer === step + 1) { drag = null; return setPrimer(step, true); } // the last kept step lets go
      if (row !== "ruler") focus(step, row);
      apply(step, row);
      if (drag.tool !== "primer") draw();
    });
    const follow = event => {
      if (drag?.id !== event.pointerId) return;
      const place = placeOf(root.getRootNode().elementFromPoint(event.clientX, event.clientY));
      if (!place || place.join() === drag.last.join()) return;
      const [[fromStep, fromRow], [step, row]] = [drag.last, place];
      const n = row === "ruler" || fromRow === "ruler" ? 1 : Math.max(Math.abs(step - fromStep), 1); // a fast pointer skips cells
      for (let i = 1; i <= n; i++) apply(Math.round(fromStep + (step - fromStep) * i / n), n === 1 ? row : Math.round(fromRow + (row - fromRow) * i / n));
      drag.last = place;
      if (drag.tool !== "primer") draw();
    };
    const release = event => {
      if (drag?.id !== event.pointerId) return;
      drag = null;
      event.type === "pointercancel" ? restore() : commit(); // a finger that scrolls has not painted
    };
    document.addEventListener("pointermove", follow);
    document.addEventListener("pointerup", release);
    document.addEventListener("pointercancel", release);
    grid.addEventListener("pointerover", event => { const place = placeOf(event.target); if (place && !drag) tell(place[0]); });
    grid.addEventListener("pointerleave", () => tell(focused[0]));

    // --- keys: one cell of the grid takes part in the tab order, arrows move it

    const focus = (step, row) => {
      cells[focused[1]][focused[0]].tabIndex = -1;
      focused = [step, row];
      const cell = cells[row][step];
      cell.tabIndex = 0;
      cell.focus({preventScroll: false});
    };
    grid.addEventListener("focusin", event => {
      const place = placeOf(event.target);
      if (!place) return;
      const [step, row] = place;
      tell(step);
      event.target.setAttribute("aria-label", heat?.rows[step]
        ? `${describe(step, row)}; expected ${percent(D.network.softmax(heat.rows[step])[row])}` : describe(step, row));
    });
    const order = [8, 7, 6, 5, 4, 3, 2, 1, 0, REST];
    const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const onCell = (event, step, row) => {
      const velocity = slot().pattern.velocity[step * DRUMS + row];
      if (moves[event.key]) {
        const [x, y] = moves[event.key];
        focus(clamp(step + x, 0, state.steps - 1), order[clamp(order.indexOf(row) + y, 0, REST)]);
      } else if (event.key === "Home" || event.key === "End") focus(event.key === "Home" ? 0 : state.steps - 1, row);
      else if ((event.key === " " || event.key === "Enter") && !busy) {
        if (row === REST) clearStep(step);
        else if (event.shiftKey) put(step, row, velocity ? LEVELS[(levelOf(velocity) + 1) % 3][1] : LEVELS[2][1]);
        else put(step, row, velocity ? 0 : LEVELS[level][1]);
        if (row < REST && slot().pattern.velocity[step * DRUMS + row]) hear(row, slot().pattern.velocity[step * DRUMS + row]);
        commit();
      } else return false;
      return true;
    };
    root.addEventListener("keydown", event => {
      event.stopPropagation();
      const command = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
      const place = placeOf(event.target), typing = event.target.matches("input, select");
      let used = true;
      if (command && key === "z" && !event.target.matches("input[type=number]")) travel(event.shiftKey ? 1 : -1);
      else if (command && key === "y") travel(1);
      else if (command || event.altKey) used = false;
      else if (place && onCell(event, ...place)) used = true;
      else if (typing) used = false;
      else if (key === "p") play.click();
      else if (key === "a" || key === "b") activate(key.toUpperCase());
      else used = false;
      if (used) event.preventDefault();
    });

    // --- the models play

    const work = async job => {
      if (busy) return;
      busy = true;
      root.setAttribute("aria-busy", true);
      actions.forEach(b => b.disabled = true);
      try {
        await job();
        alert.hidden = true;
        seed.value = +seed.value + 1; // the next press plays something else
      } catch (error) { complain(error); }
      busy = false;
      root.removeAttribute("aria-busy");
      actions.forEach(b => b.disabled = false);
      if (!stopped) commit();
    };
    const settings = () => ({decode: decode.value, temperature: +temperature.value, seed: +seed.value, steps: state.steps});
    // The pattern in which `model` plays on from the first steps of `pattern` (all of their sounds are kept).
    const playOn = async (model, pattern, kept) => {
      const primer = kept === null ? null : classesOf(pattern).slice(0, kept);
      const sequence = await backend.generate(model, {...settings(), primer});
      const next = empty(state.steps), n = kept ?? 0;
      next.velocity.set(pattern.velocity.subarray(0, n * DRUMS));
      next.offset.set(pattern.offset.subarray(0, n * DRUMS));
      sequence.forEach((a, step) => { if (step >= n) putClass(next, step, a); });
      return next;
    };
    function make(how, kept) {
      return work(async () => {
        const one = slot(), title = `${one.model}, ${how}, seed ${seed.value}`;
        one.pattern = await playOn(one.model, one.pattern, kept);
        one.title = title;
      });
    }
    function compare() {
      return work(async () => {
        const {pattern} = slot(), made = {};
        for (const key of ["A", "B"]) made[key] = await playOn(state.slots[key].model, pattern, state.primer);
        for (const key of ["A", "B"]) Object.assign(state.slots[key], {pattern: made[key], title: `${state.slots[key].model}, continued, seed ${seed.value}`});
      });
    }
    function vary() {
      return work(async () => {
        const one = slot(), {decode, temperature, seed} = settings(), draw = D.network.random(seed);
        const later = Array.from({length: state.steps - state.primer}, (_, i) => state.primer + i);
        const picked = later.filter(() => draw() < 1 / 8), next = fromNotes(state.steps, toNotes(one.pattern));
        if (!picked.length && later.length) picked.push(later[Math.floor(draw() * later.length)]);
        for (const step of picked) {
          const classes = classesOf(next), rows = await backend.scores(one.model, classes.slice(0, step));
          rows[step][classes[step]] = -Infinity; // anything but what is there
          putClass(next, step, D.network.choose(rows[step], decode, temperature, draw));
        }
        one.pattern = next;
        one.title = `${one.model}, varied, seed ${seed}`;
      });
    }

    build();
    draw();
    show();
    return {
      get beat() { return current(); },
      set beat(beat) { // from outside: no report back
        if (beat.steps !== state.steps) resize(beat.steps);
        state.bpm = beat.bpm;
        Object.assign(slot(), {pattern: fromNotes(beat.steps, beat.notes), title: beat.title || "beat"});
        poly = poly || isPoly(slot().pattern);
        commit({report: false});
      },
      get model() { return slot().model; },
      set model(name) { slot().model = name; commit({report: false}); },
      stop() {
        stopped = true;
        player.stop();
        document.removeEventListener("pointermove", follow);
        document.removeEventListener("pointerup", release);
        document.removeEventListener("pointercancel", release);
      },
    };
  };

  D.studioPage = root => {
    const {beat, model, ...asset} = JSON.parse(root.querySelector("script").textContent);
    const models = D.network.load(asset);
    const backend = {
      models: asset.models,
      scores: async (name, classes) => D.network.all(models[name], classes),
      generate: async (name, options) => D.network.generate(models[name], options),
    };
    return root.studio = D.studio(root, {backend, beat, model});
  };

  D.studioWidget = {
    render({model, el}) {
      const view = Math.random().toString(36).slice(2), waiting = new Map();
      let asked = 0;
      const ask = question => new Promise((resolve, reject) => {
        const id = `${view} ${++asked}`;
        waiting.set(id, {resolve, reject});
        model.send({...question, id});
      });
      const answer = ({id, error, answer}) => {
        const {resolve, reject} = waiting.get(id) ?? {};
        waiting.delete(id);
        if (resolve) error ? reject(new Error(error)) : resolve(answer);
      };
      const backend = {
        models: model.get("_models"),
        scores: (name, classes) => ask({ask: "scores", model: name, classes}),
        generate: (name, options) => ask({ask: "generate", model: name, ...options}),
      };
      const root = element("div");
      el.append(root);
      const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
      const studio = D.studio(root, {backend, beat: model.get("beat"), model: model.get("model"),
        changed: ({beat, model: name}) => {
          model.set("beat", beat);
          model.set("model", name);
          model.save_changes();
        }});
      const beatSet = () => { if (!same({...studio.beat, title: ""}, {...model.get("beat"), title: ""})) studio.beat = model.get("beat"); };
      const modelSet = () => { if (studio.model !== model.get("model")) studio.model = model.get("model"); };
      model.on("msg:custom", answer);
      model.on("change:beat", beatSet);
      model.on("change:model", modelSet);
      return () => {
        studio.stop();
        model.off("msg:custom", answer);
        model.off("change:beat", beatSet);
        model.off("change:model", modelSet);
      };
    },
  };
})();
