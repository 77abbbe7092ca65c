// Player of a channel: HLS shared with other viewers if the browser supports it, HLS over HTTP otherwise, and any other
// video over HTTP. Each opened channel is a session, which releases everything that it uses when it is closed.
//
// For analytics and tests, each stream that is opened dispatches the event "streamopened" on the document; its detail has
// hls, engine (null without sharing) and video.

import { isConnected, watchSocket } from "./sockets.js";
import { Hashes, keyOf } from "./hashes.js";
import { loadHls, loadSharingHls } from "./libraries.js";
import { kindOf, webAddress } from "./source.js";
import { Traffic } from "./traffic.js";

const STATISTICS_PERIOD = 2000; // ms
const RECOVERY_PAUSE = 1000; // ms before an interrupted stream is loaded again
const MEDIA_RECOVERIES = 3; // at most, per session
const FORGED_DATA_SHOWN = 10_000; // ms
const TIMEOUT = 5000; // ms for a response of the tracker
const OPTIONS = [
  "highDemandTimeWindow", "httpDownloadInitialTimeoutMs", "httpDownloadTimeWindow", "p2pDownloadTimeWindow",
  "simultaneousHttpDownloads", "simultaneousP2PDownloads", "webRtcMaxMessageSize", "p2pNotReceivingBytesTimeoutMs",
  "p2pInactiveLoaderDestroyTimeoutMs", "httpNotReceivingBytesTimeoutMs", "httpErrorRetries", "p2pErrorRetries",
  "segmentMemoryStorageLimit",
];

export const IDLE = { video: "idle", tracker: "none", p2p: "none", why: "", error: "", detail: "", quality: "", step: "" };

/** Return the numeric options of p2p-media-loader among `given`. */
export function numericOptions(given) {
  const entries = OPTIONS.map((name) => [name, given[name]]).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries.map(([name, value]) => [name, Number(value)]).filter(([, value]) => value >= 0));
}

/**
 * Return a loader class that passes copies of segments to hls.js. hls.js transfers the buffer to a worker, which would
 * empty the segment that p2p-media-loader stores for other viewers.
 */
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

/** Player; it dispatches "change" (see `status`), and "statistics" every two seconds (see `figures`). */
export class Player extends EventTarget {
  #video;
  #settings;
  #session = null;
  #timer = 0;

  /** `settings` are those of settings.js; only `tracker` is required. */
  constructor(video, settings) {
    super();
    this.#video = video;
    this.#settings = settings;
    this.status = { ...IDLE };
    this.figures = null;
  }

  /** Play a channel {url, options?} in place of the current one. */
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
  #update;
  #isClosed = false;
  #traffic = null;
  #hls = null;
  #hashes = null;
  #mustValidate = false;
  #startedByPeers = new Set(); // URLs of segments of which a peer sent the first part
  #mediaRecoveries = 0;
  #hasFailed = false;
  #isShared = false;
  #listeners = new AbortController();

  constructor(video, channel, settings, update) {
    this.#video = video;
    this.#channel = channel;
    this.#settings = settings;
    this.#update = (changes) => {
      if (!this.#isClosed) update(changes);
    };
  }

  async start() {
    this.#update({ ...IDLE, video: "loading", step: "stream" });
    this.#listenToVideo();
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
    this.#update({ video: "error", error, detail });
  }

  // -- the video element ------------------------------------------------------------------------------------------------

  #listenToVideo() {
    const states = { playing: "playing", pause: "paused", ended: "ended", waiting: "buffering" };
    const { signal } = this.#listeners;
    for (const [event, state] of Object.entries(states)) {
      const follow = () => {
        if (this.#hasFailed && event !== "playing") return;
        this.#hasFailed = false;
        this.#update({ video: state, error: "", step: "buffering" });
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
      this.#video.muted = true; // browsers forbid autoplay with sound
      this.#video.play().catch(() => this.#update({ video: "paused" }));
    });
  }

  // -- HLS --------------------------------------------------------------------------------------------------------------

  async #playHls(address) {
    if (globalThis.MediaSource === undefined && globalThis.ManagedMediaSource === undefined) {
      this.#update({ p2p: "inactive", why: "native" });
      this.#playPlain(address);
      return;
    }
    this.#update({ step: "libraries" });
    const why = this.#reasonNotToShare();
    const [Hls, iceServers] = await Promise.all([why ? loadHls() : loadSharingHls(), why ? null : this.#iceServers()]);
    if (this.#isClosed) return;
    this.#traffic = new Traffic();
    this.#update({ step: "stream" });
    const hlsOptions = this.#hlsOptions();
    if (why) {
      this.#update({ p2p: "inactive", why });
      this.#hls = new Hls(hlsOptions);
    } else {
      this.#update({ p2p: "connecting", tracker: "connecting" });
      const created = (hls) => this.#share(hls.p2pEngine);
      this.#hls = new Hls({ ...hlsOptions, p2p: { core: this.#coreOptions(iceServers), onHlsJsCreated: created } });
      this.#hls.config.fLoader = copying(this.#hls.config.fLoader);
    }
    this.#listenToHls(this.#hls);
    const detail = { hls: this.#hls, engine: this.#hls.p2pEngine ?? null, video: this.#video };
    document.dispatchEvent(new CustomEvent("streamopened", { detail }));
    this.#hls.loadSource(address);
    this.#hls.attachMedia(this.#video);
  }

  #hlsOptions() {
    const { latency, buffer } = this.#settings;
    return {
      ...(latency > 0 ? { liveSyncDuration: latency } : {}),
      ...(buffer > 0 ? { maxBufferLength: buffer, maxMaxBufferLength: buffer } : {}),
    };
  }

  #listenToHls(hls) {
    hls.on("hlsFragLoaded", (_, { frag }) => {
      if (!this.#isShared) this.#traffic.downloaded(frag.stats.loaded, "http"); // with sharing, the engine reports all bytes
    });
    hls.on("hlsManifestLoaded", (_, { sessionData }) => this.#protect(keyOf(sessionData)));
    hls.on("hlsManifestParsed", () => this.#play());
    hls.on("hlsLevelSwitched", (_, { level }) => {
      const { height } = hls.levels[level] ?? {};
      this.#update({ quality: height ? `${height}p` : "" });
    });
    hls.on("hlsError", (_, data) => {
      if (data.fatal) this.#recover(hls, data);
    });
  }

  /** Resume loading after an error, as often as necessary: an interrupted stream may return at any time. */
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
      validateHTTPSegment: (url, byteRange, data) => this.#isFromHttpOrGenuine(url, byteRange, data),
      ...(iceServers === null ? {} : { rtcConfig: { iceServers } }),
    };
  }

  #share(engine) {
    this.#isShared = true;
    this.#traffic.follow(engine);
    engine.addEventListener("onPeerConnect", () => this.#update({ p2p: "active" }));
    engine.addEventListener("onPeerClose", () => {
      if (this.#traffic.peers === 0) this.#update({ p2p: isConnected(this.#settings.tracker) ? "alone" : "inactive" });
    });
    // a warning means that the tracker refuses this stream or cannot be reached
    for (const event of ["onTrackerWarning", "onTrackerError"]) {
      engine.addEventListener(event, () => this.#update({ tracker: "failed", why: "tracker" }));
    }
    engine.addEventListener("onSegmentStart", ({ segment, downloadSource }) => {
      if (downloadSource === "p2p") this.#startedByPeers.add(segment.url);
    });
    engine.addEventListener("onSegmentLoaded", ({ segmentUrl }) => this.#startedByPeers.delete(segmentUrl));
    engine.addEventListener("onSegmentError", ({ error }) => {
      if (error.type === "p2p-segment-validation-failed") this.#showForgedData();
    });
    watchSocket(this.#settings.tracker, () => this.#updateTracker(), this.#listeners.signal);
    if (isConnected(this.#settings.tracker)) this.#updateTracker();
  }

  #showForgedData() {
    this.#update({ why: "invalid" });
    setTimeout(() => this.#update({ why: "" }), FORGED_DATA_SHOWN);
  }

  /** Return the STUN and TURN servers that the tracker lists; null means the defaults of the library. */
  async #iceServers() {
    if (this.#settings.ice === false) return [];
    const { iceServers } = (await this.#fetchFromTracker("/tracker/ice")) ?? {};
    return iceServers?.length > 0 ? iceServers : null;
  }

  // -- protection -------------------------------------------------------------------------------------------------------

  /** From now on accept a segment from a peer only if the owner of the stream has signed its hash. */
  #protect(key) {
    if (key === null || this.#hashes !== null) return;
    this.#mustValidate = true;
    this.#hashes = Hashes.create(key).catch((error) => {
      console.warn("segments cannot be checked", error);
      this.#hls.p2pEngine?.applyDynamicConfig({ core: { isP2PDisabled: true } });
      this.#isShared = false;
      this.#update({ p2p: "inactive", tracker: "none", why: "hashes" });
      return null;
    });
  }

  async #isGenuine(url, byteRange, data) {
    if (!this.#mustValidate) return true;
    if (byteRange !== undefined) return false; // whole files are signed, not parts of them
    const hashes = await this.#hashes;
    return hashes !== null && hashes.isGenuine(url, data);
  }

  /** Return whether an HTTP segment is accepted: without a check, unless a peer sent its first part. */
  async #isFromHttpOrGenuine(url, byteRange, data) {
    if (!this.#startedByPeers.has(url) || (await this.#isGenuine(url, byteRange, data))) return true;
    this.#startedByPeers.delete(url); // the whole segment is requested again
    return false;
  }

  // -- the tracker ------------------------------------------------------------------------------------------------------

  /** Update the states of tracker and sharing from the tracker's socket. */
  #updateTracker() {
    const isThere = isConnected(this.#settings.tracker);
    const hasPeers = this.#traffic.peers > 0;
    if (isThere) this.#update({ tracker: "ready", p2p: hasPeers ? "active" : "alone", why: "" });
    else this.#update({ tracker: "failed", p2p: hasPeers ? "active" : "inactive", why: "tracker" });
  }

  async #fetchFromTracker(path) {
    const address = new URL(this.#settings.tracker);
    address.protocol = address.protocol.replace("ws", "http");
    try {
      const response = await fetch(new URL(path + address.search, address.origin), {
        signal: AbortSignal.timeout(TIMEOUT),
      });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }
}
