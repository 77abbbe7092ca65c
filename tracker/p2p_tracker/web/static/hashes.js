// Holds segments to the hashes that the stream's owner has signed, so that nobody can pass off other bytes.
//
// The master playlist names an Ed25519 key (EXT-X-SESSION-DATA, see DATA_ID). Beside the segments lies hashes.json:
// {"signed": text, "signature": base64}, where the text is JSON with the SHA-256 of each file of its folder.

const DATA_ID = "p2psim.segment-hashes";
const NAME = "hashes.json";
const PAUSE = 500; // ms between two looks at a list that lacks a segment
const LOOKS = 4;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const hexOf = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Give the key that a master playlist names; null if it names none. */
export function keyOf(sessionData) {
  return sessionData?.[DATA_ID]?.VALUE ?? null;
}

export class Hashes {
  #key;
  #lists = new Map();

  /** Throws if this browser cannot check signatures, or the key is none. */
  static async create(key) {
    const imported = await crypto.subtle.importKey("raw", bytesOf(key), "Ed25519", false, ["verify"]);
    return new Hashes(imported);
  }

  constructor(key) {
    this.#key = key;
  }

  /** Tell whether a segment's bytes are those of the owner; what no list names is not. */
  async isGenuine(url, data) {
    const computed = crypto.subtle.digest("SHA-256", data);
    const expected = await this.#expected(url);
    return expected !== null && expected === hexOf(await computed);
  }

  async #expected(url) {
    const address = new URL(NAME, url).href;
    const folder = new URL(".", url).pathname;
    const name = new URL(url).pathname.slice(folder.length);
    for (let look = 0; look < LOOKS; look += 1) {
      const list = await this.#list(address, folder, look > 0);
      if (list !== null && Object.hasOwn(list, name)) return list[name];
      await wait(look * PAUSE);
    }
    return null;
  }

  /** Give a folder's list, fetched anew if asked; several that ask at once get the same. */
  #list(address, folder, isStale) {
    let found = this.#lists.get(address);
    if (found === undefined || (isStale && found.isDone)) {
      found = { isDone: false };
      found.list = this.#fetch(address, folder).finally(() => {
        found.isDone = true;
      });
      this.#lists.set(address, found);
    }
    return found.list;
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
      return null; // not to be had, or no list: nothing is genuine by it
    }
  }
}
