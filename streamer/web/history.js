/** Which objects something was said of, in order, so that the last word can be taken back. */

const MAX_WORDS = 64; // of all objects; the oldest are forgotten

export class History {
  /** @type {number[]} */
  #said = []; // track_ids

  /** @param {number} trackId of an object that something was said of */
  add(trackId) {
    this.#said.push(trackId);
    if (this.#said.length > MAX_WORDS) this.#said.shift();
  }

  /** @param {number} trackId forgets all that was said of it */
  forget(trackId) {
    this.#said = this.#said.filter((other) => other !== trackId);
  }

  clear() {
    this.#said = [];
  }

  /** @returns {boolean} whether there is nothing to take back */
  get isEmpty() {
    return this.#said.length === 0;
  }

  /** @returns {number | undefined} whose word is taken back: the service knows what it was */
  pop() {
    return this.#said.pop();
  }
}
