// The listening test: which of two beats do you prefer? Needs sound.js and player.js.
// It asks a backend two things, and does not know what the beats are:
//   start(nickname)   -> {trials: [{first: beat, second: beat}], done, ties}    the first trial is for practice, `done` are answered
//   answer({trial, answer: "first" | "second" | "none", plays: [n, n], seconds})   kept for good when this resolves
// and where the listener has to hand in a file (else it has none of these):
//   name(), text()    of that file
//   keeps()           will the answers still be there when the page is closed?
// A beat is {steps, bpm, notes, gain}: as in sound.js, and the factor that makes all equally loud.
//   D.listeningPage(root)     the backend is the page: everything is in the JSON that `root` holds
//   D.listeningWidget         the backend is Python: an anywidget
(() => {
  const D = globalThis.drumQtuner ??= {};
  if (D.listen) return;
  const SIDES = ["first", "second"];

  D.nickname = text => { // as in Python: it becomes the name of a file
    const nickname = text.trim().toLowerCase();
    if (!/^[a-z0-9][a-z0-9_-]{0,23}$/.test(nickname)) throw Error("A nickname has up to 24 letters a-z, digits, - and _, and begins with a letter or digit.");
    return nickname;
  };

  const html = `
    <div class="dql-intro">
      <h2>Which beat do you prefer?</h2>
      <p>You will hear short drum beats, two at a time. Say which of the two you would rather hear in a piece of music. There is no right answer.</p>
      <ul>
        <li>Use headphones if you can, in a quiet place.</li>
        <li>Listen to both to the end, as often as you like, then choose.</li>
        <li>The first pair is for practice: set your volume there and leave it.</li>
        <li>You may stop at any time and go on later with the same nickname.</li>
      </ul>
      <form novalidate>
        <label>Your nickname <small>any word that is not your name: it is all that is kept about you</small>
          <input name="nickname" maxlength="40" autocomplete="off" autocapitalize="none" spellcheck="false"></label>
        <button class="dql-main">Start</button>
      </form>
    </div>
    <div class="dql-trial" hidden>
      <div class="dql-top"><span class="dql-count"></span><span class="dql-who"></span></div>
      <div class="dql-done" role="progressbar" aria-label="Answered" aria-valuemin="0"><i></i></div>
      <h2 tabindex="-1">Which do you prefer?</h2>
      <div class="dql-pair">${SIDES.map((side, i) => `
        <div class="dql-card" role="group" aria-label="Beat ${i + 1}">
          <button type="button" class="dql-play"></button>
          <span class="dql-heard"></span>
          <button type="button" class="dql-choice" data-answer="${side}" aria-pressed="false">I prefer ${i + 1}</button>
        </div>`).join("")}
      </div>
      <button type="button" class="dql-choice dql-none" data-answer="none" aria-pressed="false">No preference</button>
      <div class="dql-next"><span class="dql-status" role="status"></span><button type="button" class="dql-main">Next</button></div>
      <button type="button" class="dql-link dql-save">Save my answers so far</button>
      <p class="dql-lost" hidden>This browser forgets your answers when you close or reload the page: save them before you leave.</p>
      <p class="dql-keys">Keys: <kbd>1</kbd> <kbd>2</kbd> or <kbd>A</kbd> <kbd>B</kbd> listen, <kbd>Space</kbd> stop or listen again,
        <kbd>←</kbd> <kbd>→</kbd> choose<span class="dql-down">, <kbd>↓</kbd> no preference</span>, <kbd>Enter</kbd> next.</p>
    </div>
    <div class="dql-end" hidden>
      <h2 tabindex="-1">Done. Thank you!</h2>
      <p class="dql-told" role="status"></p>
      <div class="dql-row"><button type="button" class="dql-main dql-save">Save my answers</button><button type="button" class="dql-again">Next listener</button></div>
    </div>`;

  // --- one beat, played once

  class Once {
    constructor(beat, changed) {
      Object.assign(this, {beat, changed, plays: 0, played: 0, sounds: false});
      this.seconds = beat.steps * 15 / beat.bpm;
    }

    prepare() { return this.samples ??= D.render(this.beat).map(x => x * this.beat.gain); }

    start() {
      D.playing?.stop();
      const context = D.audio(), buffer = context.createBuffer(1, this.prepare().length, D.sounds.rate);
      buffer.copyToChannel(this.prepare(), 0);
      this.source = context.createBufferSource();
      this.source.buffer = buffer;
      this.source.connect(D.master);
      this.begin = context.currentTime + .05;
      this.source.start(this.begin);
      const pressed = performance.now();
      D.playing = this;
      this.sounds = true;
      this.timer = setInterval(() => {
        this.played = Math.min(Math.max(0, (context.currentTime - this.begin) / this.seconds), 1);
        if (this.played === 1) this.end(true);
        else if (!this.played && performance.now() - pressed > 3000) this.end(false, "The browser plays no sound. Is a loudspeaker or headphone connected?");
        else this.changed();
      }, 40);
      this.changed();
    }

    stop() {
      if (this.sounds) this.end(false);
      this.source?.stop();
    }

    end(heard, message) { // the last stroke may ring on
      clearInterval(this.timer);
      this.sounds = false;
      this.played = 0;
      if (D.playing === this && !heard) D.playing = null;
      if (heard) this.plays++;
      this.changed(message);
    }
  }

  // --- the test

  D.listen = (root, backend) => {
    root.innerHTML = html;
    root.classList.add("dql-test");
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab has plans of its own for A, B, 1 and 2
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "Listening test");
    root.tabIndex = -1;
    const find = selector => root.querySelector(selector);
    const cards = [...root.querySelectorAll(".dql-card")], choices = [...root.querySelectorAll(".dql-choice")];
    const next = find(".dql-next .dql-main"), status = find(".dql-status"), form = find("form");
    let session, beats, answer, last, shownAt, saving = false;

    const show = name => { for (const part of root.children) part.hidden = !part.classList.contains(name); };
    const say = (message, wrong = false) => {
      status.textContent = message;
      status.classList.toggle("dql-wrong", wrong);
    };

    const draw = message => {
      const missing = SIDES.flatMap((_, i) => beats[i].plays ? [] : [i + 1]), heard = !missing.length;
      cards.forEach((card, i) => {
        const {plays, played, sounds} = beats[i], play = card.querySelector(".dql-play"), label = `${sounds ? "stop" : plays ? "listen again" : "listen"}`;
        if (play.dataset.shown !== label) { // leave the button alone while it is pressed
          play.innerHTML = `<b>${i + 1}</b><span>${D.icon(sounds ? "stop" : "play")}${label}</span><i></i>`;
          play.setAttribute("aria-label", `Beat ${i + 1}: ${label}`);
          play.dataset.shown = label;
        }
        play.style.setProperty("--played", played);
        card.querySelector(".dql-heard").textContent = plays ? `heard ${plays === 1 ? "once" : plays === 2 ? "twice" : `${plays} times`}` : "";
        card.classList.toggle("dql-chosen", answer === SIDES[i]);
      });
      for (const choice of choices) {
        choice.disabled = !heard || saving;
        choice.setAttribute("aria-pressed", choice.dataset.answer === answer);
      }
      next.disabled = !answer || saving;
      if (message) say(message, true);
      else if (!saving && !status.classList.contains("dql-wrong"))
        say(missing.length === 2 ? "Listen to both to the end." : missing.length ? `Now listen to ${missing} to its end.` : answer ? "" : "Now choose.");
    };

    const listen = i => {
      last = i;
      if (status.classList.contains("dql-wrong")) say("");
      if (beats[i].sounds) beats[i].stop();
      else beats[i].start();
    };

    const choose = name => {
      if (!beats.every(beat => beat.plays > 0) || saving || name === "none" && !session.ties) return;
      answer = name;
      say("");
      draw();
      choices.find(choice => choice.dataset.answer === name).focus();
    };

    const trial = () => {
      D.playing?.stop();
      const {trials, done} = session, practice = done === 0;
      if (done >= trials.length) return end();
      show("dql-trial");
      [answer, last, shownAt] = [null, null, performance.now()];
      beats = SIDES.map(side => new Once(trials[done][side], message => draw(message)));
      const count = find(".dql-count").textContent = practice ? `Practice, not counted; ${trials.length - 1} pairs follow` : `Pair ${done} of ${trials.length - 1}`;
      find(".dql-trial h2").setAttribute("aria-label", `${count}. Which do you prefer?`); // it is read aloud when the pair appears
      find(".dql-who").textContent = session.nickname;
      find(".dql-done").setAttribute("aria-valuemax", trials.length);
      find(".dql-done").setAttribute("aria-valuenow", done);
      find(".dql-done i").style.width = `${100 * done / trials.length}%`;
      find(".dql-none").hidden = find(".dql-down").hidden = !session.ties;
      find(".dql-trial .dql-save").hidden = !backend.name || done === 0;
      find(".dql-lost").hidden = backend.keeps?.() ?? true;
      say("");
      draw();
      find(".dql-trial h2").focus({preventScroll: true});
      setTimeout(() => beats.forEach(beat => beat.prepare()), 30);
    };

    const tell = (before, name, after) => { // nicknames are letters, digits, - and _
      const bold = document.createElement("b");
      bold.textContent = name;
      find(".dql-told").replaceChildren(before, bold, after);
    };

    const end = () => {
      D.playing?.stop();
      show("dql-end");
      if (backend.name) tell("Your answers are still in this browser only. Save them, and give the file ", backend.name(), " to the person who gave you this page.");
      else tell("Your answers are saved.", "", "");
      find(".dql-end .dql-save").hidden = !backend.name;
      find(".dql-end h2").focus({preventScroll: true});
    };

    next.onclick = async () => {
      if (next.disabled) return;
      saving = true;
      D.playing?.stop();
      say("Saving ...");
      draw();
      try {
        const seconds = Math.round((performance.now() - shownAt) / 100) / 10;
        session.done = await backend.answer({trial: session.done, answer, plays: beats.map(beat => beat.plays), seconds});
        saving = false;
        trial();
      } catch (error) {
        saving = false;
        draw(`${error.message} Press Next to try again.`);
        next.focus();
      }
    };

    form.onsubmit = async event => {
      event.preventDefault();
      const input = form.elements.nickname, wrong = find(".dql-intro [role=alert]");
      wrong?.remove();
      try {
        const nickname = D.nickname(input.value);
        session = {...await backend.start(nickname), nickname};
        trial();
      } catch (error) {
        const alert = document.createElement("p");
        alert.setAttribute("role", "alert");
        alert.textContent = error.message;
        form.append(alert);
        input.focus();
      }
    };

    cards.forEach((card, i) => card.querySelector(".dql-play").onclick = () => listen(i));
    for (const choice of choices) choice.onclick = () => choose(choice.dataset.answer);
    for (const button of root.querySelectorAll(".dql-save")) button.onclick = () => {
      D.download(new TextEncoder().encode(backend.text()), backend.name(), "application/jsonl");
      if (find(".dql-trial").hidden) tell("Look for ", backend.name(), " among your downloads, and give it to the person who gave you this page.");
      else say(`${backend.name()} is among your downloads.`);
    };
    find(".dql-again").onclick = () => {
      form.elements.nickname.value = "";
      show("dql-intro");
      form.elements.nickname.focus();
    };

    const keys = {"1": () => listen(0), a: () => listen(0), "2": () => listen(1), b: () => listen(1),
      " ": () => listen(last ?? 0), ArrowLeft: () => choose("first"), ArrowRight: () => choose("second"), ArrowDown: () => choose("none"), Enter: () => next.click()};
    const meant = ({key, target, ctrlKey, metaKey, altKey}) => { // what a key shall do; none: what it does anywhere
      if (find(".dql-trial").hidden || ctrlKey || metaKey || altKey) return;
      const button = target.closest?.("button"); // Space and Enter press it, unless it is the answer chosen already
      if (button && button.getAttribute("aria-pressed") !== "true" && [" ", "Enter"].includes(key)) return;
      return keys[key.length === 1 ? key.toLowerCase() : key];
    };
    const onKey = event => {
      const press = meant(event);
      if (!press && !(event.repeat && event.key === "Enter")) return;
      event.preventDefault(); // a focused button is not pressed as well
      if (!event.repeat) press();
    };
    root.addEventListener("keydown", event => {
      event.stopPropagation(); // from here on nobody else listens
      onKey(event);
    });
    root.addEventListener("keyup", event => { if (event.key === " " && meant(event)) event.preventDefault(); });
    if (root.parentElement === document.body) // a page of its own: keys also work when nothing has the focus
      document.addEventListener("keydown", event => { if (event.target === document.body) onKey(event); });
    show("dql-intro");
    return () => beats?.forEach(beat => beat.stop());
  };

  // --- without Python: the whole test is in the page, answers stay in it

  const fnv = text => [...text].reduce((hash, c) => Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);

  D.listeningPage = root => {
    const design = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    let rater;
    const place = () => `drum_qtuner listening ${design.test} ${rater}`;
    const memory = new Map(), unsaved = new Set(); // where a browser keeps nothing the answers live as long as the page
    let keeps = true;
    const valid = text => { // the answers to the first trials, without a gap
      const lines = [];
      for (const line of (text ?? "").split("\n")) try {
        const row = JSON.parse(line);
        if (row.test === design.test && row.rater === rater && row.trial === lines.length) lines.push(line);
      } catch { } // no line of ours
      return lines;
    };
    const read = () => { // there may be more than here: another tab may be open
      let there;
      try { there = localStorage.getItem(place()); } catch { }
      const [here, other] = [memory.get(place()), there].map(valid);
      return other.length > here.length ? other : here;
    };
    const keep = lines => {
      const text = lines.join("\n");
      memory.set(place(), text);
      try {
        localStorage.setItem(place(), text);
        keeps = true;
      } catch {
        keeps = false;
        if (lines.length) unsaved.add(rater);
      }
    };
    const sheet = () => design.sheets[fnv(rater) % design.sheets.length];
    const beat = i => design.beats[i];

    D.listen(root, {
      async start(nickname) {
        rater = nickname;
        keep(read());
        return {ties: design.ties, done: read().length, trials: sheet().map(([first, second]) => ({first: beat(first), second: beat(second)}))};
      },
      async answer({trial, answer, plays, seconds}) {
        const [first, second] = sheet()[trial].map(i => beat(i).id), lines = read();
        if (trial === lines.length) lines.push(JSON.stringify({test: design.test, rater, simulated: false, trial, first, second, answer, plays, seconds}));
        keep(lines); // what was answered before, in another tab, stays as it is
        return lines.length;
      },
      name: () => `rater-${rater}.jsonl`,
      text: () => {
        unsaved.delete(rater);
        return read().map(line => line + "\n").join("");
      },
      keeps: () => keeps,
    });
    addEventListener("beforeunload", event => { if (unsaved.size) event.preventDefault(); });
  };

  // --- with Python

  D.listeningWidget = {
    render({model, el}) {
      const waiting = new Map();
      let last = 0;
      const receive = ({id, error, ...reply}) => {
        const {resolve, reject} = waiting.get(id) ?? {};
        waiting.delete(id);
        error ? reject?.(Error(error)) : resolve?.(reply);
      };
      const ask = question => new Promise((resolve, reject) => {
        const id = `${Math.random()} ${++last}`; // one widget may be shown twice
        waiting.set(id, {resolve, reject});
        setTimeout(() => receive({id, error: "Python does not answer; it may be busy with another cell."}), 15_000);
        model.send({id, ...question});
      });
      model.on("msg:custom", receive);
      const root = el.appendChild(document.createElement("div"));
      let rater;
      const silence = D.listen(root, {
        async start(nickname) { return ask({ask: "start", nickname: rater = nickname}); },
        async answer(given) { return (await ask({ask: "answer", nickname: rater, ...given})).done; },
      });
      return () => {
        model.off("msg:custom", receive);
        silence();
      };
    },
  };
})();
