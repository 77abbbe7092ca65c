// Observes whether the tracker's WebSocket is open. p2p-media-loader reports neither that its tracker is connected nor that
// the connection is lost; therefore the sockets are observed. This module must be loaded before the library.

const open = new Map(); // URL → open sockets
const listeners = new Set();

function notify(address) {
  for (const listener of listeners) listener(address);
}

globalThis.WebSocket = class WebSocket extends globalThis.WebSocket {
  constructor(...options) {
    super(...options);
    if (!open.has(this.url)) open.set(this.url, new Set());
    const sockets = open.get(this.url);
    this.addEventListener("open", () => {
      sockets.add(this);
      notify(this.url);
    });
    this.addEventListener("close", () => {
      sockets.delete(this);
      notify(this.url);
    });
  }
};

/** Return whether a socket to an address is open. */
export function isConnected(address) {
  return (open.get(new URL(address).href)?.size ?? 0) > 0;
}

/** Call `changed` when a socket to the address opens, closes or fails to open, until the signal aborts. */
export function watchSocket(address, changed, signal) {
  const wanted = new URL(address).href;
  const listener = (url) => url === wanted && changed();
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}
