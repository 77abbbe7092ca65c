// A small line chart of the last minutes.

const KEPT = 150; // points
const FEWEST = 15; // points that fill the width; with more, they move together
const SECONDS = 2; // from one point to the next
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function ago(points) {
  const seconds = (points - 1) * SECONDS;
  return seconds < 120 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
}

function round(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Math.round(value * 10) / 10);
}

export class Chart {
  #names;
  #points = [];
  #lines;
  #values;
  #top;
  #start;

  constructor(host, names) {
    this.#names = names;
    const legend = document.createElement("ul");
    legend.className = "legend";
    this.#values = names.map((name, place) => {
      const item = document.createElement("li");
      item.className = `series-${place}`;
      const value = document.createElement("b");
      value.textContent = "–";
      item.append(`${name} `, value);
      legend.append(item);
      return value;
    });
    const drawing = make("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" });
    drawing.setAttribute("aria-label", names.join(", "));
    drawing.append(make("line", { x1: 0, x2: 100, y1: 99, y2: 99 }), make("line", { x1: 0, x2: 100, y1: 4, y2: 4 }));
    this.#lines = names.map((_, place) => make("polyline", { class: `series-${place}` }));
    drawing.append(...this.#lines);
    this.#top = document.createElement("p");
    this.#top.className = "top";
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.append(drawing, this.#top);
    const axis = document.createElement("div");
    axis.className = "axis";
    this.#start = document.createElement("span");
    const now = document.createElement("span");
    now.textContent = "now";
    axis.append(this.#start, now);
    host.replaceChildren(legend, frame, axis);
  }

  add(values) {
    this.#points.push(values);
    if (this.#points.length > KEPT) this.#points.shift();
    const highest = Math.max(...this.#points.flat());
    const scale = highest > 0 ? 95 / highest : 0;
    const width = Math.max(FEWEST, this.#points.length);
    const step = 100 / (width - 1);
    const start = 100 - (this.#points.length - 1) * step;
    for (let place = 0; place < this.#names.length; place += 1) {
      const path = this.#points.map((point, index) => `${start + index * step},${99 - point[place] * scale}`);
      this.#lines[place].setAttribute("points", path.join(" "));
      this.#values[place].textContent = round(values[place]);
    }
    this.#top.textContent = round(highest);
    this.#start.textContent = ago(width);
  }
}
