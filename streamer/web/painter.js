/** Masks painted here, over the viewer's own video, when the service sends no picture back. */

import { colourOf } from "./tracks.js";

const OPACITY = 115; // of 255, as the service tints

/** @param {HTMLCanvasElement} canvas over the picture, of any size @param {MaskFrame} frame */
export function paintMasks(canvas, { gridWidth, gridHeight, objects }) {
  canvas.width = gridWidth;
  canvas.height = gridHeight;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(gridWidth, gridHeight);
  for (const { trackId, box, mask } of objects) {
    const colour = colourOf(trackId).match(/\w\w/g).map((byte) => parseInt(byte, 16));
    for (let at = 0; at < mask.length; at++) {
      if (!mask[at]) continue;
      const x = box.x + (at % box.width);
      const y = box.y + Math.floor(at / box.width);
      image.data.set([...colour, OPACITY], 4 * (y * gridWidth + x));
    }
  }
  pen.putImageData(image, 0, 0);
}
