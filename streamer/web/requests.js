/** Requests on one control channel, and who waits for their answers. */

import { Sam2Error } from "./signalling.js";

const MAX_PENDING = 64; // requests without an answer; one more is refused with code "busy"

/**
 * @typedef {{resolve: (answer: any) => void, reject: (error: Sam2Error) => void,
 *            sentAtMs: number}} Asked
 */

export class Requests {
  /** @type {Map<number, Asked>} */
  #pending = new Map(); // by seq
  #seq = 0;

  /**
   * Sends a request under a number of its own; resolves with the service's answer.
   * @param {RTCDataChannel} control
   * @param {object} message
   * @param {number} maxBytes of one message, as the service said
   * @returns {Promise<any>}
   */
  ask(control, message, maxBytes) {
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new Sam2Error("busy", `${MAX_PENDING} requests wait for an answer`));
    }
    const seq = this.#seq++;
    const text = JSON.stringify({ ...message, seq });
    const bytes = new Blob([text]).size;
    if (bytes > maxBytes) {
      return Promise.reject(new Sam2Error("too_large", `${bytes} bytes, at most ${maxBytes}`));
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(seq, { resolve, reject, sentAtMs: performance.now() });
      control.send(text);
    });
  }

  /**
   * Who waits for the answer of this number, and waits no more.
   * @param {number} seq
   * @returns {Asked | undefined}
   */
  settle(seq) {
    const asked = this.#pending.get(seq);
    this.#pending.delete(seq);
    return asked;
  }

  /** No answer comes any more. @param {Sam2Error} error */
  rejectAll(error) {
    this.#pending.forEach(({ reject }) => reject(error));
    this.#pending.clear();
  }
}
