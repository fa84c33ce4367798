/**
 * One viewer in a browser, for load/browser.py: a camera out, masks and pictures back, each with the
 * time since its frame was captured, all on the browser's own clock. Run on a page of the service.
 */

const ROWS = 8; // of the number in a picture, as load/picture_code.py draws it
const BITS = 10;
const ROUND_MS = 1500; // less than a film takes to come round to the same number

/** The number in a picture; null where something else is seen. @param {HTMLVideoElement} video */
function numberIn(video) {
  const [width, height] = [video.videoWidth, video.videoHeight];
  const canvas = new OffscreenCanvas(width, 2 * ROWS);
  const pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 2 * ROWS - height);
  const { data } = pen.getImageData(0, 0, width, 2 * ROWS);
  const cell = Math.floor(width / BITS);
  const isLight = (bit, top) => {
    const levels = [];
    for (let y = top + 2; y < top + ROWS - 2; y += 1) {
      for (let x = Math.floor((bit + 0.25) * cell); x < (bit + 0.75) * cell; x += 1) {
        levels.push(data[4 * (y * width + x) + 1]);
      }
    }
    return levels.reduce((sum, level) => sum + level, 0) / levels.length > 125;
  };
  const bits = [...Array(BITS).keys()];
  if (bits.some((bit) => isLight(bit, 0) === isLight(bit, ROWS))) return null;
  return bits.reduce((number, bit) => number + (isLight(bit, 0) ? 2 ** bit : 0), 0);
}

class BrowserViewer {
  #client;
  #clock;
  #own = document.createElement("video"); // what is sent
  #returned = document.createElement("video");
  #encodedMs = new Map(); // by RTP timestamp: when the frame left the encoder
  #masks = []; // [RTP timestamp, when they came, whether all objects were in sight]
  #pictures = []; // [RTP timestamp of the frame as it was sent, when it was shown]
  /** @type {Map<number | null, number> | null} */
  #numbers = new Map(); // when the picture of a number was last captured; null after the click
  #wrongMs = 0; // what the clock says too late
  #numSent = 0;
  #newestRtp = 0; // of what was sent
  #expected = null; // {after, beganMs, found, resolve} of recovers()
  #lost = null;

  constructor(client, clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** @param {{width: number, height: number, fps: number, token: string | null}} asked */
  static async begin({ width, height, fps, token }) {
    const { Sam2Client } = await import(new URL("web/client.js", document.baseURI));
    const { SentClock } = await import(new URL("web/sent_clock.js", document.baseURI));
    const video = { width, height, frameRate: fps };
    const stream = await navigator.mediaDevices.getUserMedia({ video });
    const viewer = new BrowserViewer(new Sam2Client(), new SentClock());
    await viewer.#connect(stream, token);
    return viewer;
  }

  async #connect(stream, token) {
    this.#client.addEventListener("masks", ({ detail }) => this.#see(detail));
    this.#client.addEventListener("close", ({ detail }) => (this.#lost = String(detail)));
    await this.#client.connect(stream, { token, resumeMs: 0 });
    const canTell = this.#client.listenSent((rtp, atMs) => {
      if (!this.#clock.isSettled) this.#clock.send(rtp, atMs);
      this.#encodedMs.set(rtp, atMs);
      this.#numSent += 1;
      this.#newestRtp = rtp;
    });
    if (!canTell) throw new Error("this browser does not tell which frames it sends");
    this.#play(this.#own, stream);
    this.#play(this.#returned, this.#client.returned);
    this.#watch(this.#own, ({ captureTime }) => {
      this.#clock.show(captureTime, captureTime);
      this.#numbers?.set(numberIn(this.#own), captureTime);
    });
    this.#watch(this.#returned, ({ rtpTimestamp }) => {
      const inRtp = this.#client.sentTimestamp(rtpTimestamp);
      if (inRtp === null) return;
      this.#pictures.push([inRtp, performance.now()]);
      if (this.#awaits("picture", inRtp) && numberIn(this.#returned) !== null) this.#find("picture");
    });
  }

  #play(video, stream) {
    video.muted = true;
    video.srcObject = stream;
    document.body.append(video);
    video.play();
  }

  #watch(video, look) {
    video.requestVideoFrameCallback((_, metadata) => {
      this.#watch(video, look);
      look(metadata);
    });
  }

  #see({ inRtp, objects }) {
    const inSight = objects.length > 0 && objects.every(({ state }) => state === "visible");
    this.#masks.push([inRtp, performance.now(), inSight]);
    if (inSight && this.#awaits("mask", inRtp)) this.#find("mask");
  }

  #awaits(what, rtp) {
    return this.#expected?.found[what] === null && ((rtp - this.#expected.after) | 0) > 0;
  }

  #find(what) {
    const { beganMs, found, resolve } = this.#expected;
    found[what] = (performance.now() - beganMs) / 1000;
    if (found.mask !== null && found.picture !== null) resolve();
  }

  /**
   * Seconds to the first mask in sight and to the first readable picture of frames that are encoded
   * from now on; null: not in time.
   */
  async recovers(patienceS) {
    const found = { mask: null, picture: null };
    await new Promise((resolve) => {
      this.#expected = { after: this.#newestRtp, beganMs: performance.now(), found, resolve };
      setTimeout(resolve, 1000 * patienceS);
    });
    this.#expected = null;
    return [found.mask, found.picture];
  }

  /** Whether it is known, for good, when frames were captured. */
  get isReady() {
    if (this.#lost !== null) throw new Error(`the session ended: ${this.#lost}`);
    return this.#clock.isSettled;
  }

  /**
   * The number in a returned picture and the frame that it was: [number, RTP timestamp] | null.
   * By its number it is known when it was captured, by which the clock is set right: where an encoder
   * was never on time, it is a frame off.
   */
  look() {
    return new Promise((resolve) => {
      this.#returned.requestVideoFrameCallback((_, { rtpTimestamp }) => {
        const inRtp = this.#client.sentTimestamp(rtpTimestamp);
        const number = numberIn(this.#returned);
        const capturedMs = this.#numbers.get(number) ?? -Infinity;
        const wasSeen = capturedMs > performance.now() - ROUND_MS; // not all are
        if (inRtp === null || number === null || !wasSeen) return resolve(null);
        this.#wrongMs = this.#clock.captureMs(inRtp) - capturedMs;
        resolve([number, inRtp]);
      });
    });
  }

  /** Begins a track in that frame. */
  click(x, y, rtpTimestamp) {
    this.#numbers = null; // reading them costs time
    return this.#client.prompt({ trackId: 1, points: [[x, y, 1]], rtpTimestamp });
  }

  /** What comes back from now on; the viewer's own picture is shown where no other is. */
  async show(output) {
    await this.#client.configure({ output });
    if (output !== "masks") this.#own.remove();
  }

  /**
   * What came since the last time; times are in milliseconds, of those frames of which it is known
   * when they were captured, or encoded.
   */
  async take() {
    if (this.#lost !== null) throw new Error(`the session ended: ${this.#lost}`);
    const [masks, pictures, numSent] = [this.#masks, this.#pictures, this.#numSent];
    [this.#masks, this.#pictures, this.#numSent] = [[], [], 0];
    const since = (began) => ([rtp, atMs]) => {
      const beganMs = began(rtp) ?? null;
      return beganMs === null ? [] : [atMs - beganMs];
    };
    const captured = since((rtp) => {
      const ms = this.#clock.captureMs(rtp);
      return ms === null ? null : ms - this.#wrongMs;
    });
    const taken = {
      masks: masks.length,
      in_sight: masks.filter(([, , inSight]) => inSight).length,
      sent: numSent,
      captured_ms: masks.flatMap(captured),
      encoded_ms: masks.flatMap(since((rtp) => this.#encodedMs.get(rtp))),
      picture_ms: pictures.flatMap(captured),
      size: await this.#sentSize(),
    };
    const kept = [...this.#encodedMs].slice(-300);
    this.#encodedMs = new Map(kept);
    return taken;
  }

  async #sentSize() {
    const report = [...((await this.#client.getStats())?.values() ?? [])];
    const { frameWidth, frameHeight } = report.find(({ type }) => type === "outbound-rtp") ?? {};
    return `${frameWidth}x${frameHeight}`;
  }

  end() {
    this.#client.close();
  }
}

globalThis.BrowserViewer = BrowserViewer;
