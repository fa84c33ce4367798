/** One connection of a Sam2Client with the service: its offer, its two channels, its end. */

import { MaskFrameError, decodeMaskFrame } from "./mask_frame.js";
import { Requests } from "./requests.js";
import { SentFrames } from "./sent_frames.js";
import { Sam2Error, isGathered, request, withToken } from "./signalling.js";

const HELLO_MS = 15000; // from the answer until the service has said hello
const SILENT_MS = 4000; // the service speaks each second: without a word for so long it is lost
const DOUBTFUL_MS = 1200; // after which it is asked over HTTP whether the session is still there
const ASK_MS = 1000; // for its answer
const ASK_AGAIN_MS = 500;
const PING_MS = 2000;

/**
 * What it tells, by a call of `tell(type, detail)`: masks, track, stats and fault as Sam2Client's
 * events; `migrate` {seconds, url}; `lost` Sam2Error, once, unless close() came first: with code
 * "ended", nothing is to go on.
 */
export class Link {
  /** @type {import("./client.js").Hello | null} what the service said of itself */
  hello = null;
  /** @type {string | null} the newest token with which another connection goes on */
  resume = null;
  /** @type {number[]} tracks that go on from the connection before */
  resumed = [];
  /** @type {MediaStreamTrack | null} the video that comes back */
  returned = null;
  /** @type {number | null} in_rtp - out_rtp (mod 2^32), the same for all its frames */
  offset = null;
  /** @type {number | null} round trip of the last ping, milliseconds */
  roundTripMs = null;

  #tell;
  #token;
  /** @type {Sam2Error | null} */
  #ended = null; // why
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  /** @type {RTCDataChannel | null} */
  #control = null;
  /** @type {SentFrames | null} */
  #sent = null; // where the browser has them
  /** @type {URL | null} */
  #location = null; // where a DELETE ends the session
  #requests = new Requests();
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  #heardAtMs = 0;
  /** @type {{resolve: () => void, reject: (error: Sam2Error) => void} | null} */
  #greet = null; // of open()

  /**
   * @param {(type: string, detail: any) => void} tell
   * @param {string | null} token for a service that asks for one
   */
  constructor(tell, token) {
    this.#tell = tell;
    this.#token = token;
  }

  /** @returns {boolean} whether something can be asked */
  get isOpen() {
    return !this.#ended && this.#control?.readyState === "open" && this.hello !== null;
  }

  /**
   * Offers the camera to the service at `base`, with the token of the connection before, and waits
   * for its hello.
   * @param {MediaStreamTrack} camera
   * @param {URL} base
   * @param {string | null} resume
   */
  async open(camera, base, resume) {
    try {
      const config = await (await request(new URL("config", base), {}, this.#token)).json();
      this.#throwIfEnded();
      this.#sent = await SentFrames.make();
      this.#throwIfEnded();
      const peer = this.#connect(camera, config.iceServers ?? []);
      await peer.setLocalDescription();
      await isGathered(peer);
      this.#throwIfEnded();
      const { sdp, type } = /** @type {RTCSessionDescription} */ (peer.localDescription);
      const offer = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sdp, type, resume }),
      };
      const answer = await (await request(new URL("offer", base), offer, this.#token)).json();
      // The service does not know the path that a proxy serves it under.
      this.#location = new URL(answer.location.replace(/^\//, ""), base);
      this.resumed = answer.resumed ?? [];
      this.#throwIfEnded();
      const greeted = this.#greeting();
      greeted.catch(() => {}); // awaited below, unless the answer is bad
      await peer.setRemoteDescription({ sdp: answer.sdp, type: "answer" });
      await greeted;
    } catch (error) {
      this.#end(/** @type {Sam2Error} */ (error));
      this.#hangUp(); // the location may have come after close()
      throw this.#ended;
    }
  }

  /**
   * Sends a request; resolves with the service's answer.
   * @param {object} message
   * @returns {Promise<any>}
   */
  ask(message) {
    const [control, hello] = [this.#control, this.hello];
    if (!this.isOpen || !control || !hello) return Promise.reject(this.#ended ?? closed());
    return this.#requests.ask(control, message, hello.limits.max_message_bytes);
  }

  /**
   * @param {((rtp: number, atMs: number) => void) | null} call for each frame that is sent
   * @returns {boolean} false where this browser cannot tell
   */
  listenSent(call) {
    this.#sent?.listen(call);
    return this.#sent !== null;
  }

  /** @returns {Promise<RTCStatsReport | null>} of the connection, as the browser counts */
  async getStats() {
    return (await this.#peer?.getStats()) ?? null;
  }

  /** Ends it here and at the service. */
  close() {
    this.#end(closed());
    this.#hangUp();
  }

  #throwIfEnded() {
    if (this.#ended) throw this.#ended;
  }

  /** @param {MediaStreamTrack} camera @param {RTCIceServer[]} iceServers */
  #connect(camera, iceServers) {
    const peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#peer = peer;
    const control = peer.createDataChannel("control"); // reliable and ordered
    this.#control = control;
    control.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    control.onclose = () => {
      this.#location = null; // nothing is left there to end
      this.#lose("the service ended the session");
    };
    const masks = peer.createDataChannel("masks", { ordered: false, maxRetransmits: 0 });
    masks.binaryType = "arraybuffer";
    masks.onmessage = ({ data }) => this.#see(data);
    const { sender, receiver } = peer.addTransceiver(camera, { direction: "sendrecv" });
    this.#sent?.attach(sender);
    // Play what came at once: a late frame is worth less than a smooth one here.
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else Object.assign(receiver, { playoutDelayHint: 0 }); // its name before
    this.returned = receiver.track;
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "failed") this.#lose("the connection to the service was lost");
    };
    return peer;
  }

  /** @returns {Promise<void>} */
  #greeting() {
    return new Promise((resolve, reject) => {
      this.#greet = { resolve, reject };
      const late = () => reject(new Sam2Error("no_media", "no way for its packets was found"));
      this.#later(late, HELLO_MS);
    });
  }

  /** @param {any} message of the control channel */
  #hear(message) {
    if (this.#ended) return; // it was taken for lost and is not: another goes on by now
    this.#heardAtMs = performance.now();
    if (message.type === "hello") {
      this.hello = message;
      this.#ping();
      this.#listen();
      this.#greet?.resolve();
    } else if (message.type === "ack") {
      this.#requests.settle(message.seq)?.resolve(message);
    } else if (message.type === "pong") {
      const asked = this.#requests.settle(message.seq);
      if (asked) this.roundTripMs = performance.now() - asked.sentAtMs;
    } else if (message.type === "error") {
      this.#hearError(new Sam2Error(message.code, message.message), message.seq);
    } else if (message.type === "event") {
      this.#tell("track", message);
    } else if (message.type === "resume") {
      this.resume = message.token;
    } else if (message.type === "stats" || message.type === "migrate") {
      this.#tell(message.type, message);
    }
  }

  /** @param {Sam2Error} error @param {number | null} seq */
  #hearError(error, seq) {
    const asked = seq === null ? undefined : this.#requests.settle(seq);
    if (asked) asked.reject(error);
    else if (error.code === "ended") this.#lose(error);
    else this.#tell("fault", error);
  }

  /** @param {ArrayBuffer} buffer */
  #see(buffer) {
    if (this.#ended) return;
    this.#heardAtMs = performance.now();
    let frame;
    try {
      frame = decodeMaskFrame(buffer);
    } catch (error) {
      if (!(error instanceof MaskFrameError)) throw error;
      this.#tell("fault", new Sam2Error("unreadable", error.message));
      return;
    }
    if (frame.outRtp !== 0) this.offset = (frame.inRtp - frame.outRtp) >>> 0;
    this.#tell("masks", frame);
  }

  async #listen() {
    const silentMs = performance.now() - this.#heardAtMs;
    if (silentMs >= SILENT_MS) return this.#lose("the connection to the service was lost");
    if (silentMs < DOUBTFUL_MS) return this.#later(() => this.#listen(), DOUBTFUL_MS - silentMs);
    if (await this.#isGone()) return this.#lose("the service says that the session is gone");
    if (!this.#ended) this.#later(() => this.#listen(), ASK_AGAIN_MS);
  }

  /** Whether another offer is the only way on: a service that is there says so. */
  async #isGone() {
    if (!this.hello || !this.#location) return false;
    const session = new URL(`../sessions/${this.hello.session}`, this.#location);
    const asked = { headers: withToken({}, this.#token), signal: AbortSignal.timeout(ASK_MS) };
    return fetch(session, asked).then(({ status }) => status === 404, () => false);
  }

  #ping() {
    if (!this.isOpen) return;
    this.ask({ type: "ping" }).catch(() => {}); // a pong settles nothing; a close rejects it
    this.#later(() => this.#ping(), PING_MS);
  }

  /** @param {() => void} call @param {number} ms */
  #later(call, ms) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, ms);
    this.#timers.add(timer);
  }

  /**
   * It stays as it is until close(): a farewell would have the service forget the tracks.
   * @param {string | Sam2Error} reason
   */
  #lose(reason) {
    if (this.#ended) return;
    const wasOpen = this.hello !== null;
    const isReached = wasOpen || this.#peer?.connectionState !== "failed";
    const code = isReached ? "lost" : "no_media";
    this.#end(typeof reason === "string" ? new Sam2Error(code, reason) : reason);
    if (wasOpen) this.#tell("lost", this.#ended); // before, open() says it
  }

  /** @param {Sam2Error} error */
  #end(error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#timers.forEach(clearTimeout);
    this.#greet?.reject(error);
    this.#requests.rejectAll(error);
  }

  #hangUp() {
    if (this.#peer) {
      if (this.#control) this.#control.onclose = null;
      this.#peer.onconnectionstatechange = null;
      this.#peer.close();
    }
    this.#sent?.close();
    // keepalive lets the request outlive the page. A service that is gone has no session to end.
    const leave = { method: "DELETE", keepalive: true, headers: withToken({}, this.#token) };
    if (this.#location) fetch(this.#location, leave).catch(() => {});
    this.#location = null;
  }
}

/** What is asked of a connection that is closed is answered with this. */
export const closed = () => new Sam2Error("closed", "the connection is closed");
