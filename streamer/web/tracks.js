/** The viewer's objects: which exist, which one a click belongs to, how each is doing. */

/** In order of track_id, round and round; the service paints with the same. */
export const COLOURS = Object.freeze([
  "#1f77ff", "#ff5a3c", "#2fbf71", "#ffc933", "#a56bff", "#19c8d2", "#ff6fb5", "#9bd12f",
]);

/** @param {number} trackId @returns {string} */
export const colourOf = (trackId) => COLOURS[(trackId - 1) % COLOURS.length];

const POINT = matchMedia("(pointer: coarse)").matches ? "tap" : "click";

const WORDS = {
  new: `${POINT} it`,
  pending: "starting",
  visible: "visible",
  occluded: "hidden",
  lost: "lost",
};
const TITLES = {
  new: "Show where the object is in the video",
  occluded: "Not in the picture now; still looked for",
  lost: "Not seen for a while; still looked for",
};

const MAX_NAME = 24; // characters

/** Chips in a list. Dispatches `remove` and `select`, with the track_id as detail. */
export class Tracks extends EventTarget {
  #list;
  #names = new Map(); // track_id -> what the viewer calls it; the service knows numbers only
  #chips = new Map(); // track_id -> {item, pick, name, word, remove, state}
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

  /** @returns {string[]} of all objects that the service was told of */
  get states() {
    return this.followed.map((trackId) => this.#chips.get(trackId).state);
  }

  /** @param {number} trackId @returns {string} */
  nameOf(trackId) {
    return this.#names.get(trackId) ?? `Object ${trackId}`;
  }

  /** Lets the viewer type a name: Enter or leaving takes it, Escape does not. @param {number} trackId */
  rename(trackId) {
    const { pick, name } = this.#chips.get(trackId) ?? {};
    if (!pick || pick.hidden) return;
    const input = document.createElement("input");
    Object.assign(input, { value: name.textContent, maxLength: MAX_NAME, className: "rename" });
    input.ariaLabel = `Name of ${name.textContent}`;
    let isDone = false;
    const done = (isTaken) => {
      if (isDone) return;
      isDone = true;
      if (isTaken) this.#call(trackId, input.value.trim());
      input.remove();
      pick.hidden = false;
      pick.focus();
    };
    input.onblur = () => done(true);
    input.onkeydown = (event) => {
      event.stopPropagation(); // no shortcut while a name is typed
      if (event.key === "Enter" || event.key === "Escape") done(event.key === "Enter");
    };
    pick.hidden = true;
    pick.before(input);
    input.select();
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
      item.querySelector(".pick").setAttribute("aria-pressed", String(id === trackId));
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
    this.#names.delete(trackId);
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
    pick.title = "Click to choose, double-click or R to name";
    const name = document.createElement("span");
    const word = document.createElement("small");
    pick.append(name, word);
    pick.onclick = () => this.select(trackId);
    pick.ondblclick = () => this.rename(trackId);
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.textContent = "×";
    remove.onclick = () => this.dispatchEvent(new CustomEvent("remove", { detail: trackId }));
    item.append(pick, remove);
    const after = [...this.#chips].filter(([id]) => id > trackId).sort(([a], [b]) => a - b)[0];
    this.#list.insertBefore(item, after?.[1].item ?? null);
    const chip = { item, pick, name, word, remove, state: null };
    this.#chips.set(trackId, chip);
    this.#call(trackId, "");
    return chip;
  }

  /** "" gives its number back. */
  #call(trackId, name) {
    if (name) this.#names.set(trackId, name);
    else this.#names.delete(trackId);
    const chip = this.#chips.get(trackId);
    chip.name.textContent = this.nameOf(trackId);
    chip.remove.ariaLabel = `Remove ${this.nameOf(trackId)}`;
  }
}
