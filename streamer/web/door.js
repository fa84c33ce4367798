/** Door: asks for a token where the service wants one. It is kept in this page only. */

import { request } from "./signalling.js";

const ASKED = "This service asks for an access token. Paste yours to begin.";

/** Dispatches `open` with the service's config as detail, when the service lets this page in. */
export class Door extends EventTarget {
  #form;
  #input;
  #words;

  /** @param {HTMLFormElement} form with an input, and an element for words */
  constructor(form) {
    super();
    this.#form = form;
    this.#input = form.querySelector("input");
    this.#words = form.querySelector("[role=status]");
    form.onsubmit = (event) => {
      event.preventDefault();
      this.knock();
    };
  }

  /** @returns {string | null} as it was typed */
  get token() {
    return this.#input.value.trim() || null;
  }

  /** Asks the service whether it lets this page in. */
  async knock() {
    try {
      const config = await (await request(new URL("config", document.baseURI), {}, this.token)).json();
      this.#form.hidden = this.token === null;
      this.#say(this.token === null ? "" : "The service takes this token. Choose a source.");
      this.dispatchEvent(new CustomEvent("open", { detail: config }));
    } catch (error) {
      if (error.code === "unauthorized") this.ask(error);
      // Anything else the page says when a source is started.
    }
  }

  /** @param {Error} error the service's refusal, in its own words */
  ask(error) {
    this.#form.hidden = false;
    this.#say(this.token === null ? ASKED : `The service refused this token: ${error.message}.`);
    this.#input.focus();
    this.#input.select();
  }

  #say(words) {
    this.#words.textContent = words;
  }
}
