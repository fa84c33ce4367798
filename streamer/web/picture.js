/** The returned video as a thing to point at: pointer, touch and keys become points and boxes. */

const MIN_BOX = 0.01; // of the frame's side; a smaller drag is a click
const STEP = 0.02; // of the frame's side for each arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FADE_MS = 900; // a carried-out click fades; its object's colour has taken over

/**
 * @typedef {{points?: [number, number, 0 | 1][], box?: [number, number, number, number],
 *            rtpTimestamp: number | undefined}} Said
 *     in 0..1 of the frame; rtpTimestamp of the returned frame that the viewer saw
 */

/** Dispatches `say`, with a Said as detail, for each click, tap, drag or Enter. */
export class Picture extends EventTarget {
  /** @type {"add" | "erase" | "box"} what a plain click means */
  tool = "add";

  #element;
  #video;
  #marks;
  #rubber;
  #crosshair;
  #seen = undefined; // rtpTimestamp of the frame on screen
  #press = null; // {x, y, isBox, isPositive, rtpTimestamp} while a button is down
  #cursor = [0.5, 0.5];

  /** @param {HTMLElement} element holding #returned, #marks, #rubber and #crosshair */
  constructor(element) {
    super();
    this.#element = element;
    this.#video = element.querySelector("video");
    this.#marks = element.querySelector("svg");
    this.#rubber = this.#marks.querySelector("rect");
    this.#crosshair = element.querySelector("#crosshair");
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#up(event));
    element.addEventListener("pointercancel", () => this.#release());
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("blur", () => this.#crosshair.toggleAttribute("hidden", true));
    this.#video.addEventListener("resize", () => this.#reshape());
    this.#watch();
  }

  /** @param {MediaStream | null} stream */
  show(stream) {
    this.#video.srcObject = stream;
    this.#seen = undefined;
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

  #watch() {
    if (!("requestVideoFrameCallback" in this.#video)) return; // clicks then go to the newest frame
    const note = (_, { rtpTimestamp }) => {
      this.#seen = rtpTimestamp;
      this.#video.requestVideoFrameCallback(note);
    };
    this.#video.requestVideoFrameCallback(note);
  }

  #reshape() {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth && videoHeight) {
      document.body.style.setProperty("--ratio", String(videoWidth / videoHeight));
    }
  }

  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.#video.getBoundingClientRect();
    return [unit((clientX - left) / width), unit((clientY - top) / height)];
  }

  #down(event) {
    if (this.#press || (event.button !== 0 && event.button !== 2)) return;
    const [x, y] = this.#at(event);
    const isErase = event.button === 2 || event.altKey || this.tool === "erase";
    const isBox = event.button === 0 && (event.shiftKey || this.tool === "box");
    // The frame at the moment of the press: by the release the picture has moved on.
    this.#press = { x, y, isBox, isPositive: !isErase, rtpTimestamp: this.#seen };
    this.#element.setPointerCapture(event.pointerId);
    this.#crosshair.toggleAttribute("hidden", true);
  }

  #move(event) {
    if (!this.#press?.isBox) return;
    const [x0, y0, x1, y1] = between(this.#press, this.#at(event));
    const sides = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
    for (const [name, value] of Object.entries(sides)) {
      this.#rubber.setAttribute(name, `${100 * value}%`);
    }
    this.#rubber.toggleAttribute("hidden", false);
  }

  #up(event) {
    if (!this.#press) return;
    const { x, y, isBox, isPositive, rtpTimestamp } = this.#press;
    const box = between(this.#press, this.#at(event));
    const isDrawn = isBox && box[2] - box[0] >= MIN_BOX && box[3] - box[1] >= MIN_BOX;
    this.#release();
    if (isDrawn) this.#say({ box, rtpTimestamp });
    else this.#say({ points: [[x, y, isPositive ? 1 : 0]], rtpTimestamp });
  }

  #release() {
    this.#press = null;
    this.#rubber.toggleAttribute("hidden", true);
  }

  #key(event) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      this.#cursor = this.#cursor.map((value, axis) => unit(value + STEP * arrow[axis]));
      this.#crosshair.style.left = `${100 * this.#cursor[0]}%`;
      this.#crosshair.style.top = `${100 * this.#cursor[1]}%`;
      this.#crosshair.toggleAttribute("hidden", false);
    } else if (event.key === "Enter") {
      const isPositive = !event.altKey && this.tool !== "erase";
      this.#say({ points: [[...this.#cursor, isPositive ? 1 : 0]], rtpTimestamp: this.#seen });
    } else {
      return;
    }
    event.preventDefault();
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
