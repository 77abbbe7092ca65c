// Runs in every page of a measured browser before the page's own code: records events of p2p-media-loader, hls.js, the
// video element, WebRTC and the tracker's socket, and limits the viewer's uplink, which a loopback does not have.
//
// `probe.drain()` returns the events so far; t is the page's performance.now(). PROBE holds {uplink} in bytes/s or null.
(() => {
  const log = [];
  const write = (kind, fields = {}) => log.push({ t: performance.now(), kind, ...fields });
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

  // -- commands on the wire ---------------------------------------------------------------------------------------------

  const MARKS = { first: ["cstr", "dstr"], last: ["cend", "dend"] };
  const text = (bytes) => String.fromCharCode(...bytes);
  const bytesOf = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

  function isCommand(bytes) {
    return bytes.length >= 8 && MARKS.first.includes(text(bytes.subarray(0, 4))) && MARKS.last.includes(text(bytes.subarray(-4)));
  }

  const REQUEST = 1;
  const HEADER = 2;

  // -- the uplink -------------------------------------------------------------------------------------------------------

  const LATENESS = 20; // ms by which a wake-up may be late without the line counting as idle in between
  const LOOK_AGAIN = 4; // ms
  const native = {
    send: RTCDataChannel.prototype.send,
    buffered: Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "bufferedAmount").get,
  };
  const line = { rate: PROBE.uplink, turns: [], freeAt: -Infinity, isBusy: false };
  const links = new WeakMap();

  function next() {
    if (line.isBusy || line.turns.length === 0) return;
    const link = line.turns.shift();
    const now = performance.now();
    const begin = now - line.freeAt <= LATENESS ? line.freeAt : now;
    line.freeAt = begin + (link.queue[0].length / line.rate) * 1000;
    line.isBusy = true;
    setTimeout(() => {
      line.isBusy = false;
      carried(link);
      next();
    }, Math.max(0, line.freeAt - now));
  }

  function carried(link) {
    const put = () => {
      const piece = link.queue.shift();
      link.waiting -= piece.length;
      give(link, piece);
    };
    if (link.queue.length > 0) put();
    while (link.queue.length > 0 && isCommand(link.queue[0])) put();
    if (link.queue.length > 0) line.turns.push(link);
  }

  /** Fire bufferedamountlow once the bytes that wait for the line and those in the channel are few enough. */
  function settle(link) {
    const { channel } = link;
    if (!link.isFull || channel.readyState !== "open") return;
    if (channel.bufferedAmount > channel.bufferedAmountLowThreshold) {
      setTimeout(settle, LOOK_AGAIN, link);
      return;
    }
    link.isFull = false;
    channel.dispatchEvent(new Event("bufferedamountlow"));
  }

  function give(link, bytes) {
    if (link.channel.readyState !== "open") return;
    native.send.call(link.channel, bytes);
    if (!isCommand(bytes)) {
      link.sent += bytes.length;
      uploaded += bytes.length;
    }
  }

  let uploaded = 0;

  RTCDataChannel.prototype.send = function send(data) {
    const link = links.get(this);
    const bytes = bytesOf(data).slice();
    if (bytes[4] === REQUEST && isCommand(bytes)) write("request", { peer: link.peer, command: hex(bytes) });
    if (line.rate === null || (isCommand(bytes) && link.queue.length === 0)) give(link, bytes);
    else {
      link.queue.push(bytes);
      link.waiting += bytes.length;
      if (link.queue.length === 1) line.turns.push(link);
      next();
    }
    if (line.rate !== null && !link.isFull) {
      link.isFull = this.bufferedAmount > this.bufferedAmountLowThreshold;
      settle(link);
    }
  };
  Object.defineProperty(RTCDataChannel.prototype, "bufferedAmount", {
    get() {
      return native.buffered.call(this) + (links.get(this)?.waiting ?? 0);
    },
  });

  // -- connections ------------------------------------------------------------------------------------------------------

  const peers = new Map(); // ICE user fragment → peer id
  const active = new Map(); // peer id → its connection
  const connections = new Set();
  const fragment = (sdp) => /a=ice-ufrag:(\S+)/.exec(sdp)?.[1];

  class Link {
    peer = "";
    isOurs = false;
    initiated = performance.now();
    answered = null;
    opened = null;
    sent = 0;
    received = 0;
    queue = [];
    waiting = 0;
    isFull = false;
    channel = null;

    adopt(channel) {
      this.channel = channel;
      links.set(channel, this);
      channel.addEventListener("open", () => this.#open());
      channel.addEventListener("close", () => this.end());
      channel.addEventListener("message", ({ data }) => this.#receive(bytesOf(data)));
      // the channel's own event does not count: pieces may still wait for the line (see settle)
      channel.addEventListener("bufferedamountlow", (event) => {
        if (event.isTrusted && line.rate !== null) event.stopImmediatePropagation();
      });
      if (channel.readyState === "open") this.#open();
    }

    #open() {
      if (this.opened !== null) return;
      this.opened = performance.now();
      if (!active.has(this.peer)) active.set(this.peer, this);
    }

    #receive(bytes) {
      if (!isCommand(bytes)) {
        this.received += bytes.length;
        write("bytes", { peer: this.peer, count: bytes.length });
      } else if (bytes[4] === HEADER) write("header", { peer: this.peer });
    }

    end() {
      if (!connections.delete(this) || this.peer === "") return;
      const winner = active.get(this.peer);
      if (winner === this) active.delete(this.peer);
      const outcome = winner !== undefined && winner !== this ? "duplicate" : this.opened === null ? "failed" : "open";
      const unsent = this.channel === null ? 0 : native.buffered.call(this.channel);
      this.queue.length = 0;
      this.waiting = 0;
      line.turns = line.turns.filter((link) => link !== this);
      write("connection", {
        peer: this.peer, ours: this.isOurs, initiated: this.initiated, answered: this.answered, opened: this.opened,
        sent: Math.max(0, this.sent - unsent), received: this.received, outcome,
      });
    }
  }

  const NativeConnection = globalThis.RTCPeerConnection;
  if (NativeConnection !== undefined) {
    globalThis.RTCPeerConnection = class RTCPeerConnection extends NativeConnection {
      #link = new Link();

      constructor(...configuration) {
        super(...configuration);
        connections.add(this.#link);
        this.addEventListener("datachannel", ({ channel }) => this.#link.adopt(channel));
        this.addEventListener("connectionstatechange", () => {
          if (["failed", "closed"].includes(this.connectionState)) this.#link.end();
        });
      }

      createDataChannel(...options) {
        const channel = super.createDataChannel(...options);
        this.#link.adopt(channel);
        return channel;
      }

      setRemoteDescription(description) {
        this.#link.peer = peers.get(fragment(description.sdp)) ?? "";
        this.#link.isOurs = description.type === "answer";
        this.#link.answered = performance.now();
        return super.setRemoteDescription(description);
      }

      close() {
        this.#link.end();
        super.close();
      }
    };
  }

  // -- the tracker ------------------------------------------------------------------------------------------------------

  const NativeSocket = globalThis.WebSocket;
  globalThis.WebSocket = class WebSocket extends NativeSocket {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => heard(data));
    }

    send(data) {
      said(data);
      super.send(data);
    }
  };

  function said(data) {
    const { action, offers, event, peer_id: peer } = JSON.parse(data);
    if (action === "announce" && offers !== undefined) write("announce", { event: event ?? "", offers: offers.length, peer });
  }

  function heard(data) {
    const { offer, answer, complete, incomplete, peer_id: peer } = JSON.parse(data);
    if (complete !== undefined) write("counted", { peers: complete + incomplete });
    const description = offer ?? answer;
    if (description === undefined) return;
    peers.set(fragment(description.sdp), peer);
    write(offer === undefined ? "answer" : "offer");
  }

  // -- HTTP -------------------------------------------------------------------------------------------------------------

  const nativeFetch = globalThis.fetch;
  globalThis.fetch = async (resource, options) => {
    const url = resource instanceof Request ? resource.url : String(resource);
    const isSegment = new URL(url, location.href).pathname.endsWith(".ts");
    const range = isSegment && resource instanceof Request ? resource.headers.get("Range") : null;
    if (range !== null) write("range", { url, first: Number(/bytes=(\d+)/.exec(range)?.[1] ?? 0) });
    const response = await nativeFetch(resource, options);
    if (isSegment && response.body !== null && response.ok) count(response.body, url);
    return response;
  };

  function count(body, url) {
    const getReader = body.getReader.bind(body);
    body.getReader = (...options) => {
      const reader = getReader(...options);
      const read = reader.read.bind(reader);
      reader.read = async () => {
        const piece = await read();
        if (!piece.done) write("chunk", { url, count: piece.value.byteLength });
        return piece;
      };
      return reader;
    };
  }

  // -- the player -------------------------------------------------------------------------------------------------------

  let stream = null;
  const attempts = new Map(); // those under way
  let sampling = 0;
  const connected = new Set();

  async function digest(segment, data) {
    const size = data.byteLength;
    const value = await crypto.subtle.digest("SHA-256", data);
    write("held", { segment, size, digest: hex(new Uint8Array(value)) });
  }

  const nameOf = ({ segment, source, peer }) => `${segment} ${source} ${peer}`;

  function begin(attempt, url) {
    attempts.set(nameOf(attempt), attempt);
    write("start", { ...attempt, url });
  }

  function end(attempt, outcome, more = {}) {
    attempts.delete(nameOf(attempt));
    write("end", { ...attempt, outcome, ...more });
  }

  function followEngine(engine) {
    const numbers = new Map();
    engine.addEventListener("onSegmentStart", ({ segment, downloadSource, peerId }) => {
      numbers.set(segment.url, segment.externalId);
      begin({ segment: segment.externalId, source: downloadSource, peer: peerId ?? "" }, segment.url);
    });
    const ended = (segment, source, peerId, outcome) => end({ segment, source, peer: peerId ?? "" }, outcome);
    engine.addEventListener("onSegmentLoaded", ({ segmentUrl, downloadSource, peerId }) =>
      ended(numbers.get(segmentUrl), downloadSource, peerId, "loaded"),
    );
    engine.addEventListener("onSegmentError", ({ segment, downloadSource, peerId, error }) =>
      ended(segment.externalId, downloadSource, peerId, error.type),
    );
    engine.addEventListener("onSegmentAbort", ({ segment, downloadSource, peerId }) =>
      ended(segment.externalId, downloadSource, peerId, "abort"),
    );
    engine.addEventListener("onPeerConnect", ({ peerId }) => connected.add(peerId));
    engine.addEventListener("onPeerClose", ({ peerId }) => connected.delete(peerId));
    engine.addEventListener("onTrackerWarning", ({ warning }) => write("warning", { text: String(warning) }));
    const validate = engine.getConfig().core.mainStream.validateP2PSegment;
    const validateP2PSegment = async (url, range, data) => {
      const isValid = validate === undefined || (await validate(url, range, data));
      if (isValid) await digest(numbers.get(url), data);
      return isValid;
    };
    engine.applyDynamicConfig({ core: { validateP2PSegment } });
  }

  function followHls(hls) {
    const Loader = hls.config.fLoader ?? hls.config.loader;
    hls.config.fLoader = class extends Loader {
      load(context, config, callbacks) {
        super.load(context, config, {
          ...callbacks,
          onSuccess: (response, ...rest) => {
            void digest(context.frag.sn, response.data);
            callbacks.onSuccess(response, ...rest);
          },
        });
      }
    };
    hls.on("hlsFragLoading", (_, { frag }) => write("asked", { segment: frag.sn, start: frag.start }));
    hls.on("hlsFragChanged", (_, { frag }) => write("changed", { segment: frag.sn, start: frag.start, ...place() }));
    hls.on("hlsError", (_, { details, fatal }) => write("error", { text: details, fatal }));
  }

  /** Without p2p-media-loader, hls.js loads the segments. */
  function followLoading(hls) {
    const attempt = ({ sn }) => ({ segment: sn, source: "http", peer: "" });
    hls.on("hlsFragLoading", (_, { frag }) => begin(attempt(frag), frag.url));
    hls.on("hlsFragLoaded", (_, { frag }) => {
      const { loaded, loading } = frag.stats;
      write("chunk", { t: loading.first, url: frag.url, count: loaded });
      end(attempt(frag), "loaded", { t: loading.end });
    });
    hls.on("hlsError", (_, { frag, details }) => {
      if (details.startsWith("fragLoad")) end(attempt(frag), "http-error");
    });
  }

  function place() {
    const { buffered, currentTime: position } = stream.video;
    let end = position;
    for (let index = 0; index < buffered.length; index += 1) {
      if (buffered.start(index) <= position + 0.1 && buffered.end(index) >= position) end = buffered.end(index);
    }
    return { position, buffer: end - position };
  }

  function shown() {
    const figure = (name) => document.querySelector(`[data-figure=${name}]`)?.textContent ?? "";
    return Object.fromEntries(["peers", "share", "downloaded", "uploaded"].map((name) => [name, figure(name)]));
  }

  document.addEventListener("streamopened", ({ detail }) => {
    stream = detail;
    write("opened");
    followHls(stream.hls);
    if (stream.engine === null) followLoading(stream.hls);
    else followEngine(stream.engine);
    for (const state of ["playing", "waiting", "ended"]) {
      stream.video.addEventListener(state, () => write(state, place()));
    }
    sampling = setInterval(() => write("sample", { peers: connected.size, uploaded, ...place(), shown: shown() }), PROBE.period * 1000);
  });

  // -- leaving ----------------------------------------------------------------------------------------------------------

  const isQuiet = () => attempts.size === 0 && [...connections].every(({ waiting, channel }) => waiting === 0 && (channel === null || native.buffered.call(channel) === 0));
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Leave: send no more requests, accept none, wait for bytes in flight, then close. */
  async function leave(patience) {
    if (stream === null) return;
    const { hls, engine } = stream;
    clearInterval(sampling);
    write("leaving", { uploaded, peers: connected.size, ...place(), shown: shown() });
    const deadline = performance.now() + patience;
    hls.stopLoad();
    engine?.applyDynamicConfig({ core: { simultaneousHttpDownloads: 0, simultaneousP2PDownloads: 0, isP2PUploadDisabled: true } });
    while (!isQuiet() && performance.now() < deadline) await pause(20);
    await pause(200);
    write("left", { uploaded, peers: connected.size, ...place() });
    hls.destroy();
    finish();
  }

  /** Record the end of what is still open. */
  function finish() {
    for (const attempt of [...attempts.values()]) end(attempt, "abort");
    for (const link of [...connections]) link.end();
  }

  globalThis.probe = { drain: () => log.splice(0), leave, finish };
})();
