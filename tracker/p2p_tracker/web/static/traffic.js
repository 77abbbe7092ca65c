// Counts downloaded and uploaded bytes by source, and connected peers.

export class Traffic {
  #peers = new Set();
  #http = 0;
  #p2p = 0;
  #uploaded = 0;
  #before = { at: performance.now(), downloaded: 0, uploaded: 0 };

  /** Count the events of a p2p-media-loader engine. */
  follow(engine) {
    engine.addEventListener("onChunkDownloaded", (bytes, source) => this.downloaded(bytes, source));
    engine.addEventListener("onChunkUploaded", (bytes) => {
      this.#uploaded += bytes;
    });
    engine.addEventListener("onPeerConnect", ({ peerId }) => this.#peers.add(peerId));
    engine.addEventListener("onPeerClose", ({ peerId }) => this.#peers.delete(peerId));
  }

  downloaded(bytes, source) {
    if (source === "p2p") this.#p2p += bytes;
    else this.#http += bytes;
  }

  get peers() {
    return this.#peers.size;
  }

  /** Return the current figures; rates are bytes per second since the previous call. */
  read() {
    const at = performance.now();
    const downloaded = this.#http + this.#p2p;
    const seconds = Math.max((at - this.#before.at) / 1000, 0.001);
    const figures = {
      peers: this.peers,
      download: (downloaded - this.#before.downloaded) / seconds,
      upload: (this.#uploaded - this.#before.uploaded) / seconds,
      share: downloaded > 0 ? this.#p2p / downloaded : 0,
      downloaded,
      uploaded: this.#uploaded,
    };
    this.#before = { at, downloaded, uploaded: this.#uploaded };
    return figures;
  }
}
