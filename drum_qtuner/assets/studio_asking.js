// How the models play, and the buttons that ask them to.
{
  const {element} = D, {LIMITS} = D.StudioState, {button, field, group, number, strip} = D.controls;

  const styleMenu = studio => { // where the model in the grid has any
    const {state} = studio, option = (value, text) => element("option", {value}, text);
    const menu = element("select", {"aria-label": "style", onchange: () => {
      state.settings.style = menu.value || null;
      studio.commit();
    }});
    const box = field("style", menu);
    let shown = "";
    const draw = () => {
      const styles = studio.cardOf(state.slot.model)?.styles ?? [];
      box.hidden = !styles.length;
      if (!styles.includes(state.settings.style)) state.settings.style = null;
      if (shown !== styles.join())
        menu.replaceChildren(option("", "any"), ...styles.map(name => option(name, name)));
      shown = styles.join();
      menu.value = state.settings.style ?? "";
    };
    return {box, draw};
  };

  const heldDrums = studio => { // where the model in the grid hears all of them
    const {state} = studio;
    const buttons = D.names.map(([short, name], drum) => button(short,
      `Keep every ${name}: the model plays around it`, () => {
        state.toggle("held", drum);
        studio.commit();
      }, {"aria-label": `${short}: keep every ${name}`}));
    const box = element("div", {className: "dqs-drums", role: "group", "aria-label": "drums kept"},
      element("span", {}, "and keep"), group(...buttons));
    const draw = () => {
      box.hidden = studio.codecOf(state.slot.model).loudestOnly;
      buttons.forEach((one, drum) => one.setAttribute("aria-pressed", state.held.has(drum)));
    };
    return {box, draw};
  };

  const actionsOf = models => [
    button("New", "A new beat after one random first step", () => models.renew()),
    button("Let the network go on",
      "Keep the first steps up to the edge and let the model play on",
      () => models.proceed()),
    button("Vary", "On some steps after the edge the model plays something else",
      () => models.vary()),
    button("A/B", "Both models play on from the same first steps; then switch between them",
      () => models.compare()),
    button("Four", "The model goes on in four ways from the same first steps, one in each slot"
      + " (key F)", () => models.four()),
  ];

  D.studioAsking = studio => {
    const {state, models, jam} = studio;
    const option = (value, text) => element("option", {value}, text);
    const set = (name, value) => {
      state.settings[name] = value;
      studio.commit();
    };
    const limited = (name, more) => {
      const [min, max] = LIMITS[name];
      return number(state.settings[name], {min, max, ...more}, name, value => set(name, value));
    };
    const decode = element("select", {"aria-label": "decoding rule",
      onchange: () => set("decode", decode.value)},
    option("sample", "drawn at random"), option("argmax", "the likeliest"));
    const temperature = limited("temperature"), seed = limited("seed", {step: 1});
    const keep = number(state.primer, {min: 0, max: state.steps, step: 1}, "steps kept", steps => {
      state.setPrimer(Math.round(steps));
      studio.commit();
    });
    const actions = actionsOf(models);
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
        const {settings} = state;
        keep.max = state.steps;
        keep.show(state.primer);
        temperature.show(settings.temperature);
        seed.show(settings.seed);
        decode.value = settings.decode;
        temperature.disabled = settings.decode === "argmax";
        jamming.setAttribute("aria-pressed", jam.on);
        styles.draw();
        held.draw();
      },
      busy: busy => actions.forEach(one => one.disabled = busy),
      next: () => seed.show(++state.settings.seed),
      settings: () => { // the style is not among them: it is a condition, like the tempo
        const now = {...state.settings, steps: state.steps};
        delete now.style;
        return now;
      },
    };
  };
}
