/** The numbers: a short line that is always there, and a panel with all of them. */

const AGES_MS = 3000; // for which a mask frame counts in the median of the latency

/** The service's stages in a frame's order; `masks` goes beside compose and send. */
const STAGES = {
  receive: "Receive",
  decode: "Decode",
  queue: "Wait for the model",
  encode: "Image encoder",
  track: "Follow objects",
  masks: "Send masks",
  compose: "Paint",
  send: "Encode and send",
};
const DROPS = {
  slot: "model was busy",
  stale: "came out of order",
  too_large: "too large",
  encode: "not painted in time",
  lost: "model had no answer",
  masks: "masks held back",
  undecoded: "lost on the way",
};
const STATES = { visible: "visible", occluded: "hidden", lost: "lost" };

const $ = (id) => document.getElementById(id);
const ms = (value) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ms`;
const rate = (kilobits) =>
  kilobits < 1000 ? `${Math.round(kilobits)} kbit/s` : `${(kilobits / 1000).toFixed(1)} Mbit/s`;

export class Panel {
  #ages = [];
  #counted = new Map(); // what is counted -> {sum, along} a second ago

  /** @param {HTMLButtonElement} toggle that opens and closes the panel it controls */
  constructor(toggle) {
    const panel = $(toggle.getAttribute("aria-controls"));
    const open = (isOpen) => {
      panel.hidden = !isOpen;
      toggle.ariaExpanded = String(isOpen);
    };
    toggle.onclick = () => open(panel.hidden);
    open(matchMedia("(min-width: 1000px)").matches);
  }

  /** @param {number} ageMs of a mask frame when it left the service */
  age(ageMs) {
    const atMs = performance.now();
    this.#ages = this.#ages.filter((age) => atMs - age.atMs < AGES_MS);
    this.#ages.push({ ageMs, atMs });
  }

  /** Forgets what was measured. */
  clear() {
    this.#ages = [];
    this.#counted.clear();
  }

  /** @param {{name: string, device: string, image_size: number}} model */
  model({ name, device, image_size }) {
    $("model").textContent = `${name} · ${device} · ${image_size} px`;
  }

  /** @param {string} words how masks and pictures are put together */
  join(words) {
    $("join").textContent = words;
  }

  /**
   * @param {object} stats of the service
   * @param {import("./client.js").Sam2Client} client
   * @param {string[]} states of the objects
   */
  async show(stats, client, states) {
    const { fps, dropped } = stats;
    const roundTripMs = client.roundTripMs;
    for (const id of ["fps", "rate"]) $(id).textContent = fps.toFixed(fps < 10 ? 1 : 0);
    const skipped = Object.entries(dropped).filter(([, count]) => count > 0);
    $("drops").textContent = skipped.reduce((sum, [, count]) => sum + count, 0).toLocaleString("en");
    rows($("drops-by"), skipped.map(([why, count]) => [DROPS[why] ?? why, count.toLocaleString("en")]));
    $("rtt").textContent = roundTripMs === null ? "–" : ms(roundTripMs);
    $("objects").textContent = tally(states);
    if (roundTripMs !== null && this.#ages.length > 0) {
      const ages = this.#ages.map(({ ageMs }) => ageMs).sort((a, b) => a - b);
      const median = ages[ages.length >> 1];
      $("latency").textContent = $("total").textContent = `${Math.round(median + roundTripMs)} ms`;
    }
    const report = await client.getStats();
    if (report) this.#browser([...report.values()], stats, roundTripMs);
  }

  /** What only the browser knows. */
  #browser(report, { stages_ms, step_ms }, roundTripMs) {
    const one = (type, label) =>
      report.find((entry) => entry.type === type && (!label || entry.label === label));
    const [sent, back] = [one("outbound-rtp"), one("inbound-rtp")];
    const masks = one("data-channel", "masks");
    $("up").textContent = this.#rate("up", sent?.bytesSent, sent?.timestamp);
    $("down").textContent = this.#rate("down", back?.bytesReceived, back?.timestamp);
    $("masks-rate").textContent = this.#rate("masks", masks?.bytesReceived, masks?.timestamp);
    $("size").textContent = sent?.frameWidth
      ? `${sent.frameWidth} × ${sent.frameHeight} · ${Math.round(sent.framesPerSecond ?? 0)} fps`
      : "–";
    const stages = Object.entries(STAGES)
      .map(([name, words]) => [words, stages_ms?.[name]?.p50])
      .filter(([, value]) => typeof value === "number");
    if (stages.length === 0 && step_ms?.p50) stages.push(["Model", step_ms.p50]);
    const encodeMs = this.#mean("encode", sent?.totalEncodeTime, sent?.framesEncoded);
    if (encodeMs !== null) stages.unshift(["Encode here", encodeMs]);
    if (roundTripMs !== null) stages.push(["Network, both ways", roundTripMs]);
    const held = this.#mean("held", back?.jitterBufferDelay, back?.jitterBufferEmittedCount);
    if (held !== null) stages.push(["Play out here", held]);
    bars($("stages"), stages);
  }

  #rate(name, bytes, atMs) {
    const perMs = this.#growth(name, bytes, atMs);
    return perMs === null ? "–" : rate(8 * perMs);
  }

  /** Milliseconds of each, of those since the last look. */
  #mean(name, seconds, count) {
    const each = this.#growth(name, seconds, count);
    return each === null ? null : 1000 * each;
  }

  /** By how much a sum has grown for each step of what it is counted along; null: not at all. */
  #growth(name, sum, along) {
    const before = this.#counted.get(name);
    this.#counted.set(name, { sum, along });
    if (sum === undefined || before?.sum === undefined || along <= before.along) return null;
    return Math.max(0, sum - before.sum) / (along - before.along);
  }
}

/** @param {string[]} states */
function tally(states) {
  const parts = Object.entries(STATES)
    .map(([state, word]) => [states.filter((one) => one === state).length, word])
    .filter(([count]) => count > 0);
  return parts.length ? parts.map(([count, word]) => `${count} ${word}`).join(", ") : "none";
}

/** @param {HTMLElement} list a dl @param {[string, string][]} entries */
function rows(list, entries) {
  list.replaceChildren(...entries.map(([name, value]) => row(name, value)));
}

/** @param {HTMLElement} list a dl @param {[string, number][]} entries milliseconds */
function bars(list, entries) {
  const most = Math.max(1, ...entries.map(([, value]) => value));
  list.replaceChildren(
    ...entries.map(([name, value]) => {
      const item = row(name, ms(value));
      item.style.setProperty("--share", String(value / most));
      return item;
    }),
  );
}

function row(name, value) {
  const item = document.createElement("div");
  const [term, said] = [document.createElement("dt"), document.createElement("dd")];
  [term.textContent, said.textContent] = [name, value];
  item.append(term, said);
  return item;
}
