/** Numbers: the status line. */

const MAX_AGES = 90; // mask frames of which the latency is the median

const $ = (id) => document.getElementById(id);

export class Numbers {
  #ages = [];

  /** @param {number} ageMs of a mask frame when it left the service */
  age(ageMs) {
    this.#ages.push(ageMs);
    if (this.#ages.length > MAX_AGES) this.#ages.shift();
  }

  /** Forgets what was measured. */
  clear() {
    this.#ages = [];
  }

  /** @param {object} stats of the service @param {number | null} roundTripMs */
  show({ fps, dropped }, roundTripMs) {
    $("fps").textContent = fps.toFixed(fps < 10 ? 1 : 0);
    const skipped = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    $("drops").textContent = skipped.toLocaleString("en");
    if (roundTripMs === null || this.#ages.length === 0) return;
    const median = [...this.#ages].sort((a, b) => a - b)[this.#ages.length >> 1];
    $("latency").textContent = `${Math.round(median + roundTripMs)} ms`;
  }
}
