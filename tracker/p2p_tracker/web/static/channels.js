// Channels page: a searchable list, and the player beside it.

import { settingsOf } from "./settings.js";
import { Stage } from "./stage.js";
import { offerLanguages, say, translate } from "./strings.js";

const element = (id) => document.getElementById(id);

let channels = null; // null until the list is loaded
let failure = "";
let current = null;
let stage = null;

/** Return a text without case and accents, for comparison. */
const normalized = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function entry(channel) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "channel";
  const logo = Object.assign(document.createElement("span"), { className: "logo", textContent: channel.name.slice(0, 1) });
  logo.setAttribute("aria-hidden", "true");
  if (channel.logo) {
    const picture = Object.assign(new Image(), { src: channel.logo, alt: "", loading: "lazy" });
    picture.addEventListener("error", () => picture.replaceWith(channel.name.slice(0, 1)));
    logo.replaceChildren(picture);
  }
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: channel.name });
  const more = Object.assign(document.createElement("span"), { className: "more" });
  more.textContent = [channel.group, channel.quality].filter(Boolean).join(" · ");
  button.append(logo, name, more);
  button.addEventListener("click", () => choose(channel));
  item.append(button);
  return Object.assign(item, { channel });
}

function choose(channel) {
  if (channel === current) return;
  current = channel;
  history.replaceState(null, "", `#${encodeURIComponent(channel.name)}`);
  element("choose").hidden = true;
  element("stage").hidden = false;
  stage ??= new Stage(element("stage"), settingsOf(new URLSearchParams(location.search)));
  stage.open(channel);
  markCurrent();
}

function markCurrent() {
  for (const item of element("list").children) {
    const button = item.firstElementChild;
    if (item.channel === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** Show the channels that contain every word of the search. */
function filter() {
  const words = element("search").value.trim();
  const parts = normalized(words).split(/\s+/);
  let count = 0;
  for (const item of element("list").children) {
    const { name, group, quality } = item.channel;
    const text = normalized(`${name} ${group} ${quality}`);
    item.hidden = !parts.every((part) => text.includes(part));
    if (!item.hidden) count += 1;
  }
  element("state").textContent = stateOf(count, words);
}

function stateOf(count, words) {
  if (failure !== "") return `${say("list.failed")} ${failure}`;
  if (channels === null) return say("list.loading");
  if (channels.length === 0) return say("list.empty");
  if (count === 0) return say("search.none", { words });
  return say("list.count", { count, all: channels.length });
}

async function load() {
  failure = "";
  element("reload").hidden = true;
  try {
    const response = await fetch("/channels.json");
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
    channels = answer;
    element("list").replaceChildren(...channels.map(entry));
    openNamed();
  } catch (error) {
    failure = error.message;
    element("reload").hidden = false;
  }
  element("state").dataset.failed = failure !== "";
  filter();
}

/** Open the channel that the fragment of the URL names. */
function openNamed() {
  const name = decodeURIComponent(location.hash.slice(1));
  const named = channels.find((channel) => channel.name === name);
  if (named !== undefined) choose(named);
}

translate();
document.title = say("page.channels");
offerLanguages(element("language"), () => {
  filter();
  stage?.refresh();
  if (current === null) document.title = say("page.channels");
});
element("search").addEventListener("input", filter);
element("list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const buttons = [...element("list").querySelectorAll("li:not([hidden]) button")];
  buttons[buttons.indexOf(document.activeElement) + step]?.focus();
  event.preventDefault();
});
element("reload").addEventListener("click", load);
addEventListener("hashchange", () => channels !== null && openNamed());
filter();
void load();
