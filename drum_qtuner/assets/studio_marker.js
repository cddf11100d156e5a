// What is kept: the numbers above the grid, a shade over the first steps, and the edge where they
// end. The edge is dragged by its handle or along the numbers, and moved by the arrow keys.
//   new D.StudioMarker(studio)
//       .number(step), .parts(bar)     elements for the grid
//       .draw()
{
  const {BAR, clamp, element} = D;
  const KEYS = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -BAR,
    PageUp: BAR, Home: -Infinity, End: Infinity};

  D.StudioMarker = class {
    #studio;
    #numbers = [];
    #shades = [];
    #handles = [];
    #drags = null; // the pointer that drags the edge

    constructor(studio, box) {
      this.#studio = studio;
      const heard = {pointerdown: this.#press, pointermove: this.#follow,
        pointerup: this.#release, pointercancel: this.#release};
      for (const [name, listen] of Object.entries(heard))
        box.addEventListener(name, event => listen.call(this, event, box));
    }

    get #state() { return this.#studio.state; }

    clear() { [this.#numbers, this.#shades, this.#handles] = [[], [], []]; }

    number(step) {
      const made = element("div", {className: "dqs-number"},
        step % D.QUARTER ? "·" : `${step + 1}`);
      made.dataset.step = step;
      return this.#numbers[step] = made;
    }

    parts(bar) {
      this.#shades[bar] = element("div", {className: "dqs-kept"});
      this.#handles[bar] = element("div", {className: "dqs-handle", role: "slider", tabIndex: 0,
        "aria-label": "end of what is kept", title: "Steps before this edge are kept: drag it",
        "aria-valuemin": 0, onkeydown: event => this.#key(event)});
      return [this.#shades[bar], this.#handles[bar]];
    }

    #barOf(primer) { return Math.max(0, Math.ceil(primer / BAR) - 1); } // that holds the edge

    draw() {
      const {primer, steps} = this.#state, first = this.#studio.grid.firstColumn;
      this.#shades.forEach((shade, bar) => {
        const n = clamp(primer - bar * BAR, 0, BAR), handle = this.#handles[bar];
        shade.hidden = !n;
        shade.style.gridColumn = `${first(bar)} / span ${n || 1}`;
        shade.classList.toggle("dqs-marker", n > 0 && primer <= (bar + 1) * BAR);
        handle.hidden = bar !== this.#barOf(primer);
        handle.style.gridColumn = `${first(bar) + Math.max(0, n - 1)} / span 1`;
        handle.classList.toggle("dqs-start", !n);
        handle.setAttribute("aria-valuemax", steps);
        handle.setAttribute("aria-valuenow", primer);
        handle.setAttribute("aria-valuetext", `after ${primer} steps`);
      });
      this.#numbers.forEach((cell, step) => cell.classList.toggle("dqs-held", step < primer));
    }

    #move(primer) {
      this.#state.setPrimer(primer);
      this.#studio.drawPrimer();
    }

    // --- the pointer

    #press({target, button, pointerId, clientX, clientY}, box) {
      const number = target.closest(".dqs-number"), handle = target.closest(".dqs-handle");
      if (!number && !handle || button || this.#studio.models.busy) return;
      this.#drags = {pointerId, from: this.#edgeAt(clientX, clientY)};
      box.setPointerCapture(pointerId);
      if (number) this.#move(Number(number.dataset.step) + 1);
      else handle.focus();
    }

    #follow({pointerId, clientX, clientY}) {
      if (this.#drags?.pointerId !== pointerId) return;
      const edge = this.#edgeAt(clientX, clientY);
      if (edge === this.#drags.from) return; // not moved yet
      this.#drags.from = null;
      this.#move(edge);
    }

    #release({pointerId, type}) {
      if (this.#drags?.pointerId !== pointerId) return;
      this.#drags = null;
      if (type === "pointerup") return this.#studio.commit();
      this.#state.recall();
      this.#studio.draw();
    }

    #edgeAt(x, y) { // between two steps, in the bar that is nearest
      const bars = this.#shades.map((shade, bar) => {
        const {left} = this.#numbers[bar * BAR].getBoundingClientRect();
        const {right} = this.#numbers[bar * BAR + BAR - 1].getBoundingClientRect();
        const {top, bottom} = shade.parentElement.getBoundingClientRect();
        const far = Math.abs(x - clamp(x, left, right)) + Math.abs(y - clamp(y, top, bottom));
        return [far, bar * BAR + clamp(Math.round(BAR * (x - left) / (right - left)), 0, BAR)];
      });
      return bars.sort(([a], [b]) => a - b)[0][1];
    }

    // --- keys

    #key(event) {
      const by = KEYS[event.key], {primer} = this.#state;
      if (by === undefined || this.#studio.models.busy) return;
      event.preventDefault();
      this.#state.setPrimer(primer + by);
      this.#studio.commit();
      this.#handles[this.#barOf(this.#state.primer)].focus();
    }
  };
}
