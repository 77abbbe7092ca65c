// View of the player: title, badge, video, state lights and statistics, created inside any element of a page.

import { Player } from "./player.js";
import { number, say, translate } from "./strings.js";
import { webAddress } from "./source.js";

const FIGURES = ["peers", "download", "upload", "downloaded", "uploaded"];
const COLOURS = {
  video: { idle: "white", loading: "blue", buffering: "blue", playing: "white", paused: "white", ended: "white", error: "red" },
  tracker: { none: "white", connecting: "blue", ready: "white", failed: "red" },
  p2p: { none: "white", connecting: "blue", alone: "white", active: "green", inactive: "red" },
};
const BADGES = { idle: "white", loading: "blue", connecting: "blue", active: "green", alone: "white", direct: "white", inactive: "red", error: "red" };

const light = (name) => `
  <li class="light" data-light="${name}"><span class="dot" aria-hidden="true"></span>
    <span class="name" data-say="light.${name}"></span> <span class="value"></span></li>`;
const tile = (name) => `<div><dt data-say="figures.${name}"></dt><dd data-figure="${name}">–</dd></div>`;

const BODY = `
  <div class="title">
    <span class="logo" aria-hidden="true"></span>
    <h1></h1>
    <span class="quality"></span>
    <p class="badge" role="status"><span class="dot" aria-hidden="true"></span><span class="words"></span></p>
  </div>
  <div class="picture">
    <video id="video" controls playsinline tabindex="0"></video>
    <div class="curtain" role="status" hidden><span class="spinner" aria-hidden="true"></span><p></p></div>
    <div class="failure" role="alert" hidden>
      <p class="what"></p><p class="detail"></p>
      <button type="button" class="retry" data-say="retry"></button>
    </div>
  </div>
  <div class="bar">
    <ul class="lights">${light("video")}${light("tracker")}${light("p2p")}</ul>
    <button type="button" class="full" data-say="full"></button>
  </div>
  <p class="why" role="status"></p>
  <section class="figures" data-say-label="figures">
    <div class="share">
      <span data-say="figures.share"></span> <b data-figure="share">–</b>
      <div class="track" role="progressbar" data-say-label="figures.share" aria-valuemin="0" aria-valuemax="100"><i></i></div>
    </div>
    <dl>${FIGURES.map(tile).join("")}</dl>
  </section>`;

const WRITE = {
  peers: (value) => number(value),
  download: (value) => say("unit.rate", { value: number(value / 1000, 0) }),
  upload: (value) => say("unit.rate", { value: number(value / 1000, 0) }),
  downloaded: (value) => say("unit.size", { value: number(value / 1e6, 1) }),
  uploaded: (value) => say("unit.size", { value: number(value / 1e6, 1) }),
  share: (value) => say("unit.share", { value: number(value * 100, 1) }),
};

/** Return the state that the badge shows. */
function badgeOf({ video, p2p, tracker }) {
  if (video === "idle" || video === "error" || video === "loading") return video;
  if (p2p === "none") return "direct";
  if (p2p === "alone" && tracker === "failed") return "inactive";
  return p2p;
}

/** Set a text only if it changes, so that screen readers announce it once. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export class Stage {
  #host;
  #channel = null;
  #player;

  constructor(host, settings) {
    this.#host = host;
    host.classList.add("stage");
    host.innerHTML = BODY;
    translate(host);
    this.#player = new Player(this.#find("video"), settings);
    this.#player.addEventListener("change", () => this.#show());
    this.#player.addEventListener("statistics", () => this.#showFigures());
    this.#find(".retry").addEventListener("click", () => this.open(this.#channel));
    this.#find(".full").addEventListener("click", () => this.#toggleFull());
    this.#find(".picture").addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("fullscreenchange", () => this.#showFull());
    this.#show();
    this.#showFigures();
  }

  /** Show a channel: {name, url, logo?, quality?, options?}. */
  open(channel) {
    this.#channel = channel;
    this.#showTitle();
    this.#player.open(channel);
  }

  close() {
    this.#channel = null;
    this.#player.close();
  }

  /** Write all texts again, after a change of the language. */
  refresh() {
    this.#show();
    this.#showFigures();
    this.#showFull();
  }

  #find(selector) {
    return this.#host.querySelector(selector);
  }

  #showTitle() {
    const { name, logo } = this.#channel;
    setText(this.#find("h1"), name);
    document.title = name;
    const picture = webAddress(logo ?? "") && logo ? Object.assign(new Image(), { src: webAddress(logo), alt: "" }) : null;
    const letter = name.trim().slice(0, 1).toUpperCase();
    picture?.addEventListener("error", () => picture.replaceWith(letter));
    this.#find(".logo").replaceChildren(picture ?? letter);
  }

  #show() {
    const { status } = this.#player;
    const badge = badgeOf(status);
    this.#host.dataset.video = status.video;
    this.#paint(this.#find(".badge"), BADGES[badge], say(`badge.${badge}`), ".words");
    for (const [name, colours] of Object.entries(COLOURS)) {
      this.#paint(this.#find(`[data-light=${name}]`), colours[status[name]], say(`${name}.${status[name]}`), ".value");
    }
    setText(this.#find(".quality"), this.#channel?.quality || status.quality);
    setText(this.#find(".why"), status.why ? say(`why.${status.why}`) : "");
    const isBusy = status.video === "loading" || status.video === "buffering";
    this.#find(".curtain").hidden = !isBusy;
    setText(this.#find(".curtain p"), isBusy ? say(`curtain.${status.step || "stream"}`) : "");
    const isFailed = status.error !== "";
    this.#find(".failure").hidden = !isFailed;
    setText(this.#find(".what"), isFailed ? say(`error.${status.error}`) : "");
    setText(this.#find(".detail"), status.detail);
  }

  #paint(node, colour, words, selector) {
    node.dataset.colour = colour;
    setText(node.querySelector(selector), words);
  }

  #showFigures() {
    const { figures } = this.#player;
    for (const [name, write] of Object.entries(WRITE)) {
      setText(this.#find(`[data-figure=${name}]`), figures === null ? "–" : write(figures[name]));
    }
    const percent = figures === null ? 0 : figures.share * 100;
    const track = this.#find(".track");
    track.setAttribute("aria-valuenow", percent.toFixed(1));
    track.firstElementChild.style.width = `${percent}%`;
  }

  // -- full screen ------------------------------------------------------------------------------------------------------

  async #toggleFull() {
    const picture = this.#find(".picture");
    const video = this.#find("video");
    if (document.fullscreenElement !== null) await document.exitFullscreen();
    else if (picture.requestFullscreen) await picture.requestFullscreen().catch((error) => console.warn(error));
    else video.webkitEnterFullscreen?.(); // iPhones allow full screen only for the video element
  }

  #showFull() {
    setText(this.#find(".full"), say(document.fullscreenElement === null ? "full" : "full.leave"));
  }

  /** Handle the keys f (full screen) and m (mute); the video element itself handles space and arrows. */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("button")) return;
    const video = this.#find("video");
    if (event.key === "f") void this.#toggleFull();
    else if (event.key === "m") video.muted = !video.muted;
    else return;
    event.preventDefault();
  }
}
