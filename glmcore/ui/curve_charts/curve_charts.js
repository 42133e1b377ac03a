// A grid of plotly charts that share one x range and one readout, and outlive the data they show.
//
// Streamlit calls the default export again with every message. The `Grid` of an element is made once; messages
// bring its cards up to date. Nothing here is text in a language: texts come with the message.

const REPORT_MS = 250; // a reader who zooms in several steps is reported once
const FRAME_MS = 12; // charts are drawn until so much of a frame is spent, the others in the next one
const NEAR = "400px 0px"; // charts this close to the window are drawn, others wait
const MAX_ROWS = 12; // of a readout
const PICK_PIXELS = 24; // how far from a point a click may be
const DOUBLE_CLICK_MS = 300;
const MARGIN = { l: 54, r: 14, t: 10, b: 38 };
const CURVES = new Set(["raw", "smooth", "mean"]); // kinds of traces that have a value to read
const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false };
const ARRAYS = {
  f8: Float64Array, f4: Float32Array, i4: Int32Array, u4: Uint32Array,
  i2: Int16Array, u2: Uint16Array, i1: Int8Array, u1: Uint8Array,
};
const ENLARGE = "M9 3H3v6M15 3h6v6M9 21H3v-6M15 21h6v-6";
const SHRINK = "M3 9h6V3M21 9h-6V3M3 15h6v6M21 15h-6v6";

// ── plotly.js, once per page ────────────────────────────────────────────────────────────────────────────────

let loading;

function loadPlotly(url) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = undefined; // the next message tries again
      script.remove();
      reject(new Error(url));
    };
    document.head.append(script);
  });
  return loading;
}

// ── values ──────────────────────────────────────────────────────────────────────────────────────────────────

// Names come from log files, and plotly takes tags in any text for its own: `<a href>` would become a link.
const inert = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function decodeArray({ dtype, bdata }) {
  const text = atob(bdata);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new ARRAYS[dtype](bytes.buffer);
}

// A trace or a layout as plotly may have it: arrays decoded, texts inert. `meta` is ours and never drawn.
function forPlotly(value, name) {
  if (typeof value === "string") return inert(value);
  if (value === null || typeof value !== "object" || name === "meta") return value;
  if (Array.isArray(value)) return value.map((item) => forPlotly(item));
  if (value.bdata !== undefined && value.dtype in ARRAYS) return decodeArray(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, forPlotly(item, key)]));
}

// What a readout needs stands in `meta`: the name as it was sent, and which traces are one curve.
function readable(trace) {
  const { run, kind } = trace.meta;
  const curve = `${run}\n${trace.line?.dash ?? "solid"}`;
  return { ...forPlotly(trace), meta: { run, kind, curve, name: trace.name ?? run } };
}

function fiveDigits(value) {
  if (!Number.isFinite(value)) return String(value);
  const small = value !== 0 && Math.abs(value) < 1e-3;
  const [digits, exponent] = (small ? value.toExponential(4) : value.toPrecision(5)).split("e");
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  return (exponent ? `${short}e${Number(exponent)}` : short).replace("-", "−");
}

const STEPS = new Intl.NumberFormat("en", { maximumSignificantDigits: 7 });
const placeText = (x, dates) => (dates ? new Date(x).toLocaleString("sv-SE") : STEPS.format(x)); // sv-SE is ISO 8601

// Plotly counts a date axis in milliseconds as if the reader's clock were UTC.
function fromClock(clock) {
  const at = new Date(clock);
  return new Date(
    at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(),
    at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCMilliseconds(),
  ).getTime();
}

function nearestIndex(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - xs[low - 1] <= xs[low] - x ? low - 1 : low;
}

function make(tag, className, parent, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  parent?.append(node);
  return node;
}

const sameRange = (one, other) => String(one ?? "") === String(other ?? "");

// ── one chart ───────────────────────────────────────────────────────────────────────────────────────────────

class Card {
  constructor(grid) {
    this.grid = grid;
    this.near = this.drawn = false;
    this.yRange = null; // zoomed to by the reader, in this chart only
    this.node = make("figure", "curve-card");
    this.node.tabIndex = 0;
    const head = make("figcaption", "curve-head", this.node);
    this.title = make("span", "curve-title", head);
    this.buttons = ["png", "svg", "enlarge"].map((name) => {
      const button = make("button", "curve-button", head, name === "enlarge" ? "" : name.toUpperCase());
      button.type = "button";
      button.onclick = () => (name === "enlarge" ? this.enlarge() : this.download(name));
      return button;
    });
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("viewBox", "0 0 24 24");
    this.icon = icon.appendChild(document.createElementNS(icon.namespaceURI, "path"));
    this.buttons[2].append(icon);
    const stage = make("div", "curve-stage", this.node);
    this.plot = make("div", "curve-plot", stage);
    const overlay = make("div", "curve-overlay", stage);
    this.line = make("div", "curve-line", overlay);
    this.dots = make("div", "curve-dots", overlay);
    this.readout = make("div", "curve-readout", overlay);
    this.notes = make("div", "curve-notes", this.node);
    this.plot.addEventListener("pointermove", (event) => grid.point(this, event));
    this.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && grid.point(null));
    this.plot.addEventListener("click", (event) => this.click(event));
    this.node.addEventListener("keydown", (event) => this.press(event));
    this.node.addEventListener("blur", () => grid.point(null));
  }

  // A message came: whatever is said in words at once, the drawing when it is its turn.
  take(chart) {
    const { labels } = this.grid.message;
    if (chart.revision !== this.chart?.revision) this.grid.mark(this);
    this.chart = chart;
    this.node.dataset.chart = chart.id;
    this.title.textContent = this.title.title = chart.title;
    this.plot.title = "";
    this.node.setAttribute("aria-label", `${chart.title}. ${labels.use}`);
    this.notes.replaceChildren(...chart.footnotes.map((text) => make("div", "curve-note", null, text)));
    this.label();
  }

  label() {
    const { labels } = this.grid.message;
    const large = this.node.classList.contains("curve-large");
    const texts = [labels.png, labels.svg, large ? labels.shrink : labels.enlarge];
    this.buttons.forEach((button, i) => {
      button.title = texts[i];
      button.setAttribute("aria-label", `${texts[i]}: ${this.chart.title}`);
    });
    this.icon.setAttribute("d", large ? SHRINK : ENLARGE);
  }

  enlarge() {
    this.node.classList.toggle("curve-large");
    this.label(); // the grid notices the new size by itself
  }

  figure() {
    const { message, theme, zoom } = this.grid;
    if (this.revision !== this.chart.revision) {
      this.revision = this.chart.revision;
      this.traces = this.chart.traces.map(readable);
    }
    const given = forPlotly(this.chart.layout);
    const lines = { gridcolor: theme.grid, linecolor: theme.grid, zeroline: false, tickcolor: theme.grid };
    const title = (axis) => ({ ...axis?.title, font: { size: 12 }, standoff: 8 });
    const range = zoom ?? given.xaxis?.range;
    const layout = {
      ...given,
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      margin: MARGIN,
      font: { family: theme.font, size: 12, color: theme.text },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: false, // the readout is ours, in all charts at once
      dragmode: this.grid.touch ? false : "zoom", // a finger scrolls the page
      xaxis: { ...lines, ...given.xaxis, title: title(given.xaxis), showgrid: false, showline: true, ticks: "outside",
        ticklen: 4, nticks: Math.max(3, Math.round(this.plot.clientWidth / 90)), tickangle: 0,
        ...(message.dates && { type: "date" }), ...(range ? { range: [...range], autorange: false } : { autorange: true }) },
      yaxis: { exponentformat: "e", nticks: 6, automargin: true, ...lines, ...given.yaxis, title: title(given.yaxis) },
    };
    if (this.yRange) Object.assign(layout.yaxis, { range: [...this.yRange], autorange: false });
    return { data: this.traces, layout };
  }

  draw() {
    const { data, layout } = this.figure();
    if (layout.width < 50) return; // hidden, for example in another tab
    // Zoom is kept in this file and put into each layout, so that plotly needs no `uirevision` to remember it.
    window.Plotly.react(this.plot, data, layout, CONFIG);
    this.node.dataset.drawn = this.chart.revision;
    if (this.drawn) return;
    this.drawn = true;
    this.plot.on("plotly_relayout", (change) => this.zoomed(change));
    this.plot.on("plotly_doubleclick", () => this.grid.reset());
  }

  zoomed(change) {
    const touches = (name) => Object.keys(change).some((key) => key.startsWith(`${name}.range`));
    if (touches("yaxis")) this.yRange = [...this.plot.layout.yaxis.range];
    if (touches("xaxis")) this.grid.zoomTo(this.plot.layout.xaxis.range.map((end) => this.toX(this.axis.r2l(end))));
  }

  get axis() {
    return this.plot._fullLayout.xaxis; // plotly has no public way from pixels to values
  }

  toX(place) {
    return this.grid.message.dates ? fromClock(place) : Number(place);
  }

  xAt(clientX) {
    const pixel = clientX - this.plot.getBoundingClientRect().left - this.axis._offset;
    return pixel < 0 || pixel > this.axis._length ? null : this.toX(this.axis.p2l(pixel));
  }

  // The point of each curve that is nearest to x; a run's raw value is told by its smooth curve.
  pointsAt(x) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    const points = new Map();
    this.traces.forEach((trace) => {
      if (!CURVES.has(trace.meta.kind) || !trace.x?.length) return;
      const index = nearestIndex(trace.x, x);
      const [left, top] = [xaxis._offset + xaxis.d2p(trace.x[index]), yaxis._offset + yaxis.d2p(trace.y[index])];
      const beyond = Math.abs(xaxis.d2p(x) - xaxis.d2p(trace.x[index])) > PICK_PIXELS;
      if (beyond && (x < trace.x[0] || x > trace.x[trace.x.length - 1])) return; // the run does not reach so far
      if (points.has(trace.meta.curve) && trace.meta.kind === "raw") return;
      points.set(trace.meta.curve, { trace, left, top, x: trace.x[index], y: trace.y[index] });
    });
    return [...points.values()].sort((a, b) => (b.y > a.y || Number.isNaN(a.y) ? 1 : -1));
  }

  showReadout(x) {
    if (!this.drawn || !this.near) return;
    const { message } = this.grid;
    const { xaxis, yaxis } = this.plot._fullLayout;
    const at = x === null ? -1 : xaxis.d2p(x);
    const visible = at >= 0 && at <= xaxis._length;
    this.node.classList.toggle("curve-pointed", visible);
    if (!visible) return;
    this.line.style.cssText = `left: ${xaxis._offset + at}px; top: ${yaxis._offset}px; height: ${yaxis._length}px`;
    const points = this.pointsAt(x);
    const nearest = points.reduce((best, p) => (Math.abs(p.x - x) < Math.abs((best ?? p).x - x) ? p : best ?? p), null);
    const head = make("div", "curve-at", null, placeText(nearest ? nearest.x : x, message.dates));
    const rows = points.slice(0, MAX_ROWS).map((point) => this.row(point, nearest));
    const left = points.length - rows.length;
    if (left) rows.push(make("div", "curve-more", null, message.labels.more.replace("{count}", left)));
    this.readout.replaceChildren(head, ...rows);
    this.readout.classList.toggle("curve-left", at > xaxis._length / 2); // never under the pointer
    this.dots.replaceChildren(...points.slice(0, MAX_ROWS).filter((p) => Number.isFinite(p.top)).map((point) => {
      const dot = make("i", "curve-dot");
      dot.style.cssText = `left: ${point.left}px; top: ${point.top}px`;
      dot.style.background = point.trace.line?.color;
      return dot;
    }));
  }

  row({ trace, x, y }, nearest) {
    const row = make("div", "curve-row");
    const swatch = make("i", "curve-swatch", row);
    swatch.style.borderTopColor = trace.line?.color;
    if ((trace.line?.dash ?? "solid") !== "solid") swatch.style.borderTopStyle = "dashed";
    make("span", "curve-name", row, trace.meta.name);
    if (x !== nearest.x) make("span", "curve-step", row, placeText(x, this.grid.message.dates));
    make("b", "curve-value", row, fiveDigits(y));
    return row;
  }

  click(event) {
    clearTimeout(this.picking);
    this.grid.point(this, event); // a finger has no other way to point
    const x = this.drawn && event.detail < 2 ? this.xAt(event.clientX) : null;
    if (x === null) return;
    const top = event.clientY - this.plot.getBoundingClientRect().top;
    const far = (point) => Math.abs(point.top - top);
    const best = this.pointsAt(x).sort((a, b) => far(a) - far(b))[0];
    if (!best || !(far(best) <= PICK_PIXELS)) return;
    const picked = { x: best.x, chart: this.chart.id, run: best.trace.meta.run };
    this.picking = setTimeout(() => this.grid.component.setTriggerValue("picked", picked), DOUBLE_CLICK_MS);
  }

  press(event) {
    if (event.key === "Escape") this.grid.reset();
    else if (event.target === this.node && this.drawn && event.key.startsWith("Arrow")) this.grid.step(this, event);
  }

  async download(format) {
    const { theme } = this.grid;
    const { data, layout } = this.figure();
    const named = new Set();
    const traces = data.map((trace) => {
      const { kind, curve, name } = trace.meta;
      const showlegend = CURVES.has(kind) && !named.has(curve) && Boolean(named.add(curve));
      return { ...trace, name: inert(name), showlegend };
    });
    const title = { text: inert(this.chart.title), x: 0.02, xanchor: "left", font: { size: 16 } };
    const legend = { orientation: "h", x: 0, y: -0.14, yanchor: "top" };
    Object.assign(layout, { title, legend, showlegend: true, paper_bgcolor: theme.background, autosize: false });
    layout.margin = { ...MARGIN, t: 48 };
    const filename = this.chart.title.replace(/[^\p{L}\p{N}.-]+/gu, "_").slice(0, 80) || "chart";
    const size = { width: 1000, height: 560, scale: format === "png" ? 2 : 1 };
    await window.Plotly.downloadImage({ data: traces, layout }, { format, filename, ...size });
  }
}

// ── all charts of an element ────────────────────────────────────────────────────────────────────────────────

class Grid {
  constructor(parent) {
    this.cards = new Map();
    this.waiting = new Set(); // cards to draw
    this.zoom = null;
    this.pointer = null; // { card, clientX }
    this.node = make("div", "curve-charts", parent);
    this.failure = make("p", "curve-failure", this.node);
    this.failure.setAttribute("role", "alert");
    this.list = make("div", "curve-grid", this.node);
    this.touch = window.matchMedia("(hover: none)").matches;
    this.nearness = new IntersectionObserver((entries) => entries.forEach((entry) => {
      const card = [...this.cards.values()].find(({ plot }) => plot === entry.target);
      if (card) card.near = entry.isIntersecting;
      this.plan();
    }), { rootMargin: NEAR });
    this.sizes = new ResizeObserver(() => {
      this.cards.forEach((card) => this.mark(card));
      this.reportSoon();
    });
  }

  take(component) {
    const first = !this.message;
    const given = component.data;
    this.component = component;
    this.message = given;
    this.theme = this.readTheme();
    if (first) [this.number, this.width] = [given.known.number, given.known.width];
    // A range from Python counts if it is a new one and Python has heard of all that was zoomed to here.
    if (first || (!sameRange(given.range, this.given) && given.known.number >= this.number)) {
      if (!sameRange(given.range, this.zoom)) this.show(given.range);
      this.given = given.range;
    }
    this.node.style.setProperty("--curve-height", `${given.height}px`);
    this.arrange(given.charts);
    loadPlotly(given.plotly).then(() => this.plan(), () => (this.failure.textContent = given.labels.failed));
  }

  arrange(charts) {
    const ids = new Set(charts.map(({ id }) => id));
    this.cards.forEach((card, id) => ids.has(id) || this.drop(id, card));
    charts.forEach((chart, place) => {
      let card = this.cards.get(chart.id);
      if (!card) {
        this.cards.set(chart.id, (card = new Card(this)));
        this.nearness.observe(card.plot);
        this.sizes.observe(card.plot);
      }
      if (this.list.children[place] !== card.node) this.list.insertBefore(card.node, this.list.children[place] ?? null);
      card.take(chart);
    });
  }

  drop(id, card) {
    this.cards.delete(id);
    this.waiting.delete(card);
    this.nearness.unobserve(card.plot);
    this.sizes.unobserve(card.plot);
    clearTimeout(card.picking);
    if (this.pointer?.card === card) this.pointer = null;
    if (card.drawn) window.Plotly.purge(card.plot);
    card.node.remove();
  }

  readTheme() {
    const style = getComputedStyle(this.node);
    const value = (name) => style.getPropertyValue(`--st-${name}`).trim();
    const theme = { text: value("text-color"), background: value("background-color"), font: value("font") };
    theme.grid = value("border-color-light") || value("border-color");
    if (this.theme && JSON.stringify(theme) !== JSON.stringify(this.theme)) this.cards.forEach((card) => this.mark(card));
    return theme;
  }

  mark(card) {
    this.waiting.add(card);
    this.plan();
  }

  plan() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      if (!window.Plotly) return;
      const start = performance.now();
      const drawable = [...this.waiting].filter((card) => card.near);
      for (const card of drawable) {
        if (performance.now() - start > FRAME_MS) break;
        this.waiting.delete(card);
        card.draw();
      }
      if (drawable.some((card) => this.waiting.has(card))) this.plan();
      this.showReadouts(); // what lies under the pointer may have moved
    });
  }

  point(card, event) {
    this.pointer = card?.drawn ? { card, clientX: event.clientX } : null;
    this.plan();
  }

  // Arrow keys move what the mouse points at.
  step(card, event) {
    const { _offset, _length } = card.axis;
    const start = card.plot.getBoundingClientRect().left + _offset;
    const from = this.pointer?.card === card ? this.pointer.clientX : start + _length / 2;
    const to = from + { ArrowLeft: -4, ArrowRight: 4 }[event.key];
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.point(card, { clientX: Math.min(Math.max(to, start), start + _length) });
  }

  showReadouts() {
    const x = this.pointer ? this.pointer.card.xAt(this.pointer.clientX) : null;
    this.cards.forEach((card) => card.showReadout(x));
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
      if (card.yRange) this.mark(card);
      card.yRange = null;
    });
    this.zoomTo(null);
  }

  reportSoon() {
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => {
      const width = Math.max(0, ...[...this.cards.values()].map(({ plot }) => plot.clientWidth)) - MARGIN.l - MARGIN.r;
      const resized = width > 0 && !(Math.abs(width - this.width) <= 0.1 * this.width);
      if (!resized && this.number === (this.reported ?? this.message.known.number)) return;
      this.width = resized ? width : this.width;
      this.reported = this.number;
      this.component.setStateValue("view", { number: this.number, x_range: this.zoom, width: this.width });
    }, REPORT_MS);
  }

  end() {
    clearTimeout(this.reporting);
    cancelAnimationFrame(this.frame);
    this.cards.forEach((card, id) => this.drop(id, card));
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
