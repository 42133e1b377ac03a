// Brings a place of the page into sight. Streamlit goes to the end of a page with an input box while that
// grows; so for six seconds, or until the reader moves, the page is brought back.
//
// Streamlit calls the default export with every run of the page; it acts once for each place that is named.

const EVERY_MS = 150;
const TRIES = 40;
const MOVES = ["wheel", "touchmove", "keydown", "mousedown"];
const named = new WeakMap(); // element -> the name it acted for

export default function ({ data, parentElement }) {
  if (named.get(parentElement) === data.name) return;
  named.set(parentElement, data.name);
  const reader = new AbortController();
  const options = { passive: true, signal: reader.signal };
  MOVES.forEach((kind) => addEventListener(kind, () => reader.abort(), options));
  look(data, parentElement, reader, TRIES);
}

function look(data, element, reader, tries) {
  if (reader.signal.aborted || named.get(element) !== data.name) return;
  if (!tries) return reader.abort();
  const place = document.querySelector(`.st-key-${data.key}`);
  const quarter = innerHeight / 4;
  if (place && Math.abs(place.getBoundingClientRect().top - quarter) > quarter) {
    place.scrollIntoView({ block: "center" });
  }
  setTimeout(look, EVERY_MS, data, element, reader, tries - 1);
}
