/**
 * Pictures and masks that belong together: of the video that comes back, or of the viewer's own.
 *
 *     const join = new LocalJoin(client, video); // video.srcObject is the stream that is sent
 *     join.addEventListener("frame", ({ detail: { picture, masks } }) => draw(picture, masks));
 */

import { SentClock } from "./sent_clock.js";

const HELD = 30; // frames of the viewer's own that wait for their masks: a second
const KEPT_MASKS = 64; // that wait for their frame, or came before another read them
const ASTRAY = 60; // masks in a row without a frame, after which the clocks are compared anew
const STUCK_MS = 1000; // without an exact pair, the newest masks do; without masks, the picture alone

/**
 * @typedef {import("./client.js").Sam2Client} Sam2Client
 * @typedef {import("./watch.js").Sam2Watcher} Sam2Watcher
 * @typedef {import("./mask_frame.js").MaskFrame} MaskFrame
 * @typedef {"exact" | "waiting" | "newest" | "late"} How  whether a picture is joined with its own
 *   masks. Where not, the newest go with the newest picture: `waiting` until more is known; `newest`
 *   because this browser does not say which frame it shows or sends; `late` because masks come when
 *   their frame is gone
 *
 * A picture and its masks. Where `isExact` is true, masks are this very frame's, or null where it has
 * none; otherwise they are the newest, or null where none came for a while.
 * @typedef {Object} Joined
 * @property {HTMLVideoElement | HTMLCanvasElement | VideoFrame} picture good for the event: draw it
 *   at once
 * @property {MaskFrame | null} masks
 * @property {number | null} inRtp the frame as it was sent, for a prompt; null: not known
 * @property {boolean} isExact
 */

/**
 * Dispatches `frame` with a Joined, and `how` with a How when that changes.
 * @template {Sam2Client | Sam2Watcher} Masked whose masks they are
 */
class Join extends EventTarget {
  /** @type {How} */
  #how;
  #stop = new AbortController();

  /**
   * @param {Masked} client
   * @param {HTMLVideoElement} video
   */
  constructor(client, video) {
    super();
    this.client = client;
    this.video = video;
    this.canTell = "requestVideoFrameCallback" in HTMLVideoElement.prototype;
    this.#how = this.canTell ? "waiting" : "newest";
    this.listen("masks", (masks) => this.see(masks));
    this.listen("hello", () => this.begin());
    this.listen("moved", () => this.begin());
    this.#watch();
    if (client.isOpen) queueMicrotask(() => this.#stop.signal.aborted || this.begin());
  }

  /** @returns {How} */
  get how() {
    return this.#how;
  }

  /** Ends it. */
  stop() {
    this.#stop.abort();
  }

  /** A connection stands, the first or another. */
  begin() {}

  /** @param {MaskFrame} _masks that came */
  see(_masks) {}

  /** @param {number} _nowMs @param {VideoFrameCallbackMetadata} _metadata of the frame on screen */
  show(_nowMs, _metadata) {}

  /** @param {string} type @param {(detail: any) => void} call */
  listen(type, call) {
    const hear = (/** @type {Event} */ event) => call(/** @type {CustomEvent} */ (event).detail);
    this.client.addEventListener(type, hear, { signal: this.#stop.signal });
  }

  /** @param {How} how */
  become(how) {
    if (this.#how === how) return;
    this.#how = how;
    this.dispatchEvent(new CustomEvent("how", { detail: how }));
  }

  /** @param {Joined} joined */
  tell(joined) {
    this.dispatchEvent(new CustomEvent("frame", { detail: joined }));
  }

  #watch() {
    if (!this.canTell) return;
    this.video.requestVideoFrameCallback((nowMs, metadata) => {
      if (this.#stop.signal.aborted) return;
      this.#watch();
      this.show(nowMs, metadata);
    });
  }
}

/**
 * The returned video, or that of one who watches: the browser says the RTP timestamp of each frame
 * that it shows.
 * @extends {Join<Sam2Client | Sam2Watcher>}
 */
export class ReturnedJoin extends Join {
  /** @type {Map<number, MaskFrame>} by the frame as it was sent */
  #masks = new Map();
  /** @type {MaskFrame | null} */
  #newest = null;

  begin() {
    this.#masks.clear();
    this.#newest = null;
  }

  /** @param {MaskFrame} masks */
  see(masks) {
    if (!this.#newest || masks.index > this.#newest.index) this.#newest = masks;
    this.#masks.set(masks.inRtp, masks);
    const [oldest] = this.#masks.keys();
    if (this.#masks.size > KEPT_MASKS) this.#masks.delete(oldest);
    if (this.how === "newest") this.#tellNewest();
  }

  /** @param {number} _nowMs @param {VideoFrameCallbackMetadata} metadata */
  show(_nowMs, metadata) {
    const grabbed = grab(this.video, metadata);
    if (!grabbed) return;
    const { picture, laterMs, rtpTimestamp, close } = grabbed;
    const inRtp = laterMs && rtpTimestamp === metadata.rtpTimestamp
      ? null // the browser does not say which it is
      : this.client.sentTimestamp(rtpTimestamp);
    if (rtpTimestamp === undefined) this.become("newest");
    else if (inRtp !== null) this.become("exact");
    if (this.how !== "newest") {
      const masks = inRtp === null ? null : (this.#masks.get(inRtp) ?? null);
      this.tell({ picture, masks, inRtp, isExact: inRtp !== null });
    }
    close();
  }

  #tellNewest() {
    this.tell({ picture: this.video, masks: this.#newest, inRtp: null, isExact: false });
  }
}

/**
 * The viewer's own video, held back until its masks are there, so that nothing has to come back but
 * masks. What the service skipped is not shown. While nothing can be joined, the newest masks
 * go with the newest picture.
 * @extends {Join<Sam2Client>}
 */
export class LocalJoin extends Join {
  #clock = new SentClock();
  /** @type {{captureMs: number, canvas: HTMLCanvasElement}[]} */
  #held = []; // in order of showing
  #index = -1; // of the last masks that were joined
  #toldAtMs = -Infinity;
  #joinedAtMs = -Infinity;
  #astray = 0;
  #canJoin = false;
  #isListening = false;

  begin() {
    this.#index = -1;
    this.#clock = new SentClock();
    this.#listen();
  }

  stop() {
    super.stop();
    this.#hush();
  }

  /** @param {MaskFrame} masks */
  see(masks) {
    if (masks.index <= this.#index) return; // they may come out of order
    const frame = this.#clock.find(masks.inRtp, this.#held);
    if (frame) {
      this.#astray = 0;
      this.#joinedAtMs = performance.now();
      this.become("exact");
      this.#pair({ picture: frame.canvas, masks, inRtp: masks.inRtp, isExact: true });
      return;
    }
    const isLate = (this.#clock.captureMs(masks.inRtp) ?? Infinity) < this.#held[0]?.captureMs;
    if (!isLate) this.#miss();
    if (performance.now() - this.#joinedAtMs < STUCK_MS) return; // its frame was not shown
    this.become(!this.#canJoin ? "newest" : isLate ? "late" : "waiting");
    this.#pair({ picture: this.video, masks, inRtp: masks.inRtp, isExact: false });
  }

  /** @param {number} nowMs @param {VideoFrameCallbackMetadata} metadata */
  show(nowMs, metadata) {
    const { captureTime, mediaTime, presentationTime } = metadata;
    // A camera's frames say when they were captured; a canvas's only how far they are apart.
    const captureMs = captureTime ?? 1000 * mediaTime;
    this.#clock.show(captureMs, captureTime ?? presentationTime);
    const grabbed = grab(this.video, metadata);
    if (!grabbed) return;
    this.#hold(grabbed.picture, captureMs + grabbed.laterMs);
    grabbed.close();
    if (nowMs - this.#toldAtMs > STUCK_MS) {
      this.tell({ picture: this.video, masks: null, inRtp: null, isExact: false });
    }
  }

  /** @param {Joined & {masks: MaskFrame}} joined */
  #pair(joined) {
    this.#index = joined.masks.index;
    this.#toldAtMs = performance.now();
    this.tell(joined);
  }

  /** @param {HTMLVideoElement | VideoFrame} picture @param {number} captureMs */
  #hold(picture, captureMs) {
    const { videoWidth, videoHeight } = this.video;
    const last = this.#held.length < HELD ? undefined : this.#held.shift();
    const canvas = last?.canvas ?? document.createElement("canvas");
    if (canvas.width !== videoWidth || canvas.height !== videoHeight) {
      [canvas.width, canvas.height] = [videoWidth, videoHeight];
    }
    canvas.getContext("2d", { alpha: false })?.drawImage(picture, 0, 0, videoWidth, videoHeight);
    this.#held.push({ captureMs, canvas });
  }

  #miss() {
    if (!this.#clock.isKnown) return;
    this.#astray += 1;
    if (this.#astray < ASTRAY) return;
    this.#astray = 0;
    this.#joinedAtMs = -Infinity;
    this.begin();
  }

  /** Compares the clock of what is sent with that of what is shown, until they are known. */
  #listen() {
    const clock = this.#clock;
    this.#isListening = this.client.listenSent((rtp, atMs) => {
      clock.send(rtp, atMs);
      if (clock.isSettled) this.#hush();
    });
    this.#canJoin = this.canTell && this.#isListening;
  }

  #hush() {
    if (this.#isListening) this.client.listenSent(null);
    this.#isListening = false;
  }
}

/**
 * The picture that a video would draw now. A busy browser has moved on to a later one than it calls
 * back for; a VideoFrame says so, where there are any.
 * @param {HTMLVideoElement} video
 * @param {VideoFrameCallbackMetadata} metadata
 * @returns {{picture: HTMLVideoElement | VideoFrame, laterMs: number,
 *            rtpTimestamp: number | undefined, close: () => void} | null} null: it has none now
 */
function grab(video, { mediaTime, rtpTimestamp }) {
  if (!("VideoFrame" in globalThis)) {
    return { picture: video, laterMs: 0, rtpTimestamp, close: () => {} };
  }
  let picture;
  try {
    picture = new VideoFrame(video);
  } catch (error) {
    // While a stream is taken away or changes its size, a video may have no picture for a moment.
    if (error instanceof DOMException && error.name === "InvalidStateError") return null;
    throw error;
  }
  const laterMs = picture.timestamp / 1000 - 1000 * mediaTime;
  const isLater = Math.abs(laterMs) > 0.5;
  const said = /** @type {{metadata?: () => {rtpTimestamp?: number}}} */ (picture).metadata?.();
  return {
    picture,
    laterMs: isLater ? laterMs : 0,
    rtpTimestamp: isLater ? (said?.rtpTimestamp ?? rtpTimestamp) : rtpTimestamp,
    close: () => picture.close(),
  };
}
