/**
 * Sam2Client: a video stream out over WebRTC, masks and the returned video back, clicks in between.
 *
 *     const client = new Sam2Client();
 *     client.addEventListener("masks", ({ detail }) => console.log(detail.objects));
 *     await client.connect(await navigator.mediaDevices.getUserMedia({ video: true }));
 *     video.srcObject = client.returned;
 *     await client.prompt({ trackId: 1, points: [[0.5, 0.5, 1]] });
 *
 * An ES module and its neighbours mask_frame.js and signalling.js: no build step, no dependency.
 * Coordinates are 0..1 of the sent frame; RTP timestamps are those of the frames as this client
 * sent them.
 */

import { MaskFrameError, decodeMaskFrame } from "./mask_frame.js";
import { Sam2Error, isGathered, request, withToken } from "./signalling.js";

export { Sam2Error };

const MAX_PENDING = 64; // prompts without an answer; one more is refused with code "busy"
const HELLO_MS = 15000; // from the answer until the service has said hello
const GRACE_MS = 5000; // a connection that stays "disconnected" for longer is lost
const PING_MS = 2000;

/**
 * @typedef {[x: number, y: number, label: 0 | 1]} Point  1 is on the object, 0 is not
 * @typedef {{index: number, rtp_timestamp: number}} FrameName
 * @typedef {{seq: number, track_id: number | null, frame: FrameName | null,
 *            applied_to: "exact" | "newest" | null}} Ack
 * @typedef {{session: string, version: number,
 *            model: {name: string, image_size: number, device: string, is_trained: boolean},
 *            limits: {max_tracks: number, max_points: number, max_message_bytes: number,
 *                     max_prompts_waiting: number}}} Hello
 * @typedef {{trackId: number, points?: Point[], box?: [number, number, number, number],
 *            mask?: {size: [number, number], counts: string}, clear?: boolean,
 *            rtpTimestamp?: number | null}} Prompt
 */

/**
 * Events, each a CustomEvent whose detail is named here:
 * `hello` Hello; `masks` MaskFrame; `track` {kind, track_id, frame}; `stats` as the service sends
 * it; `fault` Sam2Error (an error of no single request); `close` Sam2Error, or null after close().
 */
export class Sam2Client extends EventTarget {
  /** @type {Hello | null} what the service said of itself */
  hello = null;
  /** @type {MediaStream | null} the video that comes back */
  returned = null;
  /** @type {number | null} round trip of the last ping, milliseconds */
  roundTripMs = null;

  #ended = null; // Sam2Error, why: nothing begins any more
  #isUsed = false;
  #peer = null;
  #control = null;
  #token = null; // for a service that asks for one
  #location = null; // where a DELETE ends the session
  #pending = new Map(); // seq -> {resolve, reject, sentAtMs}
  #seq = 0;
  #offset = null; // in_rtp - out_rtp (mod 2^32), the same for all frames of a session
  #timers = new Set();

  /** @returns {boolean} whether prompts can be sent */
  get isOpen() {
    return !this.#ended && this.#control?.readyState === "open" && this.hello !== null;
  }

  /**
   * Sends the stream's video; resolves when the service has said hello.
   * @param {MediaStream} stream with one video track
   * @param {{url?: string, token?: string | null}} [options] url: the service, where it is not the
   *   page's own origin; token: for a service that asks for one (RFC 6750)
   * @returns {Promise<Hello>}
   * @throws {Sam2Error} unreachable, unauthorized, full, refused, lost, or closed by close() meanwhile
   */
  async connect(stream, { url = "", token = null } = {}) {
    if (this.#isUsed) throw new Sam2Error("closed", "a Sam2Client connects once: make a new one");
    this.#isUsed = true;
    this.#token = token;
    const base = new URL(url === "" ? "." : `${url.replace(/\/$/, "")}/`, document.baseURI);
    try {
      const config = await (await request(new URL("config", base), {}, token)).json();
      this.#throwIfEnded();
      const peer = this.#open(stream, config.iceServers ?? []);
      await peer.setLocalDescription();
      await isGathered(peer);
      this.#throwIfEnded();
      const { sdp, type } = peer.localDescription;
      const offer = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sdp, type }),
      };
      const answer = await request(new URL("offer", base), offer, token);
      const description = await answer.json();
      // The service does not know the path that a proxy serves it under.
      this.#location = new URL(description.location.replace(/^\//, ""), base);
      this.#throwIfEnded();
      const greeted = this.#greeting();
      greeted.catch(() => {}); // awaited below, unless the answer is bad
      await peer.setRemoteDescription({ sdp: description.sdp, type: "answer" });
      return await greeted;
    } catch (error) {
      this.#end(error);
      this.#leave(); // the location may have come after close()
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

  /** @param {number} trackId @returns {Promise<Ack>} */
  remove(trackId) {
    return this.#ask({ type: "remove", track_id: trackId });
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
    return this.#ask({ type: "configure", output, strength, colour, image });
  }

  /**
   * The frame as it was sent, from the frame as it came back.
   * @param {number | undefined} rtpTimestamp of requestVideoFrameCallback's metadata
   * @returns {number | null} null where the browser gives none, or before the first mask frame
   */
  sentTimestamp(rtpTimestamp) {
    if (rtpTimestamp === undefined || this.#offset === null) return null;
    return (rtpTimestamp + this.#offset) >>> 0;
  }

  /** Ends the session here and at the service. */
  close = () => this.#end(null);

  #throwIfEnded() {
    if (this.#ended) throw this.#ended;
  }

  #open(stream, iceServers) {
    const [camera] = stream.getVideoTracks();
    if (!camera) throw new Sam2Error("refused", "the stream has no video track");
    const peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#peer = peer;
    this.#control = peer.createDataChannel("control"); // reliable and ordered
    this.#control.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    this.#control.onclose = () => {
      this.#location = null; // nothing is left there to end
      this.#end(new Sam2Error("lost", "the service ended the session"));
    };
    const masks = peer.createDataChannel("masks", { ordered: false, maxRetransmits: 0 });
    masks.binaryType = "arraybuffer";
    masks.onmessage = ({ data }) => this.#see(data);
    const { receiver } = peer.addTransceiver(camera, { direction: "sendrecv", streams: [stream] });
    // Play what came at once: a late frame is worth less than a smooth one here.
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
    this.returned = new MediaStream([receiver.track]);
    peer.onconnectionstatechange = () => this.#watch(peer);
    addEventListener("pagehide", this.close);
    return peer;
  }

  #greeting() {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Sam2Error("lost", "no media path to the service was found"));
      this.#later(late, HELLO_MS);
      this.addEventListener("hello", ({ detail }) => resolve(detail), { once: true });
      this.addEventListener("close", ({ detail }) => reject(detail ?? closed()), { once: true });
    });
  }

  #watch(peer) {
    if (peer.connectionState === "failed") {
      this.#end(new Sam2Error("lost", "the connection to the service was lost"));
    } else if (peer.connectionState === "disconnected") {
      this.#later(() => {
        if (peer.connectionState === "disconnected") {
          this.#end(new Sam2Error("lost", "the connection to the service was lost"));
        }
      }, GRACE_MS);
    }
  }

  #hear(message) {
    if (message.type === "hello") {
      this.hello = message;
      this.#ping();
      this.#tell("hello", message);
    } else if (message.type === "ack") {
      this.#settle(message.seq)?.resolve(message);
    } else if (message.type === "pong") {
      const asked = this.#settle(message.seq);
      if (asked) this.roundTripMs = performance.now() - asked.sentAtMs;
    } else if (message.type === "error") {
      const error = new Sam2Error(message.code, message.message);
      const asked = this.#settle(message.seq);
      if (asked) asked.reject(error);
      else this.#tell("fault", error);
    } else if (message.type === "event") {
      this.#tell("track", message);
    } else if (message.type === "stats") {
      this.#tell("stats", message);
    }
  }

  #see(buffer) {
    let frame;
    try {
      frame = decodeMaskFrame(buffer);
    } catch (error) {
      if (!(error instanceof MaskFrameError)) throw error;
      this.#tell("fault", new Sam2Error("unreadable", error.message));
      return;
    }
    if (frame.outRtp !== 0) this.#offset = (frame.inRtp - frame.outRtp) >>> 0;
    this.#tell("masks", frame);
  }

  #ask(message) {
    if (!this.isOpen) return Promise.reject(closed());
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new Sam2Error("busy", `${MAX_PENDING} requests wait for an answer`));
    }
    const seq = this.#seq++;
    const text = JSON.stringify({ ...message, seq });
    const [bytes, most] = [new Blob([text]).size, this.hello.limits.max_message_bytes];
    if (bytes > most) {
      return Promise.reject(new Sam2Error("too_large", `${bytes} bytes, at most ${most}`));
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(seq, { resolve, reject, sentAtMs: performance.now() });
      this.#control.send(text);
    });
  }

  #ping() {
    if (!this.isOpen) return;
    this.#ask({ type: "ping" }).catch(() => {}); // a pong settles nothing; a close rejects it
    this.#later(() => this.#ping(), PING_MS);
  }

  #settle(seq) {
    const asked = this.#pending.get(seq);
    this.#pending.delete(seq);
    return asked;
  }

  #later(call, ms) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, ms);
    this.#timers.add(timer);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #end(error) {
    if (this.#ended) return;
    this.#ended = error ?? closed();
    removeEventListener("pagehide", this.close);
    this.#timers.forEach(clearTimeout);
    if (this.#peer) {
      this.#control.onclose = null;
      this.#peer.onconnectionstatechange = null;
      this.#peer.close();
    }
    this.#leave();
    this.#pending.forEach(({ reject }) => reject(this.#ended));
    this.#pending.clear();
    this.#tell("close", error);
  }

  #leave() {
    // keepalive lets the request outlive the page. A service that is gone has no session to end.
    const leave = { method: "DELETE", keepalive: true, headers: withToken({}, this.#token) };
    if (this.#location) fetch(this.#location, leave).catch(() => {});
    this.#location = null;
  }
}

const closed = () => new Sam2Error("closed", "the connection is closed");
