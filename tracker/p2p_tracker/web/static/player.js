// Plays a channel: HLS shared with other viewers where the browser can, HLS over HTTP where it cannot, any other video as
// it is. Each channel opened is a session of its own, which takes everything with it when it is closed.
//
// For analytics and tests, the document hears of each stream that begins: an event "streamopened" whose detail has
// hls, engine (null without sharing) and video.

import { isConnected, watchSocket } from "./sockets.js";
import { Hashes, keyOf } from "./hashes.js";
import { loadHls, loadSharingHls } from "./libraries.js";
import { kindOf, webAddress } from "./source.js";
import { Traffic } from "./traffic.js";

const STATISTICS_PERIOD = 2000; // ms
const RECOVERY_PAUSE = 1000; // ms before a stream that broke off is taken up again
const MEDIA_RECOVERIES = 3; // within a session
const FALSE_DATA_SHOWN = 10_000; // ms
const PATIENCE = 5000; // ms for the tracker's answer
const OPTIONS = [
  "highDemandTimeWindow", "httpDownloadInitialTimeoutMs", "httpDownloadTimeWindow", "p2pDownloadTimeWindow",
  "simultaneousHttpDownloads", "simultaneousP2PDownloads", "webRtcMaxMessageSize", "p2pNotReceivingBytesTimeoutMs",
  "p2pInactiveLoaderDestroyTimeoutMs", "httpNotReceivingBytesTimeoutMs", "httpErrorRetries", "p2pErrorRetries",
  "segmentMemoryStorageLimit",
];

export const IDLE = { video: "idle", tracker: "none", p2p: "none", why: "", error: "", detail: "", quality: "", step: "" };

/** Keep those options that p2p-media-loader knows and that are numbers. */
export function numericOptions(given) {
  const entries = OPTIONS.map((name) => [name, given[name]]).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries.map(([name, value]) => [name, Number(value)]).filter(([, value]) => value >= 0));
}

/** A loader of segments that keeps its own: hls.js gives what it gets away to a worker, and p2p-media-loader, which has
 *  the same buffer in its storage for other viewers, would find it empty. */
function copying(Loader) {
  return class extends Loader {
    load(context, config, callbacks) {
      super.load(context, config, {
        ...callbacks,
        onSuccess: ({ data, ...response }, ...rest) => {
          callbacks.onSuccess({ ...response, data: data instanceof ArrayBuffer ? data.slice(0) : data }, ...rest);
        },
      });
    }
  };
}

/** Events: "change" (see `status`), and every two seconds "statistics" (see `figures`). */
export class Player extends EventTarget {
  #video;
  #settings;
  #session = null;
  #timer = 0;

  /** Settings: tracker (WebSocket address), and optionally latency and buffer (s), ice (false: none), p2p, upload, options. */
  constructor(video, settings) {
    super();
    this.#video = video;
    this.#settings = settings;
    this.status = { ...IDLE };
    this.figures = null;
  }

  /** Close what plays and play a channel: {url, options?}. */
  open(channel) {
    this.close();
    const session = new Session(this.#video, channel, this.#settings, (changes) => {
      if (this.#session === session) this.#change(changes);
    });
    this.#session = session;
    this.#timer = setInterval(() => this.#read(), STATISTICS_PERIOD);
    void session.start();
  }

  close() {
    clearInterval(this.#timer);
    this.#session?.close();
    this.#session = null;
    this.figures = null;
    this.status = { ...IDLE };
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("statistics"));
  }

  #change(changes) {
    Object.assign(this.status, changes);
    this.dispatchEvent(new Event("change"));
  }

  #read() {
    this.figures = this.#session.read();
    this.dispatchEvent(new Event("statistics"));
  }
}

class Session {
  #video;
  #channel;
  #settings;
  #tell;
  #isClosed = false;
  #traffic = null;
  #hls = null;
  #hashes = null;
  #mustValidate = false;
  #touched = new Set(); // segments of which peers sent a part
  #mediaRecoveries = 0;
  #hasFailed = false;
  #isShared = false;
  #listeners = new AbortController();

  constructor(video, channel, settings, tell) {
    this.#video = video;
    this.#channel = channel;
    this.#settings = settings;
    this.#tell = (changes) => {
      if (!this.#isClosed) tell(changes);
    };
  }

  async start() {
    this.#tell({ ...IDLE, video: "loading", step: "stream" });
    this.#follow();
    try {
      const address = webAddress(this.#channel.url);
      if (address === null) this.#fail("source", this.#channel.url);
      else if ((await kindOf(address)) === "hls") await this.#playHls(address);
      else this.#playPlain(address);
    } catch (error) {
      this.#fail("libraries", String(error.message ?? error));
    }
  }

  read() {
    return this.#traffic?.read() ?? null;
  }

  close() {
    this.#isClosed = true;
    this.#listeners.abort();
    this.#hls?.destroy();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #fail(error, detail = "") {
    this.#hasFailed = true;
    this.#tell({ video: "error", error, detail });
  }

  // -- the video element ------------------------------------------------------------------------------------------------

  #follow() {
    const states = { playing: "playing", pause: "paused", ended: "ended", waiting: "buffering" };
    const { signal } = this.#listeners;
    for (const [event, state] of Object.entries(states)) {
      const follow = () => {
        if (this.#hasFailed && event !== "playing") return;
        this.#hasFailed = false;
        this.#tell({ video: state, error: "", step: "buffering" });
      };
      this.#video.addEventListener(event, follow, { signal });
    }
    this.#video.addEventListener(
      "error",
      () => {
        if (this.#hls === null) this.#fail("media", this.#video.error?.message ?? "");
      },
      { signal },
    );
  }

  #playPlain(address) {
    if (this.#isClosed) return;
    this.#video.src = address;
    this.#play();
  }

  #play() {
    this.#video.play().catch((error) => {
      if (error.name !== "NotAllowedError" || this.#isClosed) return;
      this.#video.muted = true; // browsers let nothing sound that nobody asked for
      this.#video.play().catch(() => this.#tell({ video: "paused" }));
    });
  }

  // -- HLS --------------------------------------------------------------------------------------------------------------

  async #playHls(address) {
    if (globalThis.MediaSource === undefined && globalThis.ManagedMediaSource === undefined) {
      this.#tell({ p2p: "inactive", why: "native" });
      this.#playPlain(address);
      return;
    }
    this.#tell({ step: "libraries" });
    const why = this.#reasonNotToShare();
    const [Hls, iceServers] = await Promise.all([why ? loadHls() : loadSharingHls(), why ? null : this.#iceServers()]);
    if (this.#isClosed) return;
    this.#traffic = new Traffic();
    this.#tell({ step: "stream" });
    const wishes = this.#wishes();
    if (why) {
      this.#tell({ p2p: "inactive", why });
      this.#hls = new Hls(wishes);
    } else {
      this.#tell({ p2p: "connecting", tracker: "connecting" });
      const created = (hls) => this.#share(hls.p2pEngine);
      this.#hls = new Hls({ ...wishes, p2p: { core: this.#coreOptions(iceServers), onHlsJsCreated: created } });
      this.#hls.config.fLoader = copying(this.#hls.config.fLoader);
    }
    this.#watchOver(this.#hls);
    const detail = { hls: this.#hls, engine: this.#hls.p2pEngine ?? null, video: this.#video };
    document.dispatchEvent(new CustomEvent("streamopened", { detail }));
    this.#hls.loadSource(address);
    this.#hls.attachMedia(this.#video);
  }

  #wishes() {
    const { latency, buffer } = this.#settings;
    return {
      ...(latency > 0 ? { liveSyncDuration: latency } : {}),
      ...(buffer > 0 ? { maxBufferLength: buffer, maxMaxBufferLength: buffer } : {}),
    };
  }

  #watchOver(hls) {
    hls.on("hlsFragLoaded", (_, { frag }) => {
      if (!this.#isShared) this.#traffic.downloaded(frag.stats.loaded, "http"); // otherwise the library counts
    });
    hls.on("hlsManifestLoaded", (_, { sessionData }) => this.#protect(keyOf(sessionData)));
    hls.on("hlsManifestParsed", () => this.#play());
    hls.on("hlsLevelSwitched", (_, { level }) => {
      const { height } = hls.levels[level] ?? {};
      this.#tell({ quality: height ? `${height}p` : "" });
    });
    hls.on("hlsError", (_, data) => {
      if (data.fatal) this.#recover(hls, data);
    });
  }

  /** Take up again what broke off: a stream that has begun may come back at any time. */
  #recover(hls, { type, details, error, response }) {
    const detail = [details, response?.code || "", error?.message].filter(Boolean).join(" · ");
    if (type === "mediaError" && this.#mediaRecoveries < MEDIA_RECOVERIES) {
      this.#mediaRecoveries += 1;
      hls.recoverMediaError();
      return;
    }
    if (type !== "networkError") {
      this.#fail("media", detail);
      hls.destroy();
      return;
    }
    const isOpen = hls.levels.length > 0;
    if (!isOpen || this.#video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) this.#fail("network", detail);
    setTimeout(() => {
      if (this.#isClosed) return;
      if (isOpen) hls.startLoad();
      else hls.loadSource(hls.url);
    }, RECOVERY_PAUSE);
  }

  // -- sharing ----------------------------------------------------------------------------------------------------------

  #reasonNotToShare() {
    if (this.#settings.p2p === false) return "off";
    return typeof RTCPeerConnection === "undefined" ? "webrtc" : "";
  }

  #coreOptions(iceServers) {
    return {
      ...numericOptions(this.#settings.options ?? {}),
      ...numericOptions(this.#channel.options ?? {}),
      announceTrackers: [this.#settings.tracker],
      isP2PUploadDisabled: this.#settings.upload === false,
      validateP2PSegment: (url, byteRange, data) => this.#isGenuine(url, byteRange, data),
      validateHTTPSegment: (url, byteRange, data) => this.#isUntouchedOrGenuine(url, byteRange, data),
      ...(iceServers === null ? {} : { rtcConfig: { iceServers } }),
    };
  }

  #share(engine) {
    this.#isShared = true;
    this.#traffic.follow(engine);
    engine.addEventListener("onPeerConnect", () => this.#tell({ p2p: "active" }));
    engine.addEventListener("onPeerClose", () => {
      if (this.#traffic.peers === 0) this.#tell({ p2p: isConnected(this.#settings.tracker) ? "alone" : "inactive" });
    });
    // what a tracker warns of is that it does not serve this stream, or cannot be reached
    for (const event of ["onTrackerWarning", "onTrackerError"]) {
      engine.addEventListener(event, () => this.#tell({ tracker: "failed", why: "tracker" }));
    }
    engine.addEventListener("onSegmentStart", ({ segment, downloadSource }) => {
      if (downloadSource === "p2p") this.#touched.add(segment.url);
    });
    engine.addEventListener("onSegmentLoaded", ({ segmentUrl }) => this.#touched.delete(segmentUrl));
    engine.addEventListener("onSegmentError", ({ error }) => {
      if (error.type === "p2p-segment-validation-failed") this.#showFalseData();
    });
    watchSocket(this.#settings.tracker, () => this.#seeTracker(), this.#listeners.signal);
    if (isConnected(this.#settings.tracker)) this.#seeTracker();
  }

  #showFalseData() {
    this.#tell({ why: "invalid" });
    setTimeout(() => this.#tell({ why: "" }), FALSE_DATA_SHOWN);
  }

  /** Name the tracker's own STUN and TURN servers; null leaves it to the library. */
  async #iceServers() {
    if (this.#settings.ice === false) return [];
    const { iceServers } = (await this.#fetchFromTracker("/tracker/ice")) ?? {};
    return iceServers?.length > 0 ? iceServers : null;
  }

  // -- protection -------------------------------------------------------------------------------------------------------

  /** From here on believe peers only what the owner of the stream has signed. */
  #protect(key) {
    if (key === null || this.#hashes !== null) return;
    this.#mustValidate = true;
    this.#hashes = Hashes.create(key).catch((error) => {
      console.warn("segments cannot be checked", error);
      this.#hls.p2pEngine?.applyDynamicConfig({ core: { isP2PDisabled: true } });
      this.#isShared = false;
      this.#tell({ p2p: "inactive", tracker: "none", why: "hashes" });
      return null;
    });
  }

  async #isGenuine(url, byteRange, data) {
    if (!this.#mustValidate) return true;
    if (byteRange !== undefined) return false; // files are signed, not parts of them
    const hashes = await this.#hashes;
    return hashes !== null && hashes.isGenuine(url, data);
  }

  /** What came over HTTP is believed, unless a peer sent the first part of it. */
  async #isUntouchedOrGenuine(url, byteRange, data) {
    if (!this.#touched.has(url) || (await this.#isGenuine(url, byteRange, data))) return true;
    this.#touched.delete(url); // all of it is fetched anew
    return false;
  }

  // -- the tracker ------------------------------------------------------------------------------------------------------

  /** See how the tracker's socket is. */
  #seeTracker() {
    const isThere = isConnected(this.#settings.tracker);
    const hasPeers = this.#traffic.peers > 0;
    if (isThere) this.#tell({ tracker: "ready", p2p: hasPeers ? "active" : "alone", why: "" });
    else this.#tell({ tracker: "failed", p2p: hasPeers ? "active" : "inactive", why: "tracker" });
  }

  async #fetchFromTracker(path) {
    const address = new URL(this.#settings.tracker);
    address.protocol = address.protocol.replace("ws", "http");
    try {
      const response = await fetch(new URL(path + address.search, address.origin), {
        signal: AbortSignal.timeout(PATIENCE),
      });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }
}
