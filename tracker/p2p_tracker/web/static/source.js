// Kind of a video address: HLS, or anything else.

const HLS_TYPES = ["application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"];
const TIMEOUT = 5000; // ms

/** Return the absolute URL if it is one of http or https, and null otherwise. */
export function webAddress(text, base = location.href) {
  try {
    const url = new URL(text, base);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Return "hls" or "plain": by the file name, or else by the content type that the server states. */
export async function kindOf(address) {
  const path = new URL(address).pathname.toLowerCase();
  if (/\.m3u8$/.test(path)) return "hls";
  if (/\.(mp4|m4v|webm|ogv|ogg|mov|mp3|m4a|aac|mkv)$/.test(path)) return "plain";
  const type = (await typeOf(address, "HEAD")) ?? (await typeOf(address, "GET"));
  return HLS_TYPES.includes(type) ? "hls" : "plain";
}

async function typeOf(address, method) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT);
  try {
    const response = await fetch(address, { method, signal: controller.signal });
    return response.ok ? (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase() : null;
  } catch {
    return null; // CORS forbids to read the response; the video element may still play it
  } finally {
    clearTimeout(timer);
    controller.abort(); // the body is not needed
  }
}
