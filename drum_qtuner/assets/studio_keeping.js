// What a page keeps when it is loaded anew, and links that bring a beat along ("remix this").
//   D.studioKeeping(studio, {home, own}) -> {button, line, open(), save(), stop()}
//   own      the page is the studio's: it keeps what is there, and its address may bring a beat
//   home     address of a page with a studio, for links where this one is none
{
  const {element} = D;
  const BEAT = "#beat=";

  const storage = () => { // none where a page may keep nothing, in a frame for instance
    try {
      return localStorage;
    } catch {
      return null;
    }
  };

  const keeperOf = root => { // {read, write} of a text; each studio of a page has a place
    const number = [...document.querySelectorAll(".dqs-studio")].indexOf(root);
    const place = `drum_qtuner studio ${location.pathname} ${number}`;
    return {
      read: () => storage()?.getItem(place) ?? null,
      write: text => {
        try {
          storage()?.setItem(place, text);
        } catch {} // it is full: what is there stays on the page, and a link holds it too
      },
    };
  };

  const linkInAddress = () => location.hash.startsWith(BEAT) ? location.hash.slice(1) : "";

  const addressOf = ({own, home}) =>
    own && !/^(about|blob|data):$/.test(location.protocol) ? location.href.split("#")[0] : home;

  const copied = async text => { // false where a page may not, in a frame for instance
    if (document.featurePolicy?.allowsFeature("clipboard-write") === false) return false;
    return await navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false;
  };

  const remixing = linkNow => {
    const shown = element("input", {readOnly: true, "aria-label": "link to this beat",
      onfocus: () => shown.select()});
    const said = element("span", {"aria-live": "polite"});
    const line = element("div", {className: "dqs-strip dqs-link", hidden: true}, shown, said);
    const button = element("button", {type: "button", title: "A link that brings back all of this:"
      + " the beat, its tempo, the model, the settings and what is kept", onclick: async () => {
      shown.value = linkNow();
      line.hidden = false;
      shown.focus();
      said.textContent = `${await copied(shown.value) ? "Copied." : "Copy it from here."} `
        + "Whoever opens it has this beat.";
    }}, "Remix this");
    return {button, line};
  };

  const slotsOf = state => { // each as a link
    const {active} = state, slots = {};
    for (const key of Object.keys(state.slots)) {
      state.active = key;
      slots[key] = D.link.write(state);
    }
    state.active = active;
    return slots;
  };

  // What a link says, in one of the slots. -> null, or an Error that is worth a word
  const take = (studio, key, text) => {
    const {state} = studio, {steps, notes, model, ...rest} = D.link.read(text);
    if (steps !== state.steps) state.resize(steps);
    state.active = key;
    state.fill(key, {notes}, "beat");
    Object.assign(state, rest);
    const known = studio.cardOf(model);
    if (known) state.slot.model = model;
    state.activate(key);
    return known || model === null ? null
      : new Error(`This page has no model ${model}; ${state.slot.model} plays.`);
  };

  D.studioKeeping = (studio, {own = false, home = ""}) => {
    const {state} = studio, keeper = own ? keeperOf(studio.root) : null;
    const first = D.link.write(state); // as the page brings it
    let link = "", opening = false;

    const open = text => {
      let wrong = null;
      try {
        wrong = take(studio, state.active, text);
      } catch (error) {
        state.fill(state.active, {notes: []}, "beat");
        wrong = error;
      }
      link = text;
      opening = true;
      studio.commit();
      opening = false;
      studio.complain("link", wrong);
    };

    const stop = () => removeEventListener("hashchange", follow);

    const follow = () => {
      if (!studio.root.isConnected) stop();
      else if (linkInAddress()) open(linkInAddress());
    };

    const restore = kept => { // was it this page's?
      if (kept?.first !== first || linkInAddress() && linkInAddress() !== kept.link) return false;
      for (const [key, text] of Object.entries(kept.slots))
        if (key in state.slots) take(studio, key, text);
      if (kept.active in state.slots) state.activate(kept.active);
      link = kept.link;
      studio.commit({report: false});
      return true;
    };

    const save = () => {
      if (!opening) studio.complain("link", null);
      if (!keeper) return;
      keeper.write(JSON.stringify({first, link, active: state.active, slots: slotsOf(state)}));
    };

    const {button, line} = remixing(() => `${addressOf({own, home})}#${D.link.write(state)}`);
    if (own) addEventListener("hashchange", follow);
    return {
      button, line, save, stop,
      open: () => {
        if (!own) return;
        let kept = null;
        try {
          kept = JSON.parse(keeper.read());
          if (kept && restore(kept)) return;
        } catch {
          state.recall();
          studio.complain("link", new Error("What this page had kept is damaged; it begins anew."));
        }
        follow();
      },
    };
  };
}
