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
    firstColumn = bar => bar ? 2 : 4; // of the cells: the first bar has buttons before them
    readout = element("p", {className: "dqs-readout"});
    said = element("span", {className: "dqs-said", "aria-live": "polite"}); // for the ear
    focused = [0, 0]; // step and row of the one cell that takes part in the tab order
    #studio;
    #cells = [];
    #surprise = [];
    #heads = [];
    #lit = -1;
    #shaped = null; // the cell of the stroke that is being changed
    #heat = null; // {model, rows, chances, mean}

    constructor(studio) {
      this.#studio = studio;
      this.marker = new D.StudioMarker(studio, this.box);
      this.mixer = new D.StudioMixer(studio);
    }

    get #state() { return this.#studio.state; }

    // --- made anew where the number of steps changes

    build() {
      const {steps} = this.#state;
      this.#cells = Array.from({length: REST + 1}, () => []);
      [this.#surprise, this.#heads] = [[], []];
      this.marker.clear();
      this.mixer.clear();
      const bars = Array.from({length: steps / BAR}, (_, bar) => this.#bar(bar));
      this.box.replaceChildren(...bars);
      this.focused = [clamp(this.focused[0], 0, steps - 1), this.focused[1]];
      this.#cellAt(...this.focused).tabIndex = 0;
    }

    #bar(bar) {
      const steps = Array.from({length: BAR}, (_, i) => bar * BAR + i);
      this.#heads[bar] = element("div", {className: "dqs-now", hidden: true});
      const rows = element("div", {className: "dqs-row", role: "grid",
        "aria-label": `bar ${bar + 1}`},
      this.#margin("keep", "Steps before the edge are kept: drag it",
        steps.map(step => this.marker.number(step))),
      ...ROWS.map(row => this.#row(row, steps, bar)),
      this.#margin("−log p", "How surprised the model is at what is there: -log p(a|s)",
        steps.map(step => this.#surprise[step]
          = element("div", {className: "dqs-surprise"}, element("i")))));
      return element("div", {className: "dqs-bar"}, rows, this.#heads[bar],
        ...this.marker.parts(bar));
    }

    #margin(text, title, cells) {
      const name = element("span", {className: "dqs-name", title}, text);
      return element("div", {className: "dqs-row", "aria-hidden": true}, name, ...cells);
    }

    #row(row, steps, bar) {
      const className = `dqs-row${row === REST ? " dqs-rest" : ""}`;
      const label = element("span", {role: "rowheader", className: "dqs-name", title: names[row]},
        row === REST ? "rest" : this.mixer.pad(row));
      const mix = bar || row === REST ? [] : this.mixer.buttons(row).map(button =>
        element("span", {role: "gridcell", className: "dqs-mix"}, button));
      return element("div", {className, role: "row"}, label, ...mix,
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
      if (this.#surprise.length !== this.#state.steps) this.build();
      this.#drawNotes();
      this.marker.draw();
      this.mixer.draw();
      const {silent} = this.#state;
      for (const drum of D.names.keys())
        for (const cell of this.#cells[drum]) cell.classList.toggle("dqs-silent", silent.has(drum));
    }

    drawGhost(own) { // a pattern that comes next; null: nothing else
      for (let row = 0; row < REST; row++)
        this.#cells[row].forEach((cell, step) =>
          cell.classList.toggle("dqs-ghost", Boolean(own?.velocity[step * DRUMS + row])));
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

    light(step) { // what sounds now; -1: nothing
      const before = this.#heads[Math.floor(this.#lit / BAR)];
      if (before) before.hidden = true;
      this.#lit = step;
      const head = this.#heads[Math.floor(step / BAR)];
      if (!head) return;
      head.hidden = false;
      const bar = Math.floor(step / BAR);
      head.style.gridColumn = `${step % BAR + this.firstColumn(bar)} / span 1`;
      if (step % (BAR / 2) === 0) this.#reveal(step);
    }

    #reveal(step) { // where the grid is wider than the screen it follows what is played
      const {box} = this, cell = this.#cellAt(step, REST);
      if (box.scrollWidth <= box.clientWidth) return;
      const left = cell.getBoundingClientRect().left - box.getBoundingClientRect().left;
      box.scrollLeft += left - this.mixer.width - 8;
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
      if (!row || this.#shaped) return;
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
      if (!velocity) return `${names[row]}, step ${step + 1}, off`;
      return `${names[row]}, step ${step + 1}, ${pattern.LEVELS[pattern.levelOf(velocity)][0]}: `
        + this.#shapeOf(step, row);
    }

    #whenOf(step, row) {
      const part = this.#state.late(step, row) / TICKS, far = Math.abs(part).toFixed(2);
      return far === "0.00" ? "on the step" : `${far} of a step ${part < 0 ? "early" : "late"}`;
    }

    #shapeOf(step, row) {
      return `loudness ${this.#state.velocity(step, row)} of 127, ${this.#whenOf(step, row)}`;
    }

    tellShape(step, row) { // of a stroke that is being changed
      this.endShape();
      this.#shaped = this.#cellAt(step, row);
      this.#shaped.dataset.shape
        = `${this.#state.velocity(step, row)}, ${this.#whenOf(step, row)}`;
      this.said.textContent = this.readout.textContent
        = `${names[row]}, step ${step + 1}: ${this.#shapeOf(step, row)}.`;
      this.#shaped.setAttribute("aria-label", this.#describe(step, row));
    }

    endShape() {
      if (this.#shaped) delete this.#shaped.dataset.shape;
      this.#shaped = null;
    }

    // --- places

    placeOf(target) { // [step, row] of a cell; else null
      const hit = target?.closest?.(".dqs-cell");
      if (!hit || !this.box.contains(hit)) return null;
      return [Number(hit.dataset.step), Number(hit.dataset.row)];
    }

    widthOf(step) { return this.#cellAt(step, REST).offsetWidth; }

    focus(step, row) {
      this.endShape();
      this.#cellAt(...this.focused).tabIndex = -1;
      this.focused = [step, row];
      const cell = this.#cellAt(step, row);
      cell.tabIndex = 0;
      cell.focus({preventScroll: false});
    }

    refocus() { this.#cellAt(...this.focused).focus({preventScroll: true}); }

    announce(step, row, target) { // a cell got the focus
      const expected = this.#heat?.chances[step];
      this.tell(step);
      target.setAttribute("aria-label", this.#describe(step, row)
        + (expected ? `; expected ${percent(expected[row])}` : ""));
    }

    nextRow(row, by) { return ROWS[clamp(ROWS.indexOf(row) + by, 0, REST)]; }
  };
}
