// Settings of the player from the URL of the page.

/**
 * Return the settings: tracker= (WebSocket URL), latency= and buffer= (seconds), p2p=off, upload=off, ice=off, and
 * options of p2p-media-loader by their names.
 */
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
