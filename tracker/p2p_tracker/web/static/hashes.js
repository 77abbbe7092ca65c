// Verification of segments against hashes that the owner of the stream has signed.
//
// The master playlist names an Ed25519 key (EXT-X-SESSION-DATA, see DATA_ID). The folder of the segments has a file
// hashes.json: {"signed": text, "signature": base64}. The text is JSON with the SHA-256 of each file of the folder.

const DATA_ID = "p2psim.segment-hashes";
const NAME = "hashes.json";
const PAUSE = 500; // ms; the pauses between attempts to fetch a list that lacks a segment grow by this
const ATTEMPTS = 4;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const hexOf = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Return the public key that a master playlist names, or null. */
export function keyOf(sessionData) {
  return sessionData?.[DATA_ID]?.VALUE ?? null;
}

export class Hashes {
  #key;
  #lists = new Map();

  /** Return the hashes of a stream; throws if the key is invalid or this browser cannot verify signatures. */
  static async create(key) {
    const imported = await crypto.subtle.importKey("raw", bytesOf(key), "Ed25519", false, ["verify"]);
    return new Hashes(imported);
  }

  constructor(key) {
    this.#key = key;
  }

  /** Return whether a segment has the hash that the list states; a segment that is not listed is not genuine. */
  async isGenuine(url, data) {
    const computed = crypto.subtle.digest("SHA-256", data);
    const expected = await this.#expected(url);
    return expected !== null && expected === hexOf(await computed);
  }

  async #expected(url) {
    const address = new URL(NAME, url).href;
    const folder = new URL(".", url).pathname;
    const name = new URL(url).pathname.slice(folder.length);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const list = await this.#list(address, folder, attempt > 0);
      if (list !== null && Object.hasOwn(list, name)) return list[name];
      await wait(attempt * PAUSE);
    }
    return null;
  }

  /** Return the list of a folder, fetched again if `isStale`; simultaneous calls share one request. */
  #list(address, folder, isStale) {
    let entry = this.#lists.get(address);
    if (entry === undefined || (isStale && entry.isDone)) {
      entry = { isDone: false };
      entry.list = this.#fetch(address, folder).finally(() => {
        entry.isDone = true;
      });
      this.#lists.set(address, entry);
    }
    return entry.list;
  }

  async #fetch(address, folder) {
    try {
      const response = await fetch(address, { cache: "no-store" });
      const { signed, signature } = await response.json();
      const text = new TextEncoder().encode(signed);
      if (!(await crypto.subtle.verify("Ed25519", this.#key, bytesOf(signature), text))) return null;
      const { version, stream, segments } = JSON.parse(signed);
      return version === 1 && stream === folder ? segments : null;
    } catch {
      return null; // without a valid list no segment is genuine
    }
  }
}
