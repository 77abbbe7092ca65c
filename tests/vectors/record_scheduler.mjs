// Records what the scheduler of the real p2p-media-loader-core 2.3.1 does, in virtual time, with a fake tracker client,
// fake peers, fake fetch and a constant Math.random.
//
//   P2PML_MODULES=/path/to/node_modules node record_scheduler.mjs CASES.json > traces.json
//
// CASES.json is a list of {"name", "params"}; functions in params (httpBehaviour, a peer's behaviour) are texts.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.P2PML_MODULES ?? "node_modules";
const clientSource = `export default class Client {
  constructor(options) { this.options = options; this.handlers = {}; (globalThis.clients ??= []).push(this); }
  on(event, handler) { (this.handlers[event] ??= []).push(handler); }
  emit(event, ...args) { for (const handler of this.handlers[event] ?? []) handler(...args); }
  start() {}
  destroy() { this.destroyed = true; }
}`;
const clientUrl = "data:text/javascript," + encodeURIComponent(clientSource);
register("data:text/javascript," + encodeURIComponent(`export async function resolve(name, context, next) {
  return name === "bittorrent-tracker" ? { url: ${JSON.stringify(clientUrl)}, shortCircuit: true } : next(name, context);
}`));
const realImmediate = setImmediate;
globalThis.window = globalThis;
globalThis.self = globalThis;
Object.defineProperty(globalThis, "navigator", {
  value: { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/130" }, configurable: true,
});

// virtual time
let now = 0;
let serial = 0;
let timers = new Map();
performance.now = () => now;
globalThis.setTimeout = (action, ms = 0) => {
  const id = ++serial;
  timers.set(id, { at: now + Math.max(0, ms), action, id });
  return id;
};
globalThis.clearTimeout = (id) => { timers.delete(id); };
globalThis.setInterval = (action, ms) => {
  const id = ++serial;
  const arm = () => timers.set(id, { at: now + ms, action: () => { arm(); action(); }, id });
  arm();
  return id;
};
globalThis.clearInterval = globalThis.clearTimeout;
const drain = () => new Promise((done) => {
  let left = 6;
  const step = () => (--left ? realImmediate(step) : done());
  realImmediate(step);
});
async function runUntil(end) {
  await drain();
  for (;;) {
    let first;
    for (const timer of timers.values()) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.id < first.id)) first = timer;
    }
    if (!first || first.at > end) break;
    timers.delete(first.id);
    now = first.at;
    first.action();
    await drain();
  }
  now = end;
}

const library = (file) => import(pathToFileURL(path.join(modules, "p2p-media-loader-core/lib", file)).href);
const { Core } = await library("core.js");
const { generateStreamShortId } = await library("utils/stream.js");
const { deserializeCommand, isCommandChunk } = await library("p2p/commands/binary-command-creator.js");
const { serializePeerCommand } = await library("p2p/commands/commands.js");

const COMMANDS = ["announce", "request", "data", "completed", "absent", "cancel"];
const LONGEST = 65535;

async function record(name, o) {
  now = 0;
  serial = 0;
  timers = new Map();
  globalThis.clients = [];
  const draw = o.random ?? 0.5;
  Math.random = () => draw;
  const trace = [];
  const note = (ev, details = {}) => trace.push({ t: Math.round(now), ev, ...details });
  const length = o.segDur ?? 4;
  const levels = o.levels ?? [{}];
  const SOUND = 9; // the level that stands for the secondary stream
  const sizeOf = (level) => (level === SOUND ? o.sound : levels[level]).segBytes ?? o.segBytes ?? 500000;
  const httpRate = o.httpRate ?? 2_000_000;
  const httpLatency = o.httpLatency ?? 50;
  const httpBehaviour = o.httpBehaviour && eval(o.httpBehaviour);
  let channel = 0;
  const urlOf = (level, i) => `http://o/c${channel}/l${level}/seg${i}.ts`;
  const idOf = (url) => +/seg(\d+)/.exec(url)[1];
  const levelOf = (url) => +/\/l(\d+)\//.exec(url)[1];
  const named = (url) => (o.levels || o.sound ? { id: idOf(url), level: levelOf(url) } : { id: idOf(url) });

  const requests = []; // Node's requests hold their abort controllers weakly: a collected one would not be aborted
  globalThis.fetch = window.fetch = (request) => new Promise((resolve, reject) => {
    requests.push(request);
    const id = idOf(request.url);
    const size = sizeOf(levelOf(request.url));
    const range = request.headers.get("range");
    note("http_start", { ...named(request.url), range });
    const mode = httpBehaviour?.(id, now) ?? "ok";
    const ignoresRange = mode === "whole";
    const from = range && !ignoresRange ? +/bytes=(\d+)-/.exec(range)[1] : 0;
    let sent = from;
    let dead = false;
    let waiting;
    request.signal.addEventListener("abort", () => {
      dead = true;
      note("http_abort", { ...named(request.url), at_byte: sent });
      const error = new DOMException("x", "AbortError");
      reject(error);
      waiting?.reject(error);
    });
    if (mode === "hang") return;
    setTimeout(() => {
      if (dead) return;
      if (mode === "error" || mode === "refuse") {
        return resolve({ ok: false, status: mode === "error" ? 500 : 416, statusText: "err", headers: new Headers() });
      }
      const step = 100;
      const piece = Math.round((httpRate * step) / 1000);
      const end = mode === "truncate" || mode === "drop" ? from + Math.floor((size - from) / 2) : size;
      const read = () => new Promise((give, fail) => {
        waiting = { reject: fail };
        if (sent >= end) return mode === "drop" ? fail(new TypeError("network")) : give({ done: true });
        setTimeout(() => {
          if (dead) return;
          const count = Math.min(piece, end - sent);
          sent += count;
          give({ done: false, value: new Uint8Array(count) });
        }, Math.min(step, ((size - sent) / httpRate) * 1000));
      });
      const headers = new Headers({ "Content-Length": String(size - from) });
      const first = mode === "badrange" ? from + 1 : from;
      const partial = range && !ignoresRange;
      if (partial) headers.set("Content-Range", `bytes ${first}-${size - 1}/${size}`);
      resolve({
        ok: true, status: partial ? 206 : 200, statusText: "OK", headers, body: { getReader: () => ({ read }) },
      });
    }, httpLatency);
  });

  const core = new Core({ swarmId: "sim", ...(o.config ?? {}) });
  core.addEventListener("onSegmentLoaded", (d) =>
    note("loaded", { ...named(d.segmentUrl), src: d.downloadSource, peer: d.peerId }));
  core.addEventListener("onSegmentError", (d) =>
    note("error", { ...named(d.segment.url), src: d.downloadSource, peer: d.peerId, type: d.error.type }));
  core.addEventListener("onSegmentAbort", (d) =>
    note("abort", { ...named(d.segment.url), src: d.downloadSource, peer: d.peerId }));
  core.addEventListener("onPeerClose", (d) => note("peer_close", { peer: d.peerId }));
  core.setIsLive(!!o.live);
  let low = 0;
  let high = 0;
  const item = (level, i) => ({
    runtimeId: urlOf(level, i), externalId: i, url: urlOf(level, i), startTime: i * length, endTime: (i + 1) * length,
  });
  const playlistUrl = (level) => `http://o/c${channel}/l${level}.m3u8`;
  const openChannel = () => {
    low = o.live ? o.live.first : 0;
    high = o.live ? o.live.first + o.live.window : o.segments ?? 20;
    core.setManifestResponseUrl(`http://o/c${channel}/master.m3u8`);
    const openStream = (level, type, index) => {
      core.addStreamIfNoneExists({ runtimeId: playlistUrl(level), type, index });
      core.updateStream(playlistUrl(level), Array.from({ length: high - low }, (_, k) => item(level, low + k)));
    };
    levels.forEach(({ bitrate = 0 }, level) => openStream(level, "main", generateStreamShortId({ bitrate })));
    if (o.sound) openStream(SOUND, "secondary", generateStreamShortId({ language: "en" }));
  };
  openChannel();
  const bitrate = o.bitrate ?? levels[0].bitrate;
  if (bitrate) core.setActiveLevelBitrate(bitrate);
  if (o.live) {
    setInterval(() => {
      const numbers = [...levels.keys(), ...(o.sound ? [SOUND] : [])];
      numbers.forEach((level) => core.updateStream(playlistUrl(level), [item(level, high)], [urlOf(level, low)]));
      high++;
      low++;
      note("playlist", { first: low, last: high - 1 });
    }, length * 1000);
  }

  (o.peers ?? []).forEach((p, k) => {
    const id = `-PM0203-peer0000000${k}`;
    const behaviour = p.behaviour && eval(p.behaviour);
    const size = sizeOf(p.level ?? 0);
    const handlers = {};
    let down = false;
    let open = false;
    let uploading = 0;
    const connection = {
      id: Buffer.from(id).toString("hex"),
      on: (event, handler) => (handlers[event] ??= []).push(handler),
      off: (event, handler) => { handlers[event] = (handlers[event] ?? []).filter((other) => other !== handler); },
      emit: (event, ...args) => (handlers[event] ?? []).slice().forEach((handler) => handler(...args)),
      destroy: () => { if (!down) { down = true; note("conn_destroyed", { peer: id }); } },
      write: (buffer) => {
        const bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : buffer;
        if (!isCommandChunk(bytes)) {
          note("upload_chunk", { peer: id, len: bytes.length });
          return true;
        }
        const command = deserializeCommand(bytes.slice(4, -4));
        const details = { peer: id, cmd: COMMANDS[command.c] };
        if (command.i !== undefined) details.id = command.i;
        if (command.b) details.from = command.b;
        if (command.c === 0) {
          details.l = command.l ?? [];
          details.p = command.p ?? [];
        }
        note("p2p_send", details);
        if (command.c === 1) serve(command);
        if (command.c === 5) uploading++;
        return true;
      },
    };
    const tell = (command) => {
      for (const part of serializePeerCommand(command, LONGEST)) connection.emit("data", part);
    };
    const serve = ({ i, r, b = 0 }) => {
      const turn = ++uploading;
      const mode = behaviour?.(i, now) ?? "ok";
      const rtt = p.rtt ?? 40;
      const later = (ms, action) => setTimeout(() => { if (!down && turn === uploading) action(); }, ms);
      if (mode === "silent") return;
      if (mode === "absent") return void later(rtt, () => tell({ c: 4, i, r }));
      const total = size - b;
      later(rtt, () => tell({ c: 2, i, r, s: mode === "wrongsize" ? total + 1 : total }));
      let at = rtt;
      for (let offset = 0; offset < total; offset += LONGEST) {
        const count = Math.min(LONGEST, total - offset);
        at += (count / p.rate) * 1000;
        if (mode === "stall" && offset > total / 2) return;
        if (mode === "short" && offset > total / 2) break;
        if (mode === "leave" && offset > total / 2) {
          return void later(at, () => connection.emit("close"));
        }
        later(at, () => connection.emit("data", new Uint8Array(count).fill(7)));
      }
      if (mode === "overflow") later(at, () => connection.emit("data", new Uint8Array(9).fill(7)));
      later(at + 0.001, () => tell({ c: 3, i: mode === "wrongid" ? i + 1 : i, r }));
    };
    const announce = (l, p2 = []) => { if (open && !down) tell({ c: 0, l, p: p2 }); };
    setTimeout(() => {
      const client = globalThis.clients[p.client ?? 0];
      if (!client || client.destroyed) return;
      open = true;
      client.emit("peer", connection);
      connection.emit("connect");
      note("peer_connect", { peer: id });
      announce(p.have ?? []);
    }, p.at ?? 100);
    if (p.follow && o.live) {
      setInterval(() => {
        const l = [];
        for (let i = low; i < high; i++) if (i <= high - 1 - p.follow.lag) l.push(i);
        announce(l);
      }, p.follow.everyMs ?? 500);
    }
    for (const a of p.announces ?? []) setTimeout(() => announce(a.l, a.p), a.at);
    for (const wish of p.requests ?? []) {
      setTimeout(() => { if (open && !down) tell({ c: 1, i: wish.id, r: wish.r ?? 1, b: wish.from }); }, wish.at);
    }
    if (p.leaves !== undefined) setTimeout(() => { if (open && !down) connection.emit("close"); }, p.leaves);
  });

  // the player asks for one segment after the other, and keeps `buffer` seconds ahead
  const buffer = o.playerBuffer ?? 15;
  const startOf = () => (o.live ? high - 1 - Math.floor((o.live.latency ?? 18) / length) : 0);
  let level = 0;
  let rate = 1;
  let played = false;
  let paused = false;
  let stalls = 0;
  // one track, or two of which each has its own requests
  const newTrack = (isSound) => ({ isSound, next: startOf(), busy: false, asked: "" });
  let tracks = (o.sound ? [false, true] : [false]).map(newTrack);
  let position = tracks[0].next * length;
  const reached = () => Math.min(...tracks.map(({ next }) => next)) * length;
  const pump = () => tracks.forEach(pumpTrack);
  const pumpTrack = (track) => {
    if (track.busy || track.next >= high || track.next * length > position + buffer) return;
    track.busy = true;
    const i = track.next;
    const url = (track.asked = urlOf(track.isSound ? SOUND : level, i));
    note("engine_request", named(url));
    void core.loadSegment(url, {
      onSuccess: ({ bandwidth }) => {
        track.busy = false;
        played = true;
        note("engine_ok", { ...named(url), bandwidth: Math.round(bandwidth) });
        track.next = i + 1;
        pumpTrack(track);
      },
      onError: (error) => {
        note("engine_err", { ...named(url), type: error.type });
        track.busy = false;
        if (error.type !== "aborted") setTimeout(() => pumpTrack(track), 1000);
      },
    }).catch((error) => note("throw", { m: error.message.replace(/c\d+\/l\d+\//, "") }));
  };
  setTimeout(pump, 0);
  setInterval(() => {
    if (played && !paused) {
      if (position + 0.25 * rate <= reached()) position += 0.25 * rate;
      else stalls++;
      core.updatePlayback(position, rate);
    }
    pump();
  }, 250);
  for (const seek of o.seeks ?? []) {
    setTimeout(() => {
      position = seek.to;
      note("seek", { to: seek.to });
      for (const track of tracks) {
        track.next = Math.floor(position / length);
        if (!track.busy) continue;
        core.abortSegmentLoading(urlOf(track.isSound ? SOUND : level, seek.abort ?? track.next));
        track.busy = false;
      }
      core.updatePlayback(position, rate);
      pump();
    }, seek.at);
  }
  for (const change of o.rates ?? []) {
    setTimeout(() => {
      rate = change.rate;
      note("rate", { rate });
      core.updatePlayback(position, rate);
    }, change.at);
  }
  for (const pause of o.pauses ?? []) {
    setTimeout(() => { paused = true; note("pause"); }, pause.at);
    setTimeout(() => { paused = false; note("resume"); }, pause.until);
  }
  for (const change of o.switches ?? []) {
    setTimeout(() => {
      level = change.level;
      note("switch", { level });
      core.setActiveLevelBitrate(levels[level].bitrate);
      if (change.abort && tracks[0].busy) {
        core.abortSegmentLoading(tracks[0].asked);
        tracks[0].busy = false;
      }
      pump();
    }, change.at);
  }
  for (const zap of o.zaps ?? []) {
    setTimeout(() => {
      note("zap");
      core.destroy();
      channel++;
      level = 0;
      core.setIsLive(!!o.live);
      openChannel();
      if (bitrate) core.setActiveLevelBitrate(bitrate);
      tracks = tracks.map(({ isSound }) => newTrack(isSound));
      position = tracks[0].next * length;
      played = false;
      pump();
    }, zap.at);
  }
  for (const change of o.changes ?? []) {
    setTimeout(() => {
      note("config", change.config);
      core.applyDynamicConfig(change.config);
    }, change.at);
  }
  await runUntil(o.until ?? 30000);
  const counts = {};
  for (const event of trace) if (event.ev === "loaded") counts[event.src] = (counts[event.src] ?? 0) + 1;
  core.destroy();
  timers = new Map();
  return { name, params: o, loaded_counts: counts, stall_ticks: stalls, final_position: position, trace };
}

const scenarios = [];
for (const { name, params } of JSON.parse(readFileSync(process.argv[2], "utf-8"))) {
  scenarios.push(await record(name, params));
}
const note = "Math.random constant per scenario (default 0.5). Times in ms of virtual time.";
process.stdout.write(JSON.stringify({ package: "p2p-media-loader-core@2.3.1", note, scenarios }));
process.exitCode = 0;
