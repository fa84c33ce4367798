/** Masks painted here, over the viewer's own picture, when the service sends none back. */

import { colourOf } from "./tracks.js";

const OPACITY = 115; // of 255, as the service tints

const grid = document.createElement("canvas"); // masks at their own size

/**
 * @param {HTMLCanvasElement} canvas that gets the picture's size
 * @param {HTMLVideoElement | HTMLCanvasElement | VideoFrame} picture
 * @param {import("./mask_frame.js").MaskFrame | null} masks
 */
export function paintMasks(canvas, picture, masks) {
  const width = picture.videoWidth ?? picture.displayWidth ?? picture.width;
  const height = picture.videoHeight ?? picture.displayHeight ?? picture.height;
  if (!width || !height) return;
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  const pen = canvas.getContext("2d", { alpha: false });
  pen.drawImage(picture, 0, 0);
  if (!masks) return;
  tint(grid, masks);
  pen.drawImage(grid, 0, 0, width, height);
}

function tint(canvas, { gridWidth, gridHeight, objects }) {
  [canvas.width, canvas.height] = [gridWidth, gridHeight];
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
