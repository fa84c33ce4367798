/** Paint on the picture that becomes a mask: strokes that follow each other closely are one. */

const CELLS = 320; // of the longer side of the mask
const WIDTH = 0.06; // of the longer side of the picture
const PAUSE_MS = 700; // after the last stroke, the mask is done

import { encodeRle } from "./rle.js";

/** Dispatches `paint` with {size, counts} when a mask is done. */
export class Brush extends EventTarget {
  #canvas;
  #pen;
  #timer = null;
  #last = null;

  /** @param {HTMLCanvasElement} canvas over the picture */
  constructor(canvas) {
    super();
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d", { willReadFrequently: true });
  }

  /** @returns {boolean} whether there is paint that was not said yet */
  get isWet() {
    return this.#timer !== null || this.#last !== null;
  }

  /**
   * @param {[number, number]} at 0..1 of the picture
   * @param {number} ratio width of the picture by its height
   * @param {{colour: string, isErasing: boolean}} how
   */
  down(at, ratio, { colour, isErasing }) {
    if (!this.isWet) this.#clear(ratio);
    clearTimeout(this.#timer);
    this.#timer = null;
    const pen = this.#pen;
    pen.strokeStyle = colour;
    pen.globalCompositeOperation = isErasing ? "destination-out" : "source-over";
    pen.lineWidth = WIDTH * CELLS;
    pen.lineCap = pen.lineJoin = "round";
    this.#last = at;
    this.move(at);
  }

  /** @param {[number, number]} at */
  move(at) {
    if (!this.#last) return;
    const { width, height } = this.#canvas;
    this.#pen.beginPath();
    this.#pen.moveTo(this.#last[0] * width, this.#last[1] * height);
    this.#pen.lineTo(at[0] * width, at[1] * height);
    this.#pen.stroke();
    this.#last = at;
  }

  /** The stroke ends; more may follow. */
  up() {
    if (!this.#last) return;
    this.#last = null;
    this.#timer = setTimeout(() => this.#done(), PAUSE_MS);
  }

  /** Wipes what was not said yet. */
  cancel() {
    clearTimeout(this.#timer);
    this.#timer = this.#last = null;
    this.#canvas.hidden = true;
  }

  #clear(ratio) {
    this.#canvas.width = Math.round(ratio >= 1 ? CELLS : CELLS * ratio);
    this.#canvas.height = Math.round(ratio >= 1 ? CELLS / ratio : CELLS);
    this.#canvas.hidden = false;
  }

  #done() {
    const { width, height } = this.#canvas;
    const { data } = this.#pen.getImageData(0, 0, width, height);
    const cells = Uint8Array.from({ length: width * height }, (_, at) => +(data[4 * at + 3] > 127));
    this.cancel();
    if (!cells.includes(1)) return;
    this.dispatchEvent(new CustomEvent("paint", { detail: encodeRle(cells, height, width) }));
  }
}
