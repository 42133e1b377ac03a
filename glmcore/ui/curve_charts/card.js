// One chart: its frame and buttons, its drawing, its readout. Second of three parts of the element's program.
//
// plotly draws; zoom, readout and pictures are ours. Names from log files reach plotly only by `forPlotly` and
// `inert`, and the page only as `textContent`.

const MAX_ROWS = 12; // of a readout
const PICK_PIXELS = 24; // how far from a point a click may be
const MARK_PIXELS = 6; // how far from a mark the pointer may be
const DOUBLE_CLICK_MS = 300;
const MARGIN = { l: 60, r: 22, t: 10, b: 40 };
const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false };
const CARD = `
  <figcaption class="curve-head">
    <span class="curve-title"></span>
    <button class="curve-button">PNG</button>
    <button class="curve-button">SVG</button>
    <button class="curve-button"><svg viewBox="0 0 24 24"><path /></svg></button>
  </figcaption>
  <div class="curve-stage">
    <div class="curve-plot"></div>
    <div class="curve-overlay">
      <div class="curve-line"></div><div class="curve-dots"></div><div class="curve-readout"></div>
    </div>
  </div>
  <div class="curve-notes"></div>`;
const ICONS = {
  enlarge: "M9 3H3v6M15 3h6v6M9 21H3v-6M15 21h6v-6",
  shrink: "M3 9h6V3M21 9h-6V3M3 15h6v6M21 15h-6v6",
};

class Card {
  constructor(grid) {
    this.grid = grid;
    this.yRange = null; // zoomed to by the reader, in this chart only
    this.node = make("figure", "curve-card");
    this.node.tabIndex = 0;
    this.node.innerHTML = CARD;
    for (const part of ["title", "plot", "line", "dots", "readout", "notes"]) {
      this[part] = this.node.querySelector(`.curve-${part}`);
    }
    this.buttons = this.node.querySelectorAll("button");
    this.buttons[0].onclick = () => this.download("png");
    this.buttons[1].onclick = () => this.download("svg");
    this.buttons[2].onclick = () => {
      this.node.classList.toggle("curve-large");
      this.label(); // the grid notices the new size by itself
    };
    this.plot.card = this; // for the observers
    this.plot.onpointermove = (event) => grid.point(this, event.clientX);
    this.plot.onpointerleave = (event) => event.pointerType === "mouse" && grid.point(null);
    this.plot.onclick = (event) => this.click(event);
    this.node.onkeydown = (event) => this.press(event);
    this.node.onblur = () => grid.point(null);
  }

  // A message came: what is said in words at once, the drawing when it is its turn.
  take(chart) {
    if (chart.revision !== this.chart?.revision) this.grid.mark(this);
    this.chart = chart;
    this.node.dataset.chart = chart.id;
    this.node.setAttribute("aria-label", `${chart.title}. ${this.grid.message.labels.use}`);
    this.title.textContent = this.title.title = chart.title;
    this.notes.replaceChildren(...chart.footnotes.map((text) => make("div", "curve-note", null, text)));
    this.label();
  }

  label() {
    const { labels } = this.grid.message;
    const size = this.node.classList.contains("curve-large") ? "shrink" : "enlarge";
    ["png", "svg", size].forEach((name, place) => {
      this.buttons[place].title = labels[name];
      this.buttons[place].setAttribute("aria-label", `${labels[name]}: ${this.chart.title}`);
    });
    this.node.querySelector("path").setAttribute("d", ICONS[size]);
  }

  figure() {
    const { message, theme, zoom } = this.grid;
    if (this.revision !== this.chart.revision) {
      this.revision = this.chart.revision;
      this.traces = this.chart.traces.map(readable);
    }
    const { clientWidth: width, clientHeight: height } = this.plot;
    const given = forPlotly(this.chart.layout);
    const look = { gridcolor: theme.grid, linecolor: theme.grid, tickcolor: theme.grid, zeroline: false };
    const xaxis = { ...look, ...given.xaxis, type: message.dates ? "date" : "linear", showgrid: false };
    Object.assign(xaxis, { showline: true, ticks: "outside", ticklen: 4, tickangle: 0 });
    Object.assign(xaxis, { nticks: Math.ceil(width / 90), minexponent: 6, separatethousands: true });
    xaxis.title = { text: message.dates ? "" : inert(message.x_title), standoff: 6, font: { size: 12 } };
    const range = zoom ?? this.extent();
    Object.assign(xaxis, range ? { range: [...range], autorange: false } : { range: null, autorange: true });
    const isLog = given.yaxis?.type === "log"; // whose small ticks would be told by their first digit only
    const yaxis = { ...look, ...given.yaxis, nticks: isLog ? 4 : 6, tickformat: isLog ? "~g" : "" };
    Object.assign(yaxis, { exponentformat: "e", minexponent: 4, separatethousands: true });
    if (this.yRange) Object.assign(yaxis, { range: [...this.yRange], autorange: false });
    const layout = { ...given, width, height, xaxis, yaxis, margin: MARGIN, showlegend: false };
    layout.font = { family: theme.font, size: 12, color: theme.text };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.hovermode = false; // the readout is ours, in all charts at once
    layout.dragmode = this.grid.isTouched ? false : "zoom"; // a finger scrolls the page
    return { data: this.traces, layout };
  }

  // All that is drawn, with as much room in each chart; plotly's own choice depends on the marks in it.
  extent() {
    const traces = this.traces.filter(({ meta, x }) => meta.kind !== "band" && x.length);
    const ends = traces.flatMap(({ x }) => [x[0], x[x.length - 1]]);
    const [low, high] = [Math.min(...ends), Math.max(...ends)];
    const room = 0.015 * (high - low);
    return room > 0 ? [low - room, high + room] : null;
  }

  draw() {
    if (this.plot.clientWidth < 50) return; // hidden, for example in another tab
    const { data, layout } = this.figure();
    // Each layout holds the zoom that is kept here, so plotly needs no `uirevision` to remember it.
    window.Plotly.react(this.plot, data, layout, CONFIG);
    this.node.dataset.drawn = this.revision;
    if (this.isDrawn) return;
    this.isDrawn = true;
    this.plot.on("plotly_relayout", (change) => this.zoomed(Object.keys(change).join()));
    this.plot.on("plotly_doubleclick", () => this.grid.reset());
  }

  zoomed(changed) {
    if (changed.includes("yaxis.range")) this.yRange = [...this.plot.layout.yaxis.range];
    if (changed.includes("xaxis.range")) {
      this.grid.zoomTo(shortRange(this.plot.layout.xaxis.range.map((end) => this.toX(this.axis.r2l(end)))));
    }
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

  // The point of each curve that is nearest to x, from top to bottom, and the remarks at x.
  pointsAt(x) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    const points = new Map();
    for (const trace of this.traces) {
      const { kind, curve, texts } = trace.meta;
      if (!trace.x.length || !(CURVES.has(kind) || texts)) continue;
      const index = nearestIndex(trace.x, trace.y, x);
      const point = { trace, x: trace.x[index], y: trace.y[index], text: texts?.[index] };
      point.left = xaxis._offset + xaxis.d2p(point.x);
      point.top = yaxis._offset + yaxis.d2p(point.y);
      const distance = (point.distance = Math.abs(xaxis.d2p(x) - xaxis.d2p(point.x)));
      const isBeyond = x < trace.x[0] || x > trace.x[trace.x.length - 1]; // the run does not reach so far
      if (distance > (texts ? MARK_PIXELS : isBeyond ? PICK_PIXELS : Infinity)) continue;
      const key = texts ? trace : curve;
      if (!(points.get(key)?.distance <= distance)) points.set(key, point); // a curve may be drawn in pieces
    }
    return [...points.values()].sort((a, b) => (Number.isNaN(a.y) || b.y > a.y ? 1 : -1));
  }

  showReadout(x) {
    if (!this.isDrawn || !this.isNear) return;
    const { xaxis, yaxis } = this.plot._fullLayout;
    const at = x === null ? -1 : xaxis.d2p(x);
    const isShown = at >= 0 && at <= xaxis._length;
    this.node.classList.toggle("curve-pointed", isShown);
    if (!isShown) return;
    const { dates, labels } = this.grid.message;
    const points = this.pointsAt(x);
    const nearest = points.reduce((best, point) => (best?.distance <= point.distance ? best : point), null);
    const rows = points.slice(0, MAX_ROWS);
    this.readout.replaceChildren(
      make("div", "curve-at", null, placeText(nearest?.x ?? x, dates)),
      ...rows.map((point) => this.row(point, nearest)),
    );
    const hidden = points.length - rows.length;
    if (hidden) make("div", "curve-more", this.readout, labels.more.replace("{count}", hidden));
    const isLeft = at > xaxis._length / 2; // beside the line, where there is more room
    this.readout.classList.toggle("curve-left", isLeft);
    this.readout.style.maxWidth = `${(isLeft ? at : xaxis._length - at) - 12}px`;
    const [ceiling, floor] = [yaxis._offset, yaxis._offset + yaxis._length];
    this.line.style.cssText = `left: ${xaxis._offset + at}px; top: ${ceiling}px; height: ${floor - ceiling}px`;
    const visible = rows.filter(({ text, top }) => !text && top >= ceiling && top <= floor);
    this.dots.replaceChildren(...visible.map(({ trace, left, top }) => {
      const dot = make("i", "curve-dot");
      dot.style.cssText = `left: ${left}px; top: ${top}px`;
      dot.style.background = trace.line?.color;
      return dot;
    }));
  }

  row({ trace, x, y, text }, nearest) {
    const row = make("div", "curve-row");
    const swatch = make("i", "curve-swatch", row);
    swatch.style.borderTopColor = trace.line?.color ?? trace.marker?.color;
    swatch.style.borderTopStyle = (trace.line?.dash ?? "solid") === "solid" ? "solid" : "dashed";
    make("span", "curve-name", row, trace.meta.name);
    const place = placeText(x, this.grid.message.dates);
    if (x !== nearest.x) make("span", "curve-step", row, this.grid.message.dates ? place.slice(11) : place);
    make("b", "curve-value", row, text ?? fiveDigits(y));
    return row;
  }

  click(event) {
    clearTimeout(this.picking);
    this.grid.point(this, event.clientX); // a finger has no other way to point
    const x = this.isDrawn && event.detail < 2 ? this.xAt(event.clientX) : null;
    if (x === null) return;
    const top = event.clientY - this.plot.getBoundingClientRect().top;
    const far = (point) => Math.hypot(point.top - top, point.distance);
    const best = this.pointsAt(x).filter((point) => point.trace.meta.run && far(point) <= PICK_PIXELS)
      .sort((a, b) => far(a) - far(b))[0];
    if (!best) return;
    const picked = { x: best.x, chart: this.chart.id, run: best.trace.meta.run };
    this.picking = setTimeout(() => this.grid.component.setTriggerValue("picked", picked), DOUBLE_CLICK_MS);
  }

  press(event) {
    if (event.key === "Escape") this.grid.reset();
    const move = { ArrowLeft: -4, ArrowRight: 4 }[event.key]; // what a mouse points at
    if (!move || !this.isDrawn || event.target !== this.node) return;
    event.preventDefault();
    const left = this.plot.getBoundingClientRect().left + this.axis._offset;
    const from = this.grid.pointer?.card === this ? this.grid.pointer.clientX : left + this.axis._length / 2;
    this.grid.point(this, Math.min(Math.max(from + move, left), left + this.axis._length));
  }

  // A picture that stands alone: with its title, a legend and the page's background.
  async download(format) {
    if (!window.Plotly) return;
    const { data, layout } = this.figure();
    const named = new Set();
    const traces = data.map((trace) => {
      const { kind, curve, name } = trace.meta;
      const showlegend = CURVES.has(kind) && !named.has(curve) && Boolean(named.add(curve));
      return { ...trace, name: inert(name), showlegend };
    });
    layout.font.family = "Arial, sans-serif"; // a picture cannot load the page's font
    layout.title = { text: inert(this.chart.title), x: 0.02, xanchor: "left", font: { size: 16 } };
    layout.legend = { orientation: "h", x: 0, y: -0.16, yanchor: "top" };
    layout.margin = { ...MARGIN, t: 48 };
    Object.assign(layout, { showlegend: true, paper_bgcolor: this.grid.theme.background });
    const filename = this.chart.title.replace(/[^\p{L}\p{N}.-]+/gu, "_").slice(0, 80) || "_";
    const size = { width: 1000, height: 560, scale: format === "png" ? 2 : 1 };
    await window.Plotly.downloadImage({ data: traces, layout }, { format, filename, ...size });
  }
}
