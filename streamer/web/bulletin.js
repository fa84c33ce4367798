/** What the page has to say: a notice that stays until it is dismissed, and how the link is doing. */

const GLAD_MS = 5000; // for which good news stays

export class Bulletin {
  #notice;
  #link;
  #timer = 0;

  /** @param {HTMLElement} notice @param {HTMLElement} link  each with an element for its words */
  constructor(notice, link) {
    this.#notice = notice;
    this.#link = link;
    notice.querySelector("button").onclick = () => this.notify("");
  }

  /** @param {string} text of something to do; "" dismisses what was said */
  notify(text) {
    this.#notice.querySelector("p").textContent = text;
    this.#notice.hidden = text === "";
  }

  /** @param {string} text of the connection, good news that goes by itself; "": none */
  cheer(text) {
    this.tell(text, GLAD_MS);
  }

  /**
   * @param {string} text of the connection; "" when there is nothing to say
   * @param {number} [forMs] for which it stays; without it until the next word
   */
  tell(text, forMs = 0) {
    clearTimeout(this.#timer);
    this.#link.querySelector(".words").textContent = text;
    this.#link.hidden = text === "";
    if (text && forMs) this.#timer = setTimeout(() => this.tell(""), forMs);
  }
}
