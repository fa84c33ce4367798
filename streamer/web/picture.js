/** The returned video as a thing to point at: pointer, touch and keys become what is said of it. */

import { Brush } from "./brush.js";

const MIN_BOX = 0.01; // of the frame's side; a smaller drag is a click
const STEP = 0.02; // of the frame's side for each arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FADE_MS = 900; // a carried-out click fades; its object's colour has taken over

const SAME_RATIO = 0.1; // of a ratio; encoders cut a row or a column off

/**
 * @typedef {{points?: [number, number, 0 | 1][], box?: [number, number, number, number],
 *            mask?: {size: [number, number], counts: string}, rtpTimestamp: number | null}} Said
 *     in 0..1 of the frame; rtpTimestamp of the frame that the viewer saw, as it was sent
 */

/** Dispatches `say`, with a Said as detail, for each click, tap, drag, painted mask or what keys make of it. */
export class Picture extends EventTarget {
  /** @type {"add" | "erase" | "box" | "brush"} what a plain click means */
  tool = "add";
  /** @type {string} of the paint: that of the selected object */
  colour = "#fff";
  /** @type {number | null} the frame on screen, as it was sent; null: not known */
  seen = null;

  #element;
  #video;
  #marks;
  #rubber;
  #crosshair;
  #press = null; // what was begun, while a button is down or until the second Enter
  #cursor = [0.5, 0.5];
  #brush;
  #painted = null; // the frame on screen when painting began
  #ratio = null; // width of a frame by its height, as first seen

  /** @param {HTMLElement} element holding #returned, #marks, #rubber and #crosshair */
  constructor(element) {
    super();
    this.#element = element;
    this.#video = element.querySelector("video");
    this.#marks = element.querySelector("svg");
    this.#rubber = this.#marks.querySelector("rect");
    this.#crosshair = element.querySelector("#crosshair");
    this.#brush = new Brush(element.querySelector("#paint"));
    this.#brush.addEventListener("paint", ({ detail: mask }) =>
      this.#say({ mask, rtpTimestamp: this.#painted }),
    );
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#up(event));
    element.addEventListener("pointercancel", () => this.#cancel());
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("blur", () => {
      if (this.#press?.isByKeys) this.#cancel();
      this.#crosshair.toggleAttribute("hidden", true);
    });
    this.#video.addEventListener("resize", () => this.#reshape());
  }

  /** @param {MediaStream | null} stream */
  show(stream) {
    this.#video.srcObject = stream;
    this.seen = null;
    this.#brush.cancel();
    if (!stream) this.#ratio = null;
  }

  /**
   * A mark where the viewer pointed, in the object's colour, until `answered` settles.
   * @param {Said} said
   * @param {string} colour
   * @param {Promise<unknown>} answered
   */
  async mark({ points = [], box }, colour, answered) {
    const drawn = points.map(([x, y, label]) => dot(x, y, label));
    if (box) drawn.push(frame(box));
    for (const mark of drawn) {
      mark.style.setProperty("--colour", colour);
      this.#marks.append(mark);
    }
    const [outcome] = await Promise.allSettled([answered]);
    drawn.forEach((mark) => mark.classList.add(outcome.status));
    setTimeout(() => drawn.forEach((mark) => mark.remove()), FADE_MS);
  }

  #reshape() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth || !videoHeight) return;
    this.#ratio ??= videoWidth / videoHeight;
    // A cutout comes with its alpha beside it, which is not to be seen here.
    const isDouble = Math.abs(videoWidth / videoHeight / this.#ratio / 2 - 1) < SAME_RATIO;
    if (!isDouble) this.#ratio = videoWidth / videoHeight;
    this.#element.toggleAttribute("data-double", isDouble);
    document.body.style.setProperty("--ratio", String(this.#ratio));
  }

  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.#element.getBoundingClientRect();
    return [unit((clientX - left) / width), unit((clientY - top) / height)];
  }

  #down(event) {
    if (this.#press?.isByKeys) this.#cancel();
    if (this.#press || (event.button !== 0 && event.button !== 2)) return;
    const isErase = event.button === 2 || event.altKey || this.tool === "erase";
    const isBox = event.button === 0 && (event.shiftKey || this.tool === "box");
    this.#begin(this.#at(event), { isErase, isBox, isByKeys: false });
    this.#element.setPointerCapture(event.pointerId);
    this.#crosshair.toggleAttribute("hidden", true);
  }

  #move(event) {
    if (this.#press && !this.#press.isByKeys) this.#drag(this.#at(event));
  }

  #up(event) {
    if (this.#press && !this.#press.isByKeys) this.#lift(this.#at(event));
  }

  #key(event) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      this.#cursor = this.#cursor.map((value, axis) => unit(value + STEP * arrow[axis]));
      this.#crosshair.style.left = `${100 * this.#cursor[0]}%`;
      this.#crosshair.style.top = `${100 * this.#cursor[1]}%`;
      this.#crosshair.toggleAttribute("hidden", false);
      if (this.#press?.isByKeys) this.#drag(this.#cursor);
    } else if (event.key === "Enter") {
      this.#enter(event);
    } else if (event.key === "Escape" && this.#press?.isByKeys) {
      this.#cancel();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** A point, or one of the two corners of a box, or the brush goes down or up. */
  #enter({ altKey, shiftKey, repeat }) {
    if (repeat || (this.#press && !this.#press.isByKeys)) return;
    if (!this.#press) {
      const isBox = shiftKey || this.tool === "box";
      const isErase = altKey || this.tool === "erase";
      this.#begin(this.#cursor, { isErase, isBox, isByKeys: true });
      if (isBox || this.tool === "brush") return; // the second Enter ends it
    }
    this.#lift(this.#cursor);
  }

  #begin([x, y], { isErase, isBox, isByKeys }) {
    const isPainted = this.tool === "brush" && !isBox;
    if (isPainted) {
      if (!this.#brush.isWet) this.#painted = this.seen;
      this.#brush.down([x, y], this.#ratio ?? 1, { colour: this.colour, isErasing: isErase });
    }
    // The frame at the moment of the press: by the release the picture has moved on.
    const rtpTimestamp = this.seen;
    this.#press = { x, y, isBox, isPositive: !isErase, isPainted, isByKeys, rtpTimestamp };
    this.#element.toggleAttribute("data-held", isByKeys && (isBox || isPainted));
  }

  #drag(at) {
    this.#brush.move(at);
    if (!this.#press.isBox) return;
    const [x0, y0, x1, y1] = between(this.#press, at);
    const sides = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
    for (const [name, value] of Object.entries(sides)) {
      this.#rubber.setAttribute(name, `${100 * value}%`);
    }
    this.#rubber.toggleAttribute("hidden", false);
  }

  #lift(at) {
    const { x, y, isBox, isPositive, isPainted, isByKeys } = this.#press;
    // Keys take their time: what counts is the frame where the second corner fitted.
    const rtpTimestamp = isByKeys ? this.seen : this.#press.rtpTimestamp;
    this.#release();
    if (isPainted) {
      if (isByKeys) this.#painted = rtpTimestamp;
      this.#brush.up();
      return;
    }
    const box = between({ x, y }, at);
    const isDrawn = isBox && box[2] - box[0] >= MIN_BOX && box[3] - box[1] >= MIN_BOX;
    if (isDrawn) this.#say({ box, rtpTimestamp });
    else this.#say({ points: [[x, y, isPositive ? 1 : 0]], rtpTimestamp });
  }

  /** Nothing is said of what was begun. */
  #cancel() {
    this.#brush.cancel();
    this.#release();
  }

  #release() {
    this.#press = null;
    this.#rubber.toggleAttribute("hidden", true);
    this.#element.toggleAttribute("data-held", false);
  }

  #say(said) {
    this.dispatchEvent(new CustomEvent("say", { detail: said }));
  }
}

const unit = (value) => Math.min(1, Math.max(0, value));

function between({ x, y }, [u, v]) {
  return [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
}

function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** A nested svg places its origin by percent: the cross inside keeps its size in pixels. */
function dot(x, y, label) {
  const mark = svg("svg", { x: `${100 * x}%`, y: `${100 * y}%`, class: "mark" });
  const arms = label ? "M-5 0H5M0-5V5" : "M-5 0H5";
  mark.append(svg("circle", { r: 11 }), svg("path", { d: arms }));
  return mark;
}

function frame([x0, y0, x1, y1]) {
  const [x, y, width, height] = [x0, y0, x1 - x0, y1 - y0].map((value) => `${100 * value}%`);
  return svg("rect", { x, y, width, height, class: "mark" });
}
