// The cards of the four slots: who plays in it, and a picture of what.
{
  const {DRUMS, TICKS, element, pattern} = D, {button, strip} = D.controls;

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
      box.classList.toggle("dqs-waits", key === studio.next.waits);
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
}
