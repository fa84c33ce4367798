/**
 * Which of the viewer's own frames carried an RTP timestamp.
 *
 * A browser counts RTP time in whole milliseconds of its capture clock, from an origin that it does
 * not tell. So timestamp / 90 - capture time is the same for all frames, give or take half a
 * millisecond. When frames were shown and when they left the encoder says roughly what it is; the
 * uneven distances between a camera's frames say it exactly.
 */

const TICKS_PER_MS = 90; // RTP's clock of video: 90 kHz (RFC 3551)
const KEPT = 90; // frames of either kind: three seconds
const STEP = 15; // frames between two looks; the first comes after as many
const UNSEEN = 15; // frames sent since one was shown, after which what was shown is of the past
const PATIENCE = 60; // frames after which the rough value has to do, where distances say nothing
const ENOUGH = 150; // frames after which it stays as it is
const EARLY_MS = 60; // how far below the rough value it may be: a screen shows late
const LATE_MS = 300; // how far above: a busy encoder is later
const COUNTED = 0.75; // of the frames, the nearest: some were never shown
const FIT_MS = 2; // mean distance of those where the value is right
const CLEAR_MS = 0.3; // by which a fit has to be better than all others, and twice as good
const PULL = 0.02; // how much worse a fit may be for each millisecond nearer to the rough value
const SAME_MS = 1.5; // a frame this near to a timestamp is its frame; a busy camera's come in bursts
const DRIFT = 0.1; // share of each frame's distance by which the value follows it

/** @typedef {{offsetMs: number, missMs: number}} Fit */

/** @param {number[]} values @returns {number} */
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

export class SentClock {
  /** @type {number | null} RTP time minus capture time, milliseconds; null while it is not known */
  offsetMs = null;

  /** @type {number[]} */
  #frames = []; // capture times
  /** @type {number[]} */
  #sent = []; // RTP times
  #lag = Infinity; // of what was shown behind its capture time, at least
  #lead = Infinity; // of what was encoded behind its RTP time, at least
  #isClear = false; // the distances decided
  /** @type {{rtp: number, ms: number} | null} */
  #last = null; // the newest timestamp, unwrapped

  #count = 0; // of frames that were encoded while frames were shown
  #unseen = 0; // of those since the last that was shown

  /** @returns {boolean} */
  get isKnown() {
    return this.offsetMs !== null;
  }

  /** @returns {boolean} nothing is gained by more frames */
  get isSettled() {
    return this.isKnown && (this.#isClear || this.#count >= ENOUGH);
  }

  /**
   * A frame that was shown.
   * @param {number} captureMs on any clock that goes evenly
   * @param {number} atMs when, on the clock of performance.now()
   */
  show(captureMs, atMs) {
    this.#unseen = 0;
    keep(this.#frames, captureMs);
    this.#lag = Math.min(this.#lag, atMs - captureMs);
  }

  /**
   * A frame that was encoded.
   * @param {number} rtp
   * @param {number} atMs when, on the clock of performance.now()
   */
  send(rtp, atMs) {
    const ms = this.#unwrap(rtp);
    this.#last = { rtp, ms };
    this.#unseen += 1;
    if (this.#unseen > UNSEEN) {
      this.#forget(); // the page is hidden, or shows another picture
      return;
    }
    keep(this.#sent, ms);
    this.#lead = Math.min(this.#lead, atMs - ms);
    this.#count += 1;
    if (this.#count % STEP === 0 && this.#frames.length >= STEP) this.#calibrate();
  }

  /**
   * @param {number} rtp timestamp of a frame that was sent
   * @returns {number | null} its capture time; null while that is not known
   */
  captureMs(rtp) {
    return this.offsetMs === null ? null : this.#unwrap(rtp) - this.offsetMs;
  }

  /**
   * Picks the frame of a timestamp.
   * @template {{captureMs: number}} T
   * @param {number} rtp
   * @param {T[]} frames
   * @returns {T | null} null when it is not among them
   */
  find(rtp, frames) {
    const wantedMs = this.captureMs(rtp);
    if (wantedMs === null) return null;
    const away = (/** @type {T} */ { captureMs }) => Math.abs(captureMs - wantedMs);
    const [nearest] = [...frames].sort((a, b) => away(a) - away(b));
    if (!nearest || away(nearest) > SAME_MS) return null;
    this.#last = { rtp, ms: this.#unwrap(rtp) }; // it wraps every 13 hours
    // Clocks drift apart over hours.
    if (this.offsetMs !== null) this.offsetMs += DRIFT * (wantedMs - nearest.captureMs);
    return nearest;
  }

  /** Frames of now fit those of the past wherever the little that is left of both overlaps. */
  #forget() {
    [this.#frames, this.#sent, this.#count] = [[], [], 0];
  }

  #calibrate() {
    const roughMs = this.#lag - this.#lead;
    const fits = [0.25, 0.5, 0.75]
      .map((share) => this.#sent[Math.floor(share * this.#sent.length)])
      .flatMap((ms) => this.#frames.map((captureMs) => ms - captureMs))
      .filter((offsetMs) => offsetMs > roughMs - EARLY_MS && offsetMs < roughMs + LATE_MS)
      .map((offsetMs) => this.#fit(offsetMs))
      .sort((a, b) => a.missMs - b.missMs);
    if (fits.length === 0 || fits[0].missMs > FIT_MS) return;
    const other = fits.find(({ offsetMs }) => Math.abs(offsetMs - fits[0].offsetMs) > SAME_MS);
    const otherMs = other?.missMs ?? Infinity;
    this.#isClear = otherMs > Math.max(fits[0].missMs + CLEAR_MS, 2 * fits[0].missMs);
    if (this.#isClear) {
      this.offsetMs = fits[0].offsetMs;
    } else if (this.#count >= PATIENCE) {
      const cost = (/** @type {Fit} */ { offsetMs, missMs }) =>
        missMs + PULL * Math.abs(offsetMs - roughMs);
      this.offsetMs = fits.reduce((a, b) => (cost(b) < cost(a) ? b : a)).offsetMs;
    }
  }

  /**
   * How far the frames that were sent are from those that were shown, and the offset centred.
   * @param {number} offsetMs
   * @returns {Fit}
   */
  #fit(offsetMs) {
    const frames = this.#frames;
    const misses = this.#sent
      .map((ms) => ms - offsetMs)
      .filter((ms) => ms >= frames[0] - SAME_MS && ms <= frames[frames.length - 1] + SAME_MS)
      .map((ms) => {
        const distances = frames.map((captureMs) => ms - captureMs);
        return distances.reduce((a, b) => (Math.abs(b) < Math.abs(a) ? b : a));
      });
    if (misses.length < STEP / 2) return { offsetMs, missMs: Infinity };
    const nearest = misses.sort((a, b) => Math.abs(a) - Math.abs(b));
    const counted = nearest.slice(0, Math.ceil(COUNTED * nearest.length));
    const total = counted.reduce((sum, miss) => sum + Math.abs(miss), 0);
    return { offsetMs: offsetMs + median(counted), missMs: total / counted.length };
  }

  #unwrap(/** @type {number} */ rtp) {
    if (!this.#last) return rtp / TICKS_PER_MS;
    return this.#last.ms + ((rtp - this.#last.rtp) | 0) / TICKS_PER_MS;
  }
}

/** @param {number[]} values @param {number} value */
function keep(values, value) {
  values.push(value);
  if (values.length > KEPT) values.shift();
}
