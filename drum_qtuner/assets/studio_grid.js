// The studio's grid: a block for each bar, a row for each drum and the rest; behind each cell what
// the model expects there. It shows the state and changes nothing in it.
{
  const {BAR, DRUMS, REST, TICKS, clamp, element, pattern} = D;
  const ROWS = [...Array(DRUMS).keys()].reverse().concat(REST); // cymbals above, bass drum below
  const WORST = 8; // nats of surprise at which a bar is full
  const names = [...D.names.map(([, name]) => name), "rest"];
  const percent = p => p >= .995 ? "100 %" : p >= .0095 ? `${Math.round(100 * p)} %` : "< 1 %";
  const minus = x => x.toFixed(2).replace("-", "−");

  D.StudioGrid = class {
    box = element("div", {className: "dqs-grid"});
    readout = element("p", {className: "dqs-readout"});
    focused = [0, 0]; // step and row of the one cell that takes part in the tab order
    #studio;
    #cells = [];
    #ruler = [];
    #surprise = [];
    #kept = [];
    #heads = [];
    #lit = -1;
    #heat = null; // {model, rows, chances, mean}

    constructor(studio) { this.#studio = studio; }

    get #state() { return this.#studio.state; }

    // --- made anew where the number of steps changes

    build() {
      const {steps} = this.#state;
      this.#cells = Array.from({length: REST + 1}, () => []);
      [this.#ruler, this.#surprise, this.#kept, this.#heads] = [[], [], [], []];
      const bars = Array.from({length: steps / BAR}, (_, bar) => this.#bar(bar));
      this.box.replaceChildren(...bars);
      this.focused = [clamp(this.focused[0], 0, steps - 1), this.focused[1]];
      this.#cellAt(...this.focused).tabIndex = 0;
    }

    #bar(bar) {
      const steps = Array.from({length: BAR}, (_, i) => bar * BAR + i);
      this.#kept[bar] = element("div", {className: "dqs-kept"});
      this.#heads[bar] = element("div", {className: "dqs-now", hidden: true});
      return element("div", {className: "dqs-bar", role: "grid", "aria-label": `bar ${bar + 1}`},
        this.#margin("keep", "Steps before the marker are kept: drag it",
          steps.map(step => this.#number(step))),
        ...ROWS.map(row => this.#row(row, steps)),
        this.#margin("−log p", "How surprised the model is at what is there: -log p(a|s)",
          steps.map(step => this.#surprise[step]
            = element("div", {className: "dqs-surprise"}, element("i")))),
        this.#kept[bar], this.#heads[bar]);
    }

    #margin(text, title, cells) {
      const name = element("span", {className: "dqs-name", title}, text);
      return element("div", {className: "dqs-row", "aria-hidden": true}, name, ...cells);
    }

    #number(step) {
      const text = step % D.QUARTER ? "·" : `${step + 1}`;
      const made = element("div", {className: "dqs-number"}, text);
      Object.assign(made.dataset, {step, row: "ruler"});
      return this.#ruler[step] = made;
    }

    #row(row, steps) {
      const className = `dqs-row${row === REST ? " dqs-rest" : ""}`;
      const label = element("span", {role: "rowheader", className: "dqs-name", title: names[row]},
        row === REST ? "rest" : element("button", {type: "button", tabIndex: -1,
          "aria-label": `hear ${D.names[row].join(", ")}`,
          onclick: () => this.#studio.hear(row, this.#state.strength)}, D.names[row][0]));
      return element("div", {className, role: "row"}, label,
        ...steps.map(step => this.#cell(step, row)));
    }

    #cell(step, row) {
      const className = `dqs-cell${step % D.QUARTER ? "" : " dqs-beat"}`;
      const made = element("div", {role: "gridcell", tabIndex: -1, className});
      Object.assign(made.dataset, {step, row});
      if (row < REST) made.style.setProperty("--c", D.color[row]);
      return this.#cells[row][step] = made;
    }

    #cellAt(step, row) { return this.#cells[row][step]; }

    // --- what is played

    draw() {
      if (this.#ruler.length !== this.#state.steps) this.build();
      this.#drawNotes();
      this.drawKept();
    }

    #drawNotes() {
      const {slot: {pattern: own}, steps} = this.#state;
      for (let step = 0; step < steps; step++) {
        const at = step * DRUMS;
        for (let row = 0; row < REST; row++)
          this.#drawCell(step, row, own.velocity[at + row], own.offset[at + row]);
        this.#drawCell(step, REST, pattern.loudest(own, step) === REST ? 1 : 0, 0);
      }
    }

    #drawCell(step, row, velocity, offset) {
      const cell = this.#cellAt(step, row), key = `${velocity} ${offset}`;
      if (cell.drawn === key) return;
      cell.drawn = key;
      cell.classList.toggle("dqs-on", velocity > 0);
      cell.style.setProperty("--v", velocity / 127);
      cell.style.setProperty("--o", offset / TICKS);
      cell.setAttribute("aria-selected", velocity > 0);
      cell.setAttribute("aria-label", this.#describe(step, row));
    }

    drawKept() {
      const {primer} = this.#state;
      this.#kept.forEach((shade, bar) => {
        const n = clamp(primer - bar * BAR, 0, BAR);
        shade.hidden = !n;
        shade.style.gridColumn = `2 / span ${n || 1}`;
        shade.classList.toggle("dqs-marker", n > 0 && primer <= (bar + 1) * BAR);
      });
      this.#ruler.forEach((cell, step) => cell.classList.toggle("dqs-held", step < primer));
    }

    light(step) { // what sounds now; -1: nothing
      const before = this.#heads[Math.floor(this.#lit / BAR)];
      if (before) before.hidden = true;
      this.#lit = step;
      const head = this.#heads[Math.floor(step / BAR)];
      if (!head) return;
      head.hidden = false;
      head.style.gridColumn = `${step % BAR + 2} / span 1`;
    }

    // --- what the model expects

    drawHeat(model, {rows, surprise}) {
      const {steps} = this.#state, chances = rows.map(this.#studio.codecOf(model).chances);
      let sum = 0;
      for (let step = 0; step < steps; step++) {
        for (let row = 0; row <= REST; row++)
          this.#cellAt(step, row).style
            .setProperty("--p", Math.sqrt(chances[step][row]).toFixed(3));
        const nats = surprise[step], bar = this.#surprise[step];
        bar.style.setProperty("--h", Math.min(nats / WORST, 1).toFixed(3));
        bar.title = `−log p = ${nats.toFixed(2)} nats`;
        if (step) sum += nats;
      }
      this.#heat = {model, rows, chances, mean: sum / (steps - 1)};
      this.box.dataset.heat = model;
      this.tell();
    }

    tell(step = this.focused[0]) { // in words
      const row = this.#heat?.rows[step];
      if (!row) return;
      const {model, mean} = this.#heat, p = this.#heat.chances[step];
      const values = this.#studio.outputsOf(model) === "action value";
      const best = p.map((_, a) => a).sort((a, b) => p[b] - p[a]).slice(0, 3);
      const expected = best.map(a =>
        `${names[a]} ${percent(p[a])}${values ? ` (Q ${minus(row[a])})` : ""}`).join(", ");
      this.readout.textContent = `Step ${step + 1}: ${model} expects ${expected}. `
        + `Surprise after the first step: ${mean.toFixed(2)} nats a step.`;
    }

    #describe(step, row) {
      if (row === REST) return `rest, step ${step + 1}`;
      const velocity = this.#state.velocity(step, row);
      const strength = velocity ? pattern.LEVELS[pattern.levelOf(velocity)][0] : "off";
      return `${names[row]}, step ${step + 1}, ${strength}`;
    }

    // --- places

    placeOf(target) { // [step, row] of a cell, [step, "ruler"] of a number above; else null
      const hit = target?.closest?.("[data-step]");
      if (!hit || !this.box.contains(hit)) return null;
      const {step, row} = hit.dataset;
      return [Number(step), row === "ruler" ? row : Number(row)];
    }

    focus(step, row) {
      this.#cellAt(...this.focused).tabIndex = -1;
      this.focused = [step, row];
      const cell = this.#cellAt(step, row);
      cell.tabIndex = 0;
      cell.focus({preventScroll: false});
    }

    announce(step, row, target) { // a cell got the focus
      const expected = this.#heat?.chances[step];
      this.tell(step);
      target.setAttribute("aria-label", this.#describe(step, row)
        + (expected ? `; expected ${percent(expected[row])}` : ""));
    }

    nextRow(row, by) { return ROWS[clamp(ROWS.indexOf(row) + by, 0, REST)]; }
  };
}
