// What an address is: a stream for hls.js, or anything else.

const HLS_TYPES = ["application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"];
const PATIENCE = 5000; // ms

/** Give the full address if it is one of http or https; null otherwise. */
export function webAddress(text, base = location.href) {
  try {
    const url = new URL(text, base);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Tell "hls" from "plain": by the name, or else by the type that the server gives. */
export async function kindOf(address) {
  const path = new URL(address).pathname.toLowerCase();
  if (/\.m3u8$/.test(path)) return "hls";
  if (/\.(mp4|m4v|webm|ogv|ogg|mov|mp3|m4a|aac|mkv)$/.test(path)) return "plain";
  const type = (await typeOf(address, "HEAD")) ?? (await typeOf(address, "GET"));
  return HLS_TYPES.includes(type) ? "hls" : "plain";
}

async function typeOf(address, method) {
  const leave = new AbortController();
  const timer = setTimeout(() => leave.abort(), PATIENCE);
  try {
    const response = await fetch(address, { method, signal: leave.signal });
    return response.ok ? (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase() : null;
  } catch {
    return null; // another origin that lets nobody look: the video element may still play it
  } finally {
    clearTimeout(timer);
    leave.abort(); // the body is not wanted
  }
}
