// The listening test: which of two beats do you prefer? It asks a backend two things, and does not
// know what the beats are:
//   start(nickname) -> {trials: [{first: beat, second: beat}], done, ties}
//       the first trial is for practice; `done` are answered
//   answer({trial, answer: "first" | "second" | "none", plays: [n, n], seconds})
//       -> how many are done; kept for good when this resolves
// and where the listener has to hand in a file (else it has none of these):
//   name(), text()    of that file
//   keeps()           will the answers still be there when the page is closed?
//   D.listen(root, backend) -> a function that silences the test
{
  const {SIDES, element} = D;
  const RULE = "A nickname has up to 24 letters a-z, digits, - and _, and begins with a letter or"
    + " digit.";

  D.nickname = text => { // as in Python: it becomes the name of a file
    const nickname = text.trim().toLowerCase();
    if (!/^[a-z0-9][a-z0-9_-]{0,23}$/.test(nickname)) throw new Error(RULE);
    return nickname;
  };

  const times = n => n === 1 ? "once" : n === 2 ? "twice" : `${n} times`;

  class Test {
    #root;
    #backend;
    #session; // {trials, done, ties, nickname}
    #beats; // the two of this trial
    #answer; // chosen, and not yet sent
    #last = 0; // which beat was listened to last
    #shownAt;
    #saving = false;

    constructor(root, backend) {
      [this.#root, this.#backend] = [root, backend];
      root.innerHTML = D.listeningHtml;
      root.classList.add("dql-test");
      root.dataset.lmSuppressShortcuts = "true"; // JupyterLab has plans of its own for A, B, 1, 2
      root.setAttribute("role", "region");
      root.setAttribute("aria-label", "Listening test");
      root.tabIndex = -1;
      this.#bind();
      this.#show("dql-intro");
    }

    silence() { this.#beats?.forEach(beat => beat.stop()); }

    // --- the parts of the page

    #find(selector) { return this.#root.querySelector(selector); }

    #all(selector) { return [...this.#root.querySelectorAll(selector)]; }

    get #form() { return this.#find("form"); }

    get #next() { return this.#find(".dql-next .dql-main"); }

    get #status() { return this.#find(".dql-status"); }

    #bind() {
      this.#form.onsubmit = event => this.#begin(event);
      this.#next.onclick = () => this.#send();
      this.#all(".dql-play").forEach((play, i) => play.onclick = () => this.#listen(i));
      for (const one of this.#all(".dql-choice"))
        one.onclick = () => this.#choose(one.dataset.answer);
      for (const one of this.#all(".dql-save")) one.onclick = () => this.#save();
      this.#find(".dql-again").onclick = () => {
        this.#form.elements.nickname.value = "";
        this.#show("dql-intro");
        this.#form.elements.nickname.focus();
      };
      const listen = i => () => this.#listen(i), choose = name => () => this.#choose(name);
      D.listeningKeys(this.#root, {
        "1": listen(0), a: listen(0), "2": listen(1), b: listen(1),
        " ": () => this.#listen(this.#last), Enter: () => this.#next.click(),
        ArrowLeft: choose("first"), ArrowRight: choose("second"), ArrowDown: choose("none"),
      }, () => !this.#find(".dql-trial").hidden);
    }

    #show(name) {
      for (const part of this.#root.children) part.hidden = !part.classList.contains(name);
    }

    #say(message, wrong = false) {
      this.#status.textContent = message;
      this.#status.classList.toggle("dql-wrong", wrong);
    }

    #tell(before, name, after) {
      this.#find(".dql-told").replaceChildren(before, element("b", {}, name), after);
    }

    // --- a trial

    #draw(message) {
      const missing = SIDES.flatMap((_, i) => this.#beats[i].plays ? [] : [i + 1]);
      this.#all(".dql-card").forEach((card, i) => this.#drawCard(card, i));
      for (const choice of this.#all(".dql-choice")) {
        choice.disabled = missing.length > 0 || this.#saving;
        choice.setAttribute("aria-pressed", choice.dataset.answer === this.#answer);
      }
      this.#next.disabled = !this.#answer || this.#saving;
      if (message) this.#say(message, true);
      else if (!this.#saving && !this.#status.classList.contains("dql-wrong"))
        this.#say(this.#advice(missing));
    }

    #advice(missing) {
      if (missing.length === 2) return "Listen to both to the end.";
      if (missing.length) return `Now listen to ${missing} to its end.`;
      return this.#answer ? "" : "Now choose.";
    }

    #drawCard(card, i) {
      const {plays, played, sounds} = this.#beats[i], play = card.querySelector(".dql-play");
      const label = sounds ? "stop" : plays ? "listen again" : "listen";
      if (play.dataset.shown !== label) { // leave the button alone while it is pressed
        const icon = D.icon(sounds ? "stop" : "play");
        play.innerHTML = `<b>${i + 1}</b><span>${icon}${label}</span><i></i>`;
        play.setAttribute("aria-label", `Beat ${i + 1}: ${label}`);
        play.dataset.shown = label;
      }
      play.style.setProperty("--played", played);
      card.querySelector(".dql-heard").textContent = plays ? `heard ${times(plays)}` : "";
      card.classList.toggle("dql-chosen", this.#answer === SIDES[i]);
    }

    #listen(i) {
      this.#last = i;
      if (this.#status.classList.contains("dql-wrong")) this.#say("");
      const beat = this.#beats[i];
      beat.sounds ? beat.stop() : beat.start();
    }

    #choose(name) {
      const heard = this.#beats.every(beat => beat.plays > 0);
      if (!heard || this.#saving || name === "none" && !this.#session.ties) return;
      this.#answer = name;
      this.#say("");
      this.#draw();
      this.#find(`.dql-choice[data-answer=${name}]`).focus();
    }

    #trial() {
      page.playing?.stop();
      const {trials, done} = this.#session;
      if (done >= trials.length) return this.#end();
      this.#show("dql-trial");
      [this.#answer, this.#last, this.#shownAt] = [null, 0, performance.now()];
      this.#beats = SIDES.map(side =>
        new D.Once(trials[done][side], message => this.#draw(message)));
      this.#head(trials.length, done);
      this.#say("");
      this.#draw();
      this.#find(".dql-trial h2").focus({preventScroll: true});
      setTimeout(() => this.#beats.forEach(beat => beat.prepare()), 30);
    }

    #head(length, done) {
      const {ties, nickname} = this.#session, backend = this.#backend;
      const count = done ? `Pair ${done} of ${length - 1}`
        : `Practice, not counted; ${length - 1} pairs follow`;
      this.#find(".dql-count").textContent = count;
      const title = `${count}. Which do you prefer?`; // it is read aloud when the pair appears
      this.#find(".dql-trial h2").setAttribute("aria-label", title);
      this.#find(".dql-who").textContent = nickname;
      this.#find(".dql-done").setAttribute("aria-valuemax", length);
      this.#find(".dql-done").setAttribute("aria-valuenow", done);
      this.#find(".dql-done i").style.width = `${100 * done / length}%`;
      this.#find(".dql-none").hidden = this.#find(".dql-down").hidden = !ties;
      this.#find(".dql-trial .dql-save").hidden = !backend.name || done === 0;
      this.#find(".dql-lost").hidden = backend.keeps?.() ?? true;
    }

    async #send() {
      if (this.#next.disabled) return;
      this.#saving = true;
      page.playing?.stop();
      this.#say("Saving ...");
      this.#draw();
      try {
        const seconds = Math.round((performance.now() - this.#shownAt) / 100) / 10;
        this.#session.done = await this.#backend.answer({trial: this.#session.done,
          answer: this.#answer, plays: this.#beats.map(beat => beat.plays), seconds});
        this.#saving = false;
        this.#trial();
      } catch (error) {
        this.#saving = false;
        this.#draw(`${error.message} Press Next to try again.`);
        this.#next.focus();
      }
    }

    // --- before and after

    async #begin(event) {
      event.preventDefault();
      const input = this.#form.elements.nickname;
      this.#find(".dql-intro [role=alert]")?.remove();
      try {
        const nickname = D.nickname(input.value);
        this.#session = {...await this.#backend.start(nickname), nickname};
        this.#trial();
      } catch (error) {
        this.#form.append(element("p", {role: "alert"}, error.message));
        input.focus();
      }
    }

    #end() {
      const {name} = this.#backend;
      page.playing?.stop();
      this.#show("dql-end");
      if (name) this.#tell("Your answers are still in this browser only. Save them, and give the"
        + " file ", name(), " to the person who gave you this page.");
      else this.#tell("Your answers are saved.", "", "");
      this.#find(".dql-end .dql-save").hidden = !name;
      this.#find(".dql-end h2").focus({preventScroll: true});
    }

    #save() {
      const {name, text} = this.#backend;
      D.download(new TextEncoder().encode(text()), name(), "application/jsonl");
      if (this.#find(".dql-trial").hidden) this.#tell("Look for ", name(), " among your downloads,"
        + " and give it to the person who gave you this page.");
      else this.#say(`${name()} is among your downloads.`);
    }
  }

  D.listen = (root, backend) => {
    const test = new Test(root, backend);
    return () => test.silence();
  };
}
