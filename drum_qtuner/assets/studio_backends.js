// Who computes for the studio: the page itself, or the kernel of a notebook (see studio.js).
//   D.studioPage(root)     the page computes (network.js); the data are in a <script> inside root
//   D.studioWidget         the kernel computes: {render({model, el})} for anywidget
{
  const {element, pattern} = D;
  const DRUMS = [...Array(D.DRUMS).keys()];
  const SLICE = 8; // milliseconds after which a long computation lets others have their turn

  const pause = () => new Promise(resolve => { // a timer would wait a second in a hidden page
    const {port1, port2} = new MessageChannel();
    port1.onmessage = () => resolve(port1.close());
    port2.postMessage(null);
  });

  // The value of a generator that stops often, without holding up the page.
  const inSlices = async played => {
    for (let since = performance.now(); ;) {
      const {done, value} = played.next();
      if (done) return value;
      if (performance.now() - since < SLICE) continue;
      await pause();
      since = performance.now();
    }
  };

  // A beat that a network plays: what is kept of the one that is given, and what it makes of the
  // rest.
  const play = async (codec, network, {given, keep, bpm, style, ...options}) => {
    const own = given && pattern.fromNotes(given.steps, given.notes);
    const kept = given ? pattern.keeper(keep) : () => false;
    const primer = own && codec.hear(own).map((token, step) =>
      DRUMS.every(drum => kept(step, drum)) ? token : null);
    const fits = own && codec.fitting(own, kept);
    const conditions = {style, bpm};
    const tokens = await inSlices(
      D.network.steps(network, {...options, primer, fits, conditions}));
    const stays = (given?.notes ?? []).filter(([step, drum]) => kept(step, drum));
    const steps = tokens.length, played = tokens.flatMap((token, step) =>
      codec.strokes(token).filter(drum => !kept(step, drum))
        .map(drum => [step, drum, pattern.NORMAL, 0]));
    const plain = [...stays, ...played], how = {...conditions, steps, seed: options.seed, kept};
    const notes = D.network.hasTouch(network)
      ? await inSlices(D.network.touch(network, plain, how)) : plain;
    return {title: "", steps, bpm, notes};
  };

  const computing = (cards, models, notes) => {
    const codecs = Object.fromEntries(cards.map(({name, hears}) => [name, D.codecs[hears]]));
    return {
      notes,
      models: cards,
      scores: (name, tokens, conditions) => Promise.resolve(
        codecs[name].view(D.network.all(models[name], tokens, conditions), tokens)),
      generate: (name, options) => play(codecs[name], models[name], options),
    };
  };

  D.studioPage = root => {
    const {beat, model, against, presets, drums, voting, home, ...asset} = D.readData(root);
    const {models, leftOut} = D.network.load(asset);
    const notes = Object.entries(leftOut).map(([name, why]) => `${name} is left out: ${why}.`);
    const known = asset.models.filter(({name}) => name in models);
    if (!known.length) return root.replaceChildren(...notes.map(text => element("p", {}, text)));
    const backend = computing(known, models, notes);
    addEventListener("beforeunload", event => {
      if (root.isConnected && root.studio.voting.unsaved) event.preventDefault();
    });
    const keeping = {home, own: !voting.ballot.length}; // a ballot begins anew
    const everywhere = Boolean(root.closest(".dqs-alone"));
    return root.studio = D.studio(root,
      {backend, beat, model, against, presets, drums, voting, keeping, everywhere});
  };

  D.studioWidget = {
    render({model, el}) {
      const {ask, close} = D.bridge(model);
      const {models, against, presets, drums, voting, home} = model.get("_page");
      const backend = {
        models,
        scores: (name, tokens, conditions) =>
          ask({ask: "scores", model: name, tokens, ...conditions}),
        generate: (name, options) => ask({ask: "generate", model: name, ...options}),
      };
      const root = element("div");
      el.append(root);
      const studio = D.studio(root, {backend, against, presets, drums, keeping: {home},
        beat: model.get("beat"), model: model.get("model"),
        changed: ({beat, model: name}) => {
          model.set("beat", beat);
          model.set("model", name);
          model.save_changes();
        },
        voting: {...voting, votes: model.get("votes"), voted: votes => {
          model.set("votes", votes);
          model.save_changes();
        }}});
      const plain = beat => JSON.stringify({...beat, title: ""});
      const heard = {
        "change:beat": () => {
          if (plain(studio.beat) !== plain(model.get("beat"))) studio.beat = model.get("beat");
        },
        "change:model": () => {
          if (studio.model !== model.get("model")) studio.model = model.get("model");
        },
        "change:votes": () => {
          const votes = model.get("votes");
          if (JSON.stringify(studio.votes) !== JSON.stringify(votes)) studio.votes = votes;
        },
      };
      for (const [name, listen] of Object.entries(heard)) model.on(name, listen);
      return () => {
        studio.stop();
        close();
        for (const [name, listen] of Object.entries(heard)) model.off(name, listen);
      };
    },
  };
}
