// Who keeps the answers of the listening test.
//   D.listeningPage(root)     the page: the whole test is in the JSON that `root` holds
//   D.listeningWidget         Python: {render({model, el})} for anywidget
{
  const PATIENCE = 15_000; // milliseconds

  const fnv = text => [...text].reduce((hash, sign) =>
    Math.imul(hash ^ sign.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);

  // The answers of one rater, kept in the browser; where it keeps nothing they live with the page.
  const answersIn = test => {
    const memory = new Map(), unsaved = new Set();
    let keeps = true;
    const placeOf = rater => `drum_qtuner listening ${test} ${rater}`;
    const valid = (text, rater) => { // the answers to the first trials, without a gap
      const lines = [];
      for (const line of (text ?? "").split("\n")) try {
        const row = JSON.parse(line), own = row.test === test && row.rater === rater;
        if (own && row.trial === lines.length) lines.push(line);
      } catch { } // no line of ours
      return lines;
    };
    const read = rater => { // there may be more than here: another tab may be open
      let there = null;
      try {
        there = localStorage.getItem(placeOf(rater));
      } catch { } // forbidden
      const [here, other] = [memory.get(placeOf(rater)), there].map(text => valid(text, rater));
      return other.length > here.length ? other : here;
    };
    const keep = (rater, lines) => {
      const text = lines.join("\n");
      memory.set(placeOf(rater), text);
      try {
        localStorage.setItem(placeOf(rater), text);
        keeps = true;
      } catch {
        keeps = false;
        if (lines.length) unsaved.add(rater);
      }
    };
    return {read, keep, unsaved, keeps: () => keeps};
  };

  D.listeningPage = root => {
    const {test, ties, sheets, beats} = D.readData(root);
    const {read, keep, unsaved, keeps} = answersIn(test);
    let rater;
    const sheet = () => sheets[fnv(rater) % sheets.length];
    D.listen(root, {
      start(nickname) {
        rater = nickname;
        const lines = read(rater);
        keep(rater, lines);
        const trials = sheet().map(([a, b]) => ({first: beats[a], second: beats[b]}));
        return {ties, done: lines.length, trials};
      },
      answer({trial, ...given}) {
        const [first, second] = sheet()[trial].map(i => beats[i].id), lines = read(rater);
        const row = {test, rater, simulated: false, trial, first, second, ...given};
        if (trial === lines.length) lines.push(JSON.stringify(row));
        keep(rater, lines); // what was answered before, in another tab, stays as it is
        return lines.length;
      },
      name: () => `rater-${rater}.jsonl`,
      text: () => {
        unsaved.delete(rater);
        return read(rater).map(line => `${line}\n`).join("");
      },
      keeps,
    });
    addEventListener("beforeunload", event => {
      if (unsaved.size) event.preventDefault();
    });
  };

  D.listeningWidget = {
    render({model, el}) {
      const {ask, close} = D.bridge(model, PATIENCE);
      const root = el.appendChild(D.element("div"));
      let rater;
      const silence = D.listen(root, {
        start: nickname => ask({ask: "start", nickname: rater = nickname}),
        answer: async given => (await ask({ask: "answer", nickname: rater, ...given})).done,
      });
      return () => {
        close();
        silence();
      };
    },
  };
}
