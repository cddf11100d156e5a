// Which beats a person likes. A vote is for what the models hear, one drum a step, of two bars.
//   D.studioVotes(studio, {ballot, votes, enough, voted})
//       -> {box, draw, press(liked), unsaved, votes (can be set)}
//   ballot    beats that are judged one after the other; none: whatever is in the grid
//   votes     [{classes, liked}], those given already
//   enough    how many are asked for
//   voted     called with all votes, after each
{
  const {BAR, element, pattern} = D;
  const LENGTH = 2 * BAR;

  class Votes { // by what was heard, in the order of the answers
    #given = new Map();

    constructor(rows) { this.rows = rows; }

    get size() { return this.#given.size; }

    get rows() {
      return [...this.#given].map(([heard, liked]) =>
        ({classes: heard.split(",").map(Number), liked}));
    }

    set rows(rows) {
      this.#given = new Map(rows.map(({classes, liked}) => [classes.join(), liked]));
    }

    of(classes) { return this.#given.get(classes.join()); } // none yet: undefined

    toggle(classes, liked) { // the same answer again takes it back: false
      const heard = classes.join(), isNew = this.#given.get(heard) !== liked;
      this.#given.delete(heard);
      if (isNew) this.#given.set(heard, liked);
      return isNew;
    }
  }

  const thumb = (name, text, title, onclick) => {
    const made = element("button", {type: "button", title, onclick}, text);
    made.insertAdjacentHTML("afterbegin", D.icon(name));
    return made;
  };

  const controls = (press, save) => {
    const more = "press again to take it back";
    const no = thumb("dislike", "Dislike", `I do not like this beat (key K); ${more}`,
      () => press(false));
    const yes = thumb("like", "Like", `I like this beat (key L); ${more}`, () => press(true));
    const count = element("span", {role: "status"});
    const keep = element("button", {type: "button", onclick: save,
      title: "Download the votes as a file: Python makes a reward of it"}, "Save votes");
    const box = element("div", {className: "dqs-strip dqs-votes", role: "group",
      "aria-label": "votes"}, no, yes, count, keep);
    return {box, count, keep, thumbs: [[false, no], [true, yes]]};
  };

  const textOf = votes => new TextEncoder().encode(JSON.stringify({votes: votes.rows}));

  D.studioVotes = (studio, {ballot = [], votes: before = [], enough, voted = () => {}}) => {
    const {state, models, transport} = studio, votes = new Votes(before);
    const hearsOf = ({steps, notes}) => pattern.classesOf(pattern.fromNotes(steps, notes));
    const here = () => pattern.classesOf(state.slot.pattern);
    let unsaved = false;

    const proceed = () => { // to the next beat of the ballot that has no vote
      const next = ballot.find(beat => votes.of(hearsOf(beat)) === undefined);
      if (!next) return;
      const {playing} = transport;
      transport.stop();
      state.load(next);
      studio.commit();
      if (playing) studio.playing.toggle(); // a new beat is heard from its beginning
    };

    const press = liked => {
      if (models.busy || state.steps !== LENGTH) return;
      const isNew = votes.toggle(here(), liked);
      unsaved = true;
      voted(votes.rows);
      draw();
      if (isNew) proceed();
    };

    const {box, count, keep, thumbs} = controls(press, () => {
      D.download(textOf(votes), "votes.json", "application/json");
      unsaved = false;
    });

    const draw = () => {
      const fits = state.steps === LENGTH, liked = votes.of(here());
      for (const [says, one] of thumbs) {
        one.disabled = !fits;
        one.setAttribute("aria-pressed", fits && liked === says);
      }
      keep.disabled = !votes.size;
      count.textContent = fits ? `${votes.size} of ${enough} votes` : "Votes are for two bars.";
    };

    return {
      box, draw, press,
      get unsaved() { return unsaved; },
      get votes() { return votes.rows; },
      set votes(rows) {
        votes.rows = rows;
        draw();
      },
    };
  };
}
