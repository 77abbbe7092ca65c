// Line chart of the last minutes.

const MOST_POINTS = 150; // older ones are discarded
const FEWEST_POINTS = 15; // across the width; with more, the points move closer together
const SECONDS = 2; // between two points
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
    this.#values = names.map((name, series) => {
      const item = document.createElement("li");
      item.className = `series-${series}`;
      const value = document.createElement("b");
      value.textContent = "–";
      item.append(`${name} `, value);
      legend.append(item);
      return value;
    });
    const drawing = make("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" });
    drawing.setAttribute("aria-label", names.join(", "));
    drawing.append(make("line", { x1: 0, x2: 100, y1: 99, y2: 99 }), make("line", { x1: 0, x2: 100, y1: 4, y2: 4 }));
    this.#lines = names.map((_, series) => make("polyline", { class: `series-${series}` }));
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
    if (this.#points.length > MOST_POINTS) this.#points.shift();
    const highest = Math.max(...this.#points.flat());
    const scale = highest > 0 ? 95 / highest : 0;
    const width = Math.max(FEWEST_POINTS, this.#points.length);
    const step = 100 / (width - 1);
    const start = 100 - (this.#points.length - 1) * step;
    for (let series = 0; series < this.#names.length; series += 1) {
      const path = this.#points.map((point, index) => `${start + index * step},${99 - point[series] * scale}`);
      this.#lines[series].setAttribute("points", path.join(" "));
      this.#values[series].textContent = round(values[series]);
    }
    this.#top.textContent = round(highest);
    this.#start.textContent = ago(width);
  }
}
