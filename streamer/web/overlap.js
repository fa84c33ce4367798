/** Overlap: two connections at once, until the newer one gives something to look at. */

const OVERLAP_MS = 3000; // at most, from the newer one's hello

/** The viewer goes on looking at the older connection while it lasts. */
export class Overlap {
  /** @type {Promise<void>} the older one is not needed any more; rejected when the newer one died */
  over;
  /** @type {() => void} */
  #end = () => {};
  /** @type {(error: Error) => void} */
  #fail = () => {};
  #hasPictures;
  #video = document.createElement("video");

  /**
   * @param {MediaStreamTrack} track that comes back over the newer connection
   * @param {boolean} hasPictures false: only masks come back
   */
  constructor(track, hasPictures) {
    this.#hasPictures = hasPictures;
    const ended = new Promise((resolve, reject) => {
      [this.#end, this.#fail] = [() => resolve(undefined), reject];
    });
    const timer = setTimeout(this.#end, OVERLAP_MS);
    this.#video.muted = true;
    this.#video.onloadeddata = this.#end; // its first picture is decoded
    this.#video.srcObject = new MediaStream([track]);
    this.#video.play().catch(() => {}); // no picture came before the end
    this.over = ended.finally(() => {
      clearTimeout(timer);
      this.#video.srcObject = null;
    });
  }

  /** The older connection has died: whatever the newer one shows is better. */
  end() {
    this.#end();
  }

  /**
   * @param {string} type of what the newer connection told
   * @param {any} detail
   */
  hear(type, detail) {
    if (type === "lost") this.#fail(detail);
    else if (type === "masks" && !this.#hasPictures) this.#end();
  }
}
