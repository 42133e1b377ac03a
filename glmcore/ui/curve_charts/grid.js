// All charts of an element: they share one x range and one pointer, and outlive the data they show. Last of
// three parts of the element's program.
//
// Streamlit calls the default export again with every message; the `Grid` of an element is made once, and
// messages bring its cards up to date. No text here is in a language: texts come with the message.

const REPORT_MS = 250; // a reader who zooms in several steps is reported once
const FRAME_MS = 12; // charts are drawn until so much of a frame is spent, the others in the next one
const NEAR = "400px 0px"; // charts so close to the window are drawn, others wait

class Grid {
  constructor(parent) {
    this.cards = new Map();
    this.waiting = new Set(); // cards to draw
    this.zoom = this.pointer = null;
    this.node = make("div", "curve-charts", parent);
    this.failure = make("p", "curve-failure", this.node);
    this.failure.setAttribute("role", "alert");
    this.list = make("div", "curve-grid", this.node);
    this.isTouched = window.matchMedia("(hover: none)").matches;
    this.nearness = new IntersectionObserver((entries) => {
      entries.forEach(({ target, isIntersecting }) => (target.card.isNear = isIntersecting));
      this.plan();
    }, { rootMargin: NEAR });
    this.sizes = new ResizeObserver((entries) => {
      entries.forEach(({ target }) => this.mark(target.card));
      this.reportSoon();
    });
  }

  take(component) {
    const given = component.data;
    const isFirst = !this.message;
    Object.assign(this, { component, message: given });
    this.readTheme();
    if (isFirst) Object.assign(this, given.known, { told: given.known.number });
    // A range from Python counts if it is a new one and Python has heard of all that was zoomed to here.
    if (isFirst || (!sameRange(given.range, this.given) && given.known.number >= this.number)) {
      if (!sameRange(given.range, this.zoom)) this.show(given.range);
      this.given = given.range;
    }
    this.node.style.setProperty("--curve-height", `${given.height}px`);
    this.arrange(given.charts);
    // A browser imports an address once per page, however many elements ask for it; it defines `window.Plotly`.
    import(new URL(given.plotly, location.origin)).then(() => this.plan(), () => {
      this.failure.textContent = given.labels.failed;
    });
  }

  arrange(charts) {
    const ids = new Set(charts.map(({ id }) => id));
    this.cards.forEach((card, id) => ids.has(id) || this.drop(card, id));
    charts.forEach((chart, place) => {
      const card = this.cards.get(chart.id) ?? this.add(chart.id);
      const there = this.list.children[place];
      if (there !== card.node) this.list.insertBefore(card.node, there ?? null);
      card.take(chart);
    });
  }

  add(id) {
    const card = new Card(this);
    this.cards.set(id, card);
    this.nearness.observe(card.plot);
    this.sizes.observe(card.plot);
    return card;
  }

  drop(card, id) {
    this.cards.delete(id);
    this.waiting.delete(card);
    this.nearness.unobserve(card.plot);
    this.sizes.unobserve(card.plot);
    clearTimeout(card.picking);
    if (this.pointer?.card === card) this.pointer = null;
    if (card.isDrawn) window.Plotly.purge(card.plot);
    card.node.remove();
  }

  readTheme() {
    const style = getComputedStyle(this.node);
    const [text, background, font, grid] = ["text-color", "background-color", "font", "border-color-light"]
      .map((name) => style.getPropertyValue(`--st-${name}`).trim());
    if (this.theme?.text !== text || this.theme.background !== background || this.theme.font !== font) {
      this.theme = { text, background, font, grid };
      this.cards.forEach((card) => this.mark(card));
    }
  }

  mark(card) {
    this.waiting.add(card);
    this.plan();
  }

  // Nothing is drawn but in a frame of the browser, and no more than fits into it.
  plan() {
    this.frame ??= requestAnimationFrame((start) => {
      this.frame = undefined;
      if (!window.Plotly) return;
      const drawable = [...this.waiting].filter((card) => card.isNear);
      drawable.every((card) => {
        this.waiting.delete(card);
        card.draw();
        return performance.now() - start < FRAME_MS;
      });
      if (drawable.some((card) => this.waiting.has(card))) this.plan();
      const x = this.pointer && this.pointer.card.xAt(this.pointer.clientX); // the axis below it may have moved
      this.cards.forEach((card) => card.showReadout(x));
    });
  }

  point(card, clientX) {
    this.pointer = card?.isDrawn ? { card, clientX } : null;
    this.plan();
  }

  show(range) {
    this.zoom = range;
    this.cards.forEach((card) => this.mark(card));
  }

  zoomTo(range) {
    if (sameRange(range, this.zoom)) return;
    this.show(range);
    this.number += 1;
    this.reportSoon();
  }

  reset() {
    this.cards.forEach((card) => {
      card.yRange = null;
      this.mark(card);
    });
    this.zoomTo(null);
  }

  reportSoon() {
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => {
      const widest = Math.max(0, ...[...this.cards.values()].map(({ plot }) => plot.clientWidth));
      const width = widest - MARGIN.l - MARGIN.r;
      const isResized = width > 0 && !(Math.abs(width - this.width) <= 0.1 * this.width);
      if (!isResized && this.number === this.told) return;
      if (isResized) this.width = width;
      this.told = this.number;
      this.component.setStateValue("view", { number: this.number, x_range: this.zoom, width: this.width });
    }, REPORT_MS);
  }

  end() {
    clearTimeout(this.reporting);
    cancelAnimationFrame(this.frame);
    this.cards.forEach((card, id) => this.drop(card, id));
    this.nearness.disconnect();
    this.sizes.disconnect();
  }
}

const grids = new WeakMap();

export default function (component) {
  const parent = component.parentElement;
  if (!grids.has(parent)) grids.set(parent, new Grid(parent));
  const grid = grids.get(parent);
  grid.take(component);
  // Streamlit also calls this for a message that a later one overtook; then the page still shows the grid.
  return () => setTimeout(() => grid.node.isConnected || (grids.delete(parent), grid.end()));
}
