/** What is on screen: the video that comes back, or the viewer's own with its masks painted here. */

import { LocalJoin, ReturnedJoin } from "./join.js";
import { paintMasks } from "./painter.js";

/** Dispatches `how`, with a How of join.js, when it is known or changes. */
export class View extends EventTarget {
  #picture;
  #video;
  #canvas;
  #join = null;

  /**
   * @param {import("./picture.js").Picture} picture to point at
   * @param {HTMLVideoElement} video in it
   * @param {HTMLCanvasElement} canvas above it, as large
   */
  constructor(picture, video, canvas) {
    super();
    this.#picture = picture;
    this.#video = video;
    this.#canvas = canvas;
  }

  /** The video that comes back, as it comes. @param {import("./client.js").Sam2Client} client */
  showReturned(client) {
    this.#take(new ReturnedJoin(client, this.#video), client.returned);
    this.#canvas.hidden = true;
    this.#join.addEventListener("frame", ({ detail }) => (this.#picture.seen = detail.inRtp));
  }

  /**
   * The viewer's own video, each picture with its own masks.
   * @param {import("./client.js").Sam2Client} client
   * @param {MediaStream} stream that is sent
   */
  showOwn(client, stream) {
    this.#take(new LocalJoin(client, this.#video), stream);
    this.#join.addEventListener("frame", ({ detail: { picture, masks, inRtp } }) => {
      this.#picture.seen = inRtp;
      paintMasks(this.#canvas, picture, masks);
      this.#canvas.hidden = false;
    });
  }

  /** Nothing. */
  clear() {
    this.#join?.stop();
    this.#join = null;
    this.#canvas.hidden = true;
    this.#picture.show(null);
  }

  #take(join, stream) {
    this.#join?.stop();
    this.#join = join;
    this.#picture.show(stream);
    const tell = () => this.dispatchEvent(new CustomEvent("how", { detail: join.how }));
    join.addEventListener("how", tell);
    tell();
  }
}
