/**
 * Sam2Client: a video stream out over WebRTC, masks and the returned video back, clicks in between.
 *
 *     const client = new Sam2Client();
 *     client.addEventListener("masks", ({ detail }) => console.log(detail.objects));
 *     await client.connect(await navigator.mediaDevices.getUserMedia({ video: true }));
 *     video.srcObject = client.returned;
 *     await client.prompt({ trackId: 1, points: [[0.5, 0.5, 1]] });
 *
 * When the connection dies or the service drains, it goes on over another one, with the same tracks.
 * An ES module and its neighbours, with join.js for who draws masks: no build step, no dependency.
 * Coordinates are 0..1 of the sent frame; RTP timestamps are those of the frames as this client
 * sent them.
 */

import { Link, closed } from "./link.js";
import { Overlap } from "./overlap.js";
import { Sam2Error, baseOf, pause } from "./signalling.js";

export { Sam2Error };

const RESUME_MS = 20000; // for which another connection is tried for when one has died

/**
 * @typedef {[x: number, y: number, label: 0 | 1]} Point  1 is on the object, 0 is not
 * @typedef {{index: number, rtp_timestamp: number}} FrameName
 * @typedef {{seq: number, track_id: number | null, frame: FrameName | null,
 *            applied_to: "exact" | "newest" | null}} Ack
 * @typedef {{session: string, version: number,
 *            model: {name: string, image_size: number, device: string, is_trained: boolean},
 *            resumed: {how: "memory" | "boxes", tracks: number[]} | null,
 *            limits: {max_tracks: number, max_points: number, max_message_bytes: number,
 *                     max_prompts_waiting: number}}} Hello
 * @typedef {(rtp: number, atMs: number) => void} OnSent  a frame's timestamp, and when it was encoded
 * @typedef {{trackId: number, points?: Point[], box?: [number, number, number, number],
 *            mask?: {size: [number, number], counts: string}, clear?: boolean,
 *            rtpTimestamp?: number | null}} Prompt
 */

/**
 * Events, each a CustomEvent whose detail is named here:
 * `hello` Hello; `masks` MaskFrame; `track` {kind, track_id, frame}; `stats` as the service sends
 * it; `fault` Sam2Error, of no single request; `lost` Sam2Error: another connection is looked for;
 * `moved` {resumed: number[], how: "memory" | "boxes" | null}: it was found, and these tracks go on
 * as if nothing had been, or anew around where they were; `close` Sam2Error, null after close().
 */
export class Sam2Client extends EventTarget {
  /** @type {MediaStream | null} the video that comes back; it stays the same when it moves */
  returned = null;

  /** @type {Sam2Error | null} */ #ended = null; // why: nothing begins any more
  #isUsed = false;
  /** @type {Link | null} */ #link = null; // the connection that there is
  /** @type {Link | null} */ #next = null; // the one that is tried, or stands and has not shown anything yet
  /** @type {Overlap | null} */ #overlap = null; // of the two; what is asked meanwhile waits
  /** @type {MediaStreamTrack | undefined} */ #camera;
  #base = baseOf("");
  /** @type {string | null} */ #token = null; // for a service that asks for one
  #resumeMs = RESUME_MS;
  /** @type {{output: string} | null} */ #output = null; // what was configured last, for the next connection
  /** @type {OnSent | null} */ #onSent = null; // who listens to what is sent, on whichever connection
  #isLooking = false;
  #untilMs = 0; // when to give up looking

  /** @returns {Hello | null} what the service said of itself */
  get hello() {
    return this.#link?.hello ?? null;
  }

  /** @returns {number | null} round trip of the last ping, milliseconds */
  get roundTripMs() {
    return this.#link?.roundTripMs ?? null;
  }

  /** @returns {boolean} whether prompts can be sent */
  get isOpen() {
    return !this.#ended && (this.#link?.isOpen ?? false);
  }

  /**
   * Sends the stream's video; resolves when the service has said hello.
   * @param {MediaStream} stream with one video track
   * @param {{url?: string, token?: string | null, resumeMs?: number}} [options] url: the service,
   *   where it is not the page's own origin; token: for a service that asks for one (RFC 6750);
   *   resumeMs: for how long another connection is tried for when one has died, 0 not at all
   * @returns {Promise<Hello>}
   * @throws {Sam2Error} unreachable, unauthorized, full, refused, no_media, lost, or closed by
   *   close() meanwhile
   */
  async connect(stream, { url = "", token = null, resumeMs = RESUME_MS } = {}) {
    if (this.#isUsed) throw new Sam2Error("closed", "a Sam2Client connects once: make a new one");
    this.#isUsed = true;
    [this.#token, this.#resumeMs, this.#base] = [token, resumeMs, baseOf(url)];
    try {
      [this.#camera] = stream.getVideoTracks();
      if (!this.#camera) throw new Sam2Error("refused", "the stream has no video track");
      addEventListener("pagehide", this.close);
      await this.#take(await this.#reach(this.#base, null));
      const hello = /** @type {Hello} */ (this.hello);
      this.#tell("hello", hello);
      return hello;
    } catch (error) {
      this.#end(/** @type {Sam2Error} */ (error));
      throw this.#ended;
    }
  }

  /**
   * Begins a track or corrects it.
   * @param {Prompt} prompt rtpTimestamp: the frame that the viewer saw; without it the newest
   * @returns {Promise<Ack>} after the step in which it was carried out
   */
  prompt({ trackId, points, box, mask, clear = false, rtpTimestamp = null }) {
    const said = { points, box, mask, clear, rtp_timestamp: rtpTimestamp };
    return this.#ask({ type: "prompt", track_id: trackId, ...said });
  }

  /**
   * Takes the last prompt about a track back, for good. One that rests on it alone is removed: a
   * `track` event tells.
   * @param {number} trackId
   * @returns {Promise<Ack>} rejected with code "nothing_to_undo" for what was said too long ago
   */
  undo(trackId) {
    return this.#ask({ type: "undo", track_id: trackId });
  }

  /** @param {number} trackId @returns {Promise<Ack>} */
  remove(trackId) {
    return this.#ask({ type: "remove", track_id: trackId });
  }

  /**
   * Begins tracks for a viewer who cannot click: what is in the middle, the largest object, or all
   * that stand out on a grid of points. Events tell of each track.
   * @param {"center" | "largest" | "grid"} how
   * @returns {Promise<Ack>} of the first; rejected with code "nothing_found" when there is none
   */
  auto(how) {
    return this.#ask({ type: "auto", how });
  }

  /**
   * What comes back from now on. A strength, 0..1, goes with blur, pixelate, redact-blur and
   * spotlight; a colour ("#rrggbb") or an image (base64 of a JPEG, PNG or WebP file) with replace.
   * @param {{output: "overlay" | "masks" | "none" | "blur" | "replace" | "green" | "cutout" |
   *          "pixelate" | "redact-blur" | "spotlight",
   *          strength?: number, colour?: string, image?: string}} output
   * @returns {Promise<Ack>} rejected with code "bad_message" or "bad_image" for what makes no sense
   */
  configure({ output, strength, colour, image }) {
    const message = { type: "configure", output, strength, colour, image };
    this.#output = message;
    return this.#ask(message);
  }

  /**
   * The frame as it was sent, from the frame as it came back.
   * @param {number | undefined} rtpTimestamp of requestVideoFrameCallback's metadata
   * @returns {number | null} null where the browser gives none, or before the first mask frame
   */
  sentTimestamp(rtpTimestamp) {
    const offset = this.#link?.offset ?? null;
    if (rtpTimestamp === undefined || offset === null) return null;
    return (rtpTimestamp + offset) >>> 0;
  }

  /** @returns {Promise<RTCStatsReport | null>} of the connection there is, as the browser counts */
  async getStats() {
    return (await this.#link?.getStats()) ?? null;
  }

  /**
   * Tells of each frame that is sent, for who joins the viewer's own video with masks (join.js).
   * @param {OnSent | null} call null: no more; times are on the clock of performance.now()
   * @returns {boolean} false where this browser cannot tell
   */
  listenSent(call) {
    this.#onSent = call;
    return this.#link?.listenSent(call) ?? false;
  }

  /**
   * Goes on at another service, which shares its resume secret with this one. The connection that
   * there is stays until the new one shows something.
   * @param {string} url
   * @throws {Sam2Error} as connect()
   */
  async move(url) {
    await this.#take(await this.#reach(baseOf(url), this.#link?.resume ?? null));
  }

  /** Ends the session here and at the service. */
  close = () => this.#end(null);

  /** @param {object} message @returns {Promise<Ack>} */
  #ask(message) {
    const again = () => this.#ask(message);
    if (this.#overlap && !this.#ended) return this.#overlap.over.then(again, again);
    return this.#link && this.isOpen ? this.#link.ask(message) : Promise.reject(closed());
  }

  /** @param {URL} base @param {string | null} resume */
  async #reach(base, resume) {
    if (this.#ended) throw this.#ended;
    if (!this.#camera) throw closed();
    /** @type {Link} */
    const link = new Link((type, detail) => this.#hear(link, type, detail), this.#token);
    this.#next = link;
    await link.open(this.#camera, base, resume);
    if (this.#output) link.ask(this.#output).catch((error) => this.#tell("fault", error));
    return link;
  }

  /** @param {Link} link that stands */
  async #take(link) {
    const old = this.#link;
    const track = /** @type {MediaStreamTrack} */ (link.returned);
    if (old?.isOpen) {
      this.#overlap = new Overlap(track, this.#output?.output !== "masks");
      const error = await this.#overlap.over.catch((reason) => reason);
      if (error) this.#overlap = null; // the newer one died before it showed anything
      if (error) throw error;
    }
    if (this.#ended) throw this.#ended;
    old?.listenSent(null);
    link.listenSent(this.#onSent);
    [this.#link, this.#next, this.#overlap] = [link, null, null];
    if (!this.returned) {
      this.returned = new MediaStream([track]);
      return;
    }
    const before = this.returned.getTracks();
    this.returned.addTrack(track);
    before.forEach((gone) => this.returned?.removeTrack(gone));
    this.#tell("moved", { resumed: link.resumed, how: link.hello?.resumed?.how ?? null });
    old?.close();
  }

  /** @param {Link} link @param {string} type @param {any} detail */
  #hear(link, type, detail) {
    if (link === this.#next) this.#overlap?.hear(type, detail);
    if (link !== this.#link) return; // it was left, or does not stand yet
    if (type === "lost" && this.#overlap) this.#overlap.end();
    else if (type === "migrate") {
      const forMs = Math.min(this.#resumeMs, 1000 * detail.seconds);
      this.#follow(detail.url ? baseOf(detail.url) : this.#base, forMs);
    } else if (type !== "lost") {
      this.#tell(type, detail);
    } else if (this.#resumeMs > 0 && detail.code !== "ended") {
      this.#tell("lost", detail);
      this.#follow(this.#base, this.#resumeMs);
    } else {
      this.#end(detail);
    }
  }

  /**
   * Looks for another connection, for a while; without one, and with this one dead, it ends.
   * @param {URL} base
   * @param {number} forMs
   */
  async #follow(base, forMs) {
    this.#untilMs = Math.max(this.#untilMs, performance.now() + forMs);
    if (this.#isLooking) return;
    this.#isLooking = true;
    let error = new Sam2Error("lost", "the connection to the service was lost");
    for (let attempt = 0; !this.#ended && performance.now() < this.#untilMs; attempt += 1) {
      try {
        await this.#take(await this.#reach(base, this.#link?.resume ?? null));
        break;
      } catch (reason) {
        error = /** @type {Sam2Error} */ (reason);
        if (["unauthorized", "ended"].includes(error.code)) break; // it would be refused again
        this.#next?.close();
        await pause(attempt);
      }
    }
    this.#isLooking = false;
    if (!this.isOpen) this.#end(error);
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {Sam2Error | null} error */
  #end(error) {
    if (this.#ended) return;
    this.#ended = error ?? closed();
    removeEventListener("pagehide", this.close);
    this.#overlap?.end();
    this.#link?.close();
    this.#next?.close();
    this.#tell("close", error);
  }
}
