/** Sam2Watcher: a session's video and masks for one who does not send it, as a dashboard. */

import { MaskFrameError, decodeMaskFrame } from "./mask_frame.js";
import { Sam2Error, isGathered, request, withToken } from "./signalling.js";

/**
 *     const watcher = new Sam2Watcher();
 *     await watcher.watch(session, { url: "https://sam2.example" });
 *     video.srcObject = watcher.returned;
 *     new ReturnedJoin(watcher, video).addEventListener("frame", ...);
 *
 * Events, each a CustomEvent: `masks` MaskFrame, whose `outRtp` is the timestamp of its picture in
 * this very video; `fault` Sam2Error; `close` Sam2Error when the connection or the session has ended,
 * or null after close(). Used once.
 */
export class Sam2Watcher extends EventTarget {
  /** @type {MediaStream | null} */
  returned = null;

  /** @type {RTCPeerConnection | null} */
  #peer = null;
  /** @type {URL | null} */
  #location = null; // where a DELETE ends it
  /** @type {string | null} */
  #token = null;
  /** @type {number | null} */
  #offset = null; // in_rtp - out_rtp (mod 2^32), the same for all frames
  #isEnded = false;

  /** @returns {boolean} whether video and masks may come */
  get isOpen() {
    return !this.#isEnded && this.returned !== null;
  }

  /**
   * @param {string} session its id, as the one who sends it was told
   * @param {{url?: string, token?: string | null, track?: "video" | "mask"}} [options] url: the
   *   service, where it is not the page's own origin; track: the objects' alpha in place of the picture
   * @throws {Sam2Error} unreachable, unauthorized, full, or refused: no such session
   */
  async watch(session, { url = "", token = null, track = "video" } = {}) {
    this.#token = token;
    const base = new URL(url === "" ? "." : `${url.replace(/\/$/, "")}/`, document.baseURI);
    try {
      const config = await (await request(new URL("config", base), {}, token)).json();
      const peer = this.#connect(config.iceServers ?? []);
      await peer.setLocalDescription();
      await isGathered(peer);
      const offer = {
        method: "POST",
        headers: { "content-type": "application/sdp" },
        body: peer.localDescription?.sdp ?? "",
      };
      const answer = await request(new URL(`whep/${session}?track=${track}`, base), offer, token);
      const location = answer.headers.get("location") ?? "";
      this.#location = new URL(location.replace(/^\//, ""), base);
      await peer.setRemoteDescription({ sdp: await answer.text(), type: "answer" });
      this.returned = new MediaStream(peer.getReceivers().map((receiver) => receiver.track));
    } catch (error) {
      this.#end(/** @type {Sam2Error} */ (error));
      throw error;
    }
  }

  /**
   * The frame as it was sent by whoever sends it, from the frame as it is shown here.
   * @param {number | undefined} rtpTimestamp of requestVideoFrameCallback's metadata
   * @returns {number | null} null where the browser gives none, or before the first mask frame
   */
  sentTimestamp(rtpTimestamp) {
    if (rtpTimestamp === undefined || this.#offset === null) return null;
    return (rtpTimestamp + this.#offset) >>> 0;
  }

  /** Watches no more. */
  close() {
    this.#end(null);
  }

  /** @param {RTCIceServer[]} iceServers */
  #connect(iceServers) {
    const peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#peer = peer;
    const masks = peer.createDataChannel("masks", { ordered: false, maxRetransmits: 0 });
    masks.binaryType = "arraybuffer";
    masks.onmessage = ({ data }) => this.#see(data);
    masks.onclose = () => {
      this.#location = null; // nothing is left there to end
      this.#end(new Sam2Error("lost", "the session has ended"));
    };
    peer.onconnectionstatechange = () => {
      if (peer.connectionState !== "failed") return;
      this.#end(new Sam2Error("lost", "the connection to the service was lost"));
    };
    const { receiver } = peer.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0; // as in link.js
    return peer;
  }

  /** @param {ArrayBuffer} buffer */
  #see(buffer) {
    try {
      const frame = decodeMaskFrame(buffer);
      if (frame.outRtp !== 0) this.#offset = (frame.inRtp - frame.outRtp) >>> 0;
      this.#tell("masks", frame);
    } catch (error) {
      if (!(error instanceof MaskFrameError)) throw error;
      this.#tell("fault", new Sam2Error("unreadable", error.message));
    }
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {Sam2Error | null} error */
  #end(error) {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#peer) this.#peer.onconnectionstatechange = null;
    this.#peer?.close();
    const leave = { method: "DELETE", keepalive: true, headers: withToken({}, this.#token) };
    // As in link.js: the request outlives the page, and a service that is gone has nothing to end.
    if (this.#location) fetch(this.#location, leave).catch(() => {});
    this.#location = null;
    this.#tell("close", error);
  }
}
