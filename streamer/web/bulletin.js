/** What the page has to say: a notice until it is dismissed, news, and how the link is doing. */

const GLAD_MS = 5000; // for which good news stays
const MAX_NEWS = 3; // at once; the oldest give way

export class Bulletin {
  #notice;
  #link;
  #news;
  #timer = 0;

  /**
   * @param {HTMLElement} notice with an element for its words
   * @param {HTMLElement} link with one too
   * @param {HTMLElement} news a live region that is always there, so that what comes is read out
   */
  constructor(notice, link, news) {
    this.#notice = notice;
    this.#link = link;
    this.#news = news;
    notice.querySelector("button").onclick = () => this.notify("");
  }

  /** @param {string} text of something to do; "" dismisses what was said */
  notify(text) {
    this.#notice.querySelector("p").textContent = text;
    this.#notice.hidden = text === "";
  }

  /** @param {string} text of an object, that goes by itself */
  report(text) {
    const item = document.createElement("p");
    item.textContent = text;
    this.#news.append(item);
    while (this.#news.childElementCount > MAX_NEWS) this.#news.firstElementChild.remove();
    setTimeout(() => item.remove(), GLAD_MS);
  }

  /** Takes all news down. */
  clear() {
    this.#news.replaceChildren();
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
