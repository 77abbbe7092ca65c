// Drives real clients of the bittorrent-tracker package; reads commands and prints events as JSON lines.
//
//   node --import ./without_webrtc.mjs client.mjs PATH_OF_CLIENT URL

import { createInterface } from "node:readline";

const [modulePath, url] = process.argv.slice(2);
const { default: Client } = await import(modulePath);

// waits of ten seconds and more (reconnection, with its random part) pass fifty times as fast
const wait = globalThis.setTimeout;
globalThis.setTimeout = (callback, ms, ...rest) => wait(callback, ms >= 10000 ? ms / 50 : ms, ...rest);
Math.random = () => 0;

const clients = {};
const say = (event) => console.log(JSON.stringify(event));

function start({ name, infoHash, peerId }) {
  const client = new Client({ infoHash, peerId, announce: [url], port: 6881, wrtc: globalThis.wrtc });
  for (const kind of ["update", "scrape"]) {
    client.on(kind, (data) => say({ name, kind, complete: data.complete, incomplete: data.incomplete }));
  }
  client.on("peer", (peer) => say({ name, kind: "peer", id: peer.id }));
  client.on("warning", (error) => say({ name, kind: "warning", text: error.message }));
  client.on("error", (error) => say({ name, kind: "error", text: error.message }));
  clients[name] = client;
  client.start();
}

const commands = {
  start,
  update: ({ name, ...options }) => clients[name].update(options),
  complete: ({ name }) => clients[name].complete(),
  scrape: ({ name }) => clients[name].scrape(),
  stop: ({ name }) => clients[name].stop(),
};

process.on("uncaughtException", (error) => say({ kind: "crash", text: String(error.stack) }));
say({ kind: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  commands[command](options);
}
process.exit(0);
