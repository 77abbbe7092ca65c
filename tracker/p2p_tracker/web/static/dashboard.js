// Dashboard: polls the statistics of the tracker every two seconds.

import { Chart } from "./chart.js";

const PERIOD = 2000; // ms between two requests
const TIMEOUT = 5000; // ms for a response

const element = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const rates = new Chart(element("rates"), ["Announces", "Offers", "Answers"]);
const traffic = new Chart(element("traffic"), ["In", "Out"]);
const population = new Chart(element("population"), ["Peers"]);
let previous = null;
let chosen = null;

async function fetchJson(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}

function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, unit] of parts) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

function showState(state, text) {
  element("state").dataset.state = state;
  element("state").textContent = text;
}

function showTiles(now) {
  for (const name of ["swarms", "peers", "connections", "offers", "answers", "failures"]) {
    element(name).textContent = count.format(now[name]);
  }
  element("memory").textContent = `${Math.round(now.memory / 2 ** 20)} MiB`;
  element("uptime").textContent = duration(now.uptime);
}

function showRates(now) {
  // after a restart the counters begin at zero
  if (previous !== null && now.uptime > previous.uptime) {
    const seconds = now.uptime - previous.uptime;
    const rate = (name) => (now[name] - previous[name]) / seconds;
    rates.add(["announces", "offers", "answers"].map(rate));
    traffic.add(["bytes_received", "bytes_sent"].map((name) => rate(name) / 1000));
    element("work").textContent = `${Math.round(rate("cpu") * 100)} %`;
  }
  population.add([now.peers]);
  previous = now;
}

function row(swarm) {
  const line = document.createElement("tr");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = swarm.name;
  button.addEventListener("click", () => {
    chosen = swarm;
    showMembers().then(() => element("detail").scrollIntoView({ block: "nearest" }));
  });
  for (const content of [button, swarm.size, swarm.complete]) {
    line.insertCell().append(content);
  }
  return line;
}

function showSwarms(now) {
  const swarms = now.largest ?? [];
  const focused = document.activeElement?.textContent;
  element("list").replaceChildren(...swarms.map(row));
  for (const button of element("list").querySelectorAll("button")) {
    if (button.textContent === focused) button.focus();
  }
  element("empty").hidden = swarms.length > 0;
}

async function showMembers() {
  if (chosen === null) return;
  element("detail").hidden = false;
  element("chosen").textContent = chosen.name;
  let names;
  try {
    names = (await fetchJson(`/tracker/peers/${chosen.info_hash}`)).peers.map((peer) => peer.name);
  } catch {
    names = ["This swarm has no peers any more."];
  }
  element("members").replaceChildren(
    ...names.map((name) => {
      const item = document.createElement("li");
      item.textContent = name;
      return item;
    }),
  );
}

async function poll() {
  try {
    const now = await fetchJson("/tracker/stats");
    showTiles(now);
    showRates(now);
    showSwarms(now);
    await showMembers();
    showState("live", "Live");
  } catch (error) {
    showState("error", "The tracker does not answer");
    console.warn(error);
  }
  setTimeout(poll, PERIOD);
}

poll();
