// Values of the charts: arrays and names from a message, numbers and places as text. First of three parts of
// the element's program (see `element.py`).

const CURVES = new Set(["line", "smooth"]); // kinds of traces that have a value to read
const ARRAYS = { f8: Float64Array, f4: Float32Array, i4: Int32Array };

// Names come from log files, and plotly takes tags in any text for its own: `<a href>` would become a link.
const inert = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function decodeArray({ dtype, bdata }) {
  const text = atob(bdata);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new ARRAYS[dtype](bytes.buffer);
}

// A trace or a layout as plotly may have it: arrays decoded, texts inert.
function forPlotly(value) {
  if (typeof value === "string") return inert(value);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(forPlotly);
  if (value.bdata !== undefined) return decodeArray(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, forPlotly(item)]));
}

// `meta` is never drawn: texts for the readout as they were sent, and which traces are one curve.
function readable(trace) {
  const { run, group, kind, part } = trace.meta;
  const [curve, name, texts] = [`${run ?? group}\n${part}`, trace.name ?? run, trace.hovertext];
  return { ...forPlotly(trace), meta: { run, kind, curve, name, texts } };
}

function fiveDigits(value) {
  if (!Number.isFinite(value)) return String(value);
  const isSmall = value !== 0 && Math.abs(value) < 1e-3;
  const [digits, exponent] = (isSmall ? value.toExponential(4) : value.toPrecision(5)).split("e");
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  return (exponent ? `${short}e${Number(exponent)}` : short).replaceAll("-", "−");
}

const PLACES = new Intl.NumberFormat("en", { maximumSignificantDigits: 7 });
const placeText = (x, isDate) => (isDate ? new Date(x).toLocaleString("sv-SE") : PLACES.format(x)); // ISO 8601

// Plotly counts a date axis in milliseconds as if the reader's clock were UTC.
const fromClock = (clock) => Date.parse(new Date(clock).toISOString().slice(0, -1));

// The index of the value nearest to x; where a line is interrupted, its last point is there a second time.
function nearestIndex(xs, ys, x) {
  let low = 0;
  let high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && x - xs[low - 1] <= xs[low] - x) low -= 1;
  return low > 0 && Number.isNaN(ys[low]) && xs[low - 1] === xs[low] ? low - 1 : low;
}

// Without digits that are finer than a pixel: the range goes into the address of the page.
function shortRange([low, high]) {
  const digits = Math.min(Math.max(4 - Math.ceil(Math.log10(high - low)), 0), 20);
  return [low, high].map((end) => Number(end.toFixed(digits)));
}

const sameRange = (one, other) => String(one ?? "") === String(other ?? "");

function make(tag, className, parent, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  parent?.append(node);
  return node;
}
