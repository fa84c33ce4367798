/** The viewer's choice of what comes back: a mode, and the options that this mode has. */

/** What each mode has beside its name; `replace` comes as a colour or as a picture. */
const OPTIONS = {
  blur: ["strength"],
  spotlight: ["strength"],
  pixelate: ["strength"],
  "redact-blur": ["strength"],
  colour: ["colour"],
  image: ["image"],
};
const MAX_IMAGE_BYTES = 45000; // of the file: the service takes no more
const IMAGE_SIDES = [960, 720, 540, 400, 280]; // pixels; the first whose file is small enough
const IMAGE_QUALITIES = [0.8, 0.6, 0.4];

/**
 * @typedef {{output: string, strength?: number, colour?: string, image?: string}} Output
 *     as Sam2Client.configure() takes it
 */

/** Dispatches `choose` with an Output, and `fault` with words when a picture cannot be used. */
export class Outputs extends EventTarget {
  #element;
  #image = null; // base64 of the chosen picture

  /** @param {HTMLElement} element holding a select, and a [data-option] for each option */
  constructor(element) {
    super();
    this.#element = element;
    this.#part("select").onchange = () => this.#changed();
    this.#part("[type=range]").oninput = () => this.#choose();
    this.#part("[type=color]").oninput = () => this.#choose();
    this.#part("[data-option=image] button").onclick = () => this.#part("[type=file]").click();
    this.#part("[type=file]").onchange = ({ target }) => this.#read(target);
    this.#changed();
  }

  /** @returns {string} the mode by its name on the page */
  get name() {
    return this.#part("select").value;
  }

  /** @returns {Output | null} null while `image` waits for its picture */
  get chosen() {
    const has = (option) => (OPTIONS[this.name] ?? []).includes(option);
    if (has("image")) return this.#image && { output: "replace", image: this.#image };
    if (has("colour")) return { output: "replace", colour: this.#part("[type=color]").value };
    if (!has("strength")) return { output: this.name };
    return { output: this.name, strength: Number(this.#part("[type=range]").value) / 100 };
  }

  /** @param {string} name of the mode */
  choose(name) {
    this.#part("select").value = name;
    this.#changed();
  }

  #part(selector) {
    return this.#element.querySelector(selector);
  }

  #changed() {
    for (const option of this.#element.querySelectorAll("[data-option]")) {
      option.hidden = !(OPTIONS[this.name] ?? []).includes(option.dataset.option);
    }
    this.#choose();
    if (this.name === "image" && !this.#image) this.#part("[data-option=image] button").focus();
  }

  #choose() {
    if (this.chosen) this.dispatchEvent(new CustomEvent("choose", { detail: this.chosen }));
  }

  async #read(input) {
    const [file] = input.files;
    input.value = ""; // the same file may be chosen again
    if (!file) return;
    try {
      this.#image = await small(file);
      this.#part("[data-option=image] button").textContent = "Another picture";
      this.#choose();
    } catch {
      const said = `This browser cannot read ${file.name} as a picture. A JPEG or PNG file works.`;
      this.dispatchEvent(new CustomEvent("fault", { detail: said }));
    }
  }
}

/** A picture's file -> base64 of a JPEG of at most MAX_IMAGE_BYTES: it travels in one message. */
async function small(file) {
  const picture = await createImageBitmap(file);
  for (const side of IMAGE_SIDES) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(picture.width * scale)),
      Math.max(1, Math.round(picture.height * scale)),
    );
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    for (const quality of IMAGE_QUALITIES) {
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
      if (blob.size <= MAX_IMAGE_BYTES) return toBase64(new Uint8Array(await blob.arrayBuffer()));
    }
  }
  throw new Error(`${file.name} stays above ${MAX_IMAGE_BYTES} bytes`);
}

function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
