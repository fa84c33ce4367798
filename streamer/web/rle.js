/** Masks as COCO writes them: run lengths down the columns, in characters. */

/**
 * @param {Uint8Array} cells row by row, height x width, 0 or not
 * @param {number} height
 * @param {number} width
 * @returns {{size: [number, number], counts: string}} as a mask prompt takes it
 */
export function encodeRle(cells, height, width) {
  const runs = [0];
  let value = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((cells[y * width + x] !== 0) !== (value !== 0)) {
        runs.push(0);
        value ^= 1;
      }
      runs[runs.length - 1]++;
    }
  }
  // From the fourth on, a run is written as the difference to the one before the last.
  const counts = runs.map((run, at) => characters(at > 2 ? run - runs[at - 2] : run)).join("");
  return { size: [height, width], counts };
}

/** A signed number in groups of five bits, low ones first, each a character from "0" on. */
function characters(/** @type {number} */ number) {
  let text = "";
  for (let rest = number, more = true; more; ) {
    const low = rest & 31;
    rest >>= 5;
    more = low & 16 ? rest !== -1 : rest !== 0;
    text += String.fromCharCode(48 + (more ? low | 32 : low));
  }
  return text;
}
