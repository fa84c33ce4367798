/** The viewer's objects: which exist, which one a click belongs to, how each is doing. */

/** In order of track_id, round and round; the service paints with the same. */
export const COLOURS = Object.freeze([
  "#1f77ff", "#ff5a3c", "#2fbf71", "#ffc933", "#a56bff", "#19c8d2", "#ff6fb5", "#9bd12f",
]);

/** @param {number} trackId @returns {string} */
export const colourOf = (trackId) => COLOURS[(trackId - 1) % COLOURS.length];

const WORDS = {
  new: "click it",
  pending: "starting",
  visible: "visible",
  occluded: "hidden",
  lost: "lost",
};
const TITLES = {
  new: "Click the object in the video",
  occluded: "Not in the picture now; still looked for",
  lost: "Not seen for a while; still looked for",
};

/** Chips in a list. Dispatches `remove` and `select`, with the track_id as detail. */
export class Tracks extends EventTarget {
  #list;
  #chips = new Map(); // track_id -> {item, word, state}
  #leaving = new Set(); // track_ids that the service may still follow
  #selected = 0;

  /** @param {HTMLUListElement} list */
  constructor(list) {
    super();
    this.#list = list;
  }

  /** @returns {number} track_id that a click belongs to; 0 when there is none */
  get selected() {
    return this.#selected;
  }

  /** @returns {number} */
  get size() {
    return this.#chips.size;
  }

  /** @returns {number[]} track_ids that the service was told of, in order */
  get followed() {
    const told = [...this.#chips].filter(([, { state }]) => state !== "new");
    return told.map(([trackId]) => trackId).sort((a, b) => a - b);
  }

  /** @param {number} trackId @returns {string | undefined} */
  stateOf(trackId) {
    return this.#chips.get(trackId)?.state;
  }

  /** Adds a chip with the lowest free number, without a word to the service, and selects it. */
  add() {
    let trackId = 1;
    while (this.#chips.has(trackId) || this.#leaving.has(trackId)) trackId++;
    this.show(trackId, "new");
    this.select(trackId);
  }

  /** @param {number} trackId */
  select(trackId) {
    if (!this.#chips.has(trackId)) return;
    this.#selected = trackId;
    this.dispatchEvent(new CustomEvent("select", { detail: trackId }));
    for (const [id, { item }] of this.#chips) {
      item.firstChild.setAttribute("aria-pressed", String(id === trackId));
    }
  }

  /**
   * @param {number} trackId
   * @param {"new" | "pending" | "visible" | "occluded" | "lost"} state
   */
  show(trackId, state) {
    const chip = this.#chips.get(trackId) ?? this.#insert(trackId);
    if (chip.state === state) return;
    chip.state = state;
    chip.item.dataset.state = state;
    chip.item.title = TITLES[state] ?? "";
    chip.word.textContent = WORDS[state];
  }

  /** @param {number} trackId */
  drop(trackId) {
    this.#chips.get(trackId)?.item.remove();
    this.#chips.delete(trackId);
    if (this.#selected !== trackId) return;
    this.#selected = 0;
    const [next] = [...this.#chips.keys()].sort((a, b) => a - b);
    if (next) this.select(next);
  }

  /** Drops a chip and gives its number to no other until release(). @param {number} trackId */
  dismiss(trackId) {
    this.#leaving.add(trackId);
    this.drop(trackId);
  }

  /** @param {number} trackId */
  release(trackId) {
    this.#leaving.delete(trackId);
  }

  /** Forgets all. */
  clear() {
    this.#leaving.clear();
    [...this.#chips.keys()].forEach((trackId) => this.drop(trackId));
  }

  #insert(trackId) {
    const item = document.createElement("li");
    item.style.setProperty("--colour", colourOf(trackId));
    const pick = document.createElement("button");
    pick.type = "button";
    pick.className = "pick";
    const name = document.createElement("span");
    name.textContent = `Object ${trackId}`;
    const word = document.createElement("small");
    pick.append(name, word);
    pick.onclick = () => this.select(trackId);
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.ariaLabel = `Remove object ${trackId}`;
    remove.textContent = "×";
    remove.onclick = () => this.dispatchEvent(new CustomEvent("remove", { detail: trackId }));
    item.append(pick, remove);
    const after = [...this.#chips].filter(([id]) => id > trackId).sort(([a], [b]) => a - b)[0];
    this.#list.insertBefore(item, after?.[1].item ?? null);
    const chip = { item, word, state: null };
    this.#chips.set(trackId, chip);
    return chip;
  }
}
