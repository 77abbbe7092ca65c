// Tells whether the tracker's socket is open. p2p-media-loader says so little of its tracker (not when it is connected, and
// not when it is lost) that the sockets themselves are watched; this module must be loaded before the library.

const open = new Map(); // address → sockets
const listeners = new Set();

function tell(address) {
  for (const listener of listeners) listener(address);
}

globalThis.WebSocket = class WebSocket extends globalThis.WebSocket {
  constructor(...options) {
    super(...options);
    if (!open.has(this.url)) open.set(this.url, new Set());
    const sockets = open.get(this.url);
    this.addEventListener("open", () => {
      sockets.add(this);
      tell(this.url);
    });
    this.addEventListener("close", () => {
      sockets.delete(this);
      tell(this.url);
    });
  }
};

/** Tell whether there is an open socket to an address. */
export function isConnected(address) {
  return (open.get(new URL(address).href)?.size ?? 0) > 0;
}

/** Call `changed` whenever a socket to the address opens, closes or cannot be opened, until the signal aborts. */
export function watchSocket(address, changed, signal) {
  const wanted = new URL(address).href;
  const listener = (url) => url === wanted && changed();
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}
