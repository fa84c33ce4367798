/** The page's keys. Those of the picture itself, arrows and Enter, are in picture.js. */

/**
 * Calls what a key means.
 * @param {Record<string, () => void>} calls by key, letters small; "Shift+s" where it takes two
 * @param {(number: number) => void} choose for 1..8
 * @param {() => boolean} isLive keys mean something
 */
export function listenToKeys(calls, choose, isLive) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.ctrlKey || event.metaKey || event.altKey;
    const target = /** @type {Element} */ (event.target);
    if (!isLive() || isTyping || target.matches?.("select, input")) return;
    const small = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const key = event.shiftKey && calls[`Shift+${small}`] ? `Shift+${small}` : small;
    if (/^[1-8]$/.test(key)) choose(Number(key));
    else if (calls[key]) {
      event.preventDefault(); // else the letter is typed into a name that it opens
      calls[key]();
    }
  });
}
