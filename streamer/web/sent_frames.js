/** The RTP timestamps of the frames that this page sends, as each leaves the encoder. */

const READY_MS = 1000; // a page's rules (CSP) may forbid the worker, which then never answers

// Chromium 156 sends nothing any more once a transform is taken away, so frames pass through it for
// as long as the connection lives; it tells of them only while somebody listens.
const PASS = `
  let isTelling = false;
  onmessage = ({ data }) => { isTelling = data; };
  onrtctransform = ({ transformer: { readable, writable } }) => {
    const look = (frame, next) => {
      if (isTelling) {
        const atMs = performance.timeOrigin + performance.now();
        postMessage([frame.getMetadata().rtpTimestamp, atMs]);
      }
      next.enqueue(frame);
    };
    readable.pipeThrough(new TransformStream({ transform: look })).pipeTo(writable).catch(() => {});
  };
  postMessage(null);
`;

/** Of one connection. */
export class SentFrames {
  /** @type {Worker} */
  #worker;

  /** @param {Worker} worker that is ready */
  constructor(worker) {
    this.#worker = worker;
  }

  /**
   * @returns {Promise<SentFrames | null>} null where the browser has no RTCRtpScriptTransform, or
   *   lets the page have no worker
   */
  static make() {
    if (!("RTCRtpScriptTransform" in globalThis)) return Promise.resolve(null);
    const url = URL.createObjectURL(new Blob([PASS], { type: "text/javascript" }));
    return new Promise((resolve) => {
      const worker = new Worker(url);
      const settle = (/** @type {boolean} */ isReady) => {
        clearTimeout(timer);
        URL.revokeObjectURL(url);
        worker.onmessage = worker.onerror = null;
        if (!isReady) worker.terminate();
        resolve(isReady ? new SentFrames(worker) : null);
      };
      const timer = setTimeout(() => settle(false), READY_MS);
      worker.onmessage = () => settle(true);
      worker.onerror = () => settle(false);
    });
  }

  /** Before the offer: later it has no effect. @param {RTCRtpSender} sender */
  attach(sender) {
    sender.transform = new RTCRtpScriptTransform(this.#worker);
  }

  /**
   * @param {((rtp: number, atMs: number) => void) | null} call for each frame from now on: its
   *   timestamp and when it was encoded, on the clock of performance.now(); null: for none
   */
  listen(call) {
    this.#worker.onmessage = call
      ? ({ data: [rtp, atMs] }) => call(rtp, atMs - performance.timeOrigin)
      : null;
    this.#worker.postMessage(call !== null);
  }

  /** The connection is closed. */
  close() {
    this.#worker.terminate();
  }
}
