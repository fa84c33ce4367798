/** What was said of each object, so that the last word can be taken back. */

const MAX_SAID = 64; // of one object; the oldest are forgotten

/**
 * @typedef {{points?: [number, number, 0 | 1][], box?: [number, number, number, number],
 *            mask?: {size: [number, number], counts: string}, rtpTimestamp?: number | null}} Said
 */

export class History {
  #said = []; // {trackId, said}, in order

  /** @param {number} trackId @param {Said} said */
  add(trackId, said) {
    this.#said.push({ trackId, said });
    if (this.#said.length > MAX_SAID) this.#said.shift();
  }

  /** @param {number} trackId forgets what was said of it */
  forget(trackId) {
    this.#said = this.#said.filter((entry) => entry.trackId !== trackId);
  }

  clear() {
    this.#said = [];
  }

  /** @returns {boolean} whether there is nothing to take back */
  get isEmpty() {
    return this.#said.length === 0;
  }

  /**
   * Takes the last word back, whichever object it was said of.
   * @returns {{trackId: number, left: Said | null} | null}
   *     left: what still holds, to be said again with `clear`, of the frame of the word taken back;
   *     null: it was the object's first word, so the object goes. Null alone: nothing was said.
   */
  undo() {
    const last = this.#said.pop();
    if (!last) return null;
    const { trackId } = last;
    const before = this.#said.filter((entry) => entry.trackId === trackId).map(({ said }) => said);
    if (before.length === 0) return { trackId, left: null };
    const from = before.findLastIndex(({ mask }) => mask);
    const after = before.slice(from + 1);
    const { rtpTimestamp } = last.said;
    // A mask stands alone in a prompt; clicks that came after it correct it.
    if (after.length === 0) return { trackId, left: { mask: before[from].mask, rtpTimestamp } };
    const points = after.flatMap((said) => said.points ?? []).slice(-32);
    const box = after.findLast((said) => said.box)?.box;
    return { trackId, left: { points, ...(box && { box }), rtpTimestamp } };
  }
}
