// What the address of a page asks of the player.

/** Settings for the player: ?tracker= (WebSocket address), latency= and buffer= (s), p2p=off, upload=off, ice=off, and options. */
export function settingsOf(parameters) {
  const own = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/tracker/ws`;
  return {
    tracker: trackerAddress(parameters.get("tracker")) ?? own,
    latency: Number(parameters.get("latency")) || 0,
    buffer: Number(parameters.get("buffer")) || 0,
    p2p: parameters.get("p2p") !== "off",
    upload: parameters.get("upload") !== "off",
    ice: parameters.get("ice") !== "off",
    options: Object.fromEntries(parameters),
  };
}

function trackerAddress(text) {
  try {
    const url = new URL(text);
    return ["ws:", "wss:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
