/**
 * The binary mask frame ("SMSK", version 1): all tracks of one processed frame in one message.
 * Little endian; a header of 32 bytes, then for each track 20 bytes and its run lengths.
 */

const MAGIC = 0x4b534d53; // "SMSK", read as a little-endian word
const VERSION = 1;
const HEADER_BYTES = 32;
const OBJECT_BYTES = 20;
const NO_PROMPT = 0xffffffff;
const MAX_BYTES = 16384; // of one message
const MAX_GRID = 320; // cells of a side
const MAX_RUN_BYTES = 4; // 28 bits hold any run of a grid
const [NO_MASK, ROW_XOR_RUNS] = [0, 1]; // codecs

/** A track's state by its number on the wire. */
export const STATES = Object.freeze(/** @type {const} */ (["visible", "occluded", "lost"]));

/** A message that is no mask frame; says what is wrong with it. */
export class MaskFrameError extends Error {
  name = "MaskFrameError";
}

/**
 * One track in one frame.
 * @typedef {Object} MaskObject
 * @property {number} trackId 1..65535
 * @property {"visible" | "occluded" | "lost"} state
 * @property {number} iou predicted by the model, 0..1
 * @property {number} presence that the object is in this frame, 0..1
 * @property {{x: number, y: number, width: number, height: number}} box cells of the grid
 * @property {number} area cells of the grid that are set
 * @property {Uint8Array} mask row by row, box.height x box.width, 1 on the object; empty: none
 */

/**
 * @typedef {Object} MaskFrame
 * @property {number} index frames processed before this one
 * @property {number} inRtp RTP timestamp of the frame as it was sent
 * @property {number} outRtp RTP timestamp of the same frame in the returned video; 0: none yet
 * @property {number | null} promptSeq the last prompt that was applied
 * @property {number} gridWidth
 * @property {number} gridHeight
 * @property {number} ageMs from the frame's arrival at the service to this message
 * @property {number} droppedSinceLast frames that the service skipped before this one
 * @property {boolean} isOverloaded
 * @property {MaskObject[]} objects
 */

/**
 * @param {ArrayBuffer} buffer one message of the `masks` channel
 * @returns {MaskFrame}
 * @throws {MaskFrameError}
 */
export function decodeMaskFrame(buffer) {
  const view = new DataView(buffer);
  const numBytes = view.byteLength;
  if (numBytes < HEADER_BYTES || numBytes > MAX_BYTES || view.getUint32(0, true) !== MAGIC) {
    throw new MaskFrameError(`${numBytes} bytes, ${HEADER_BYTES}..${MAX_BYTES} from SMSK on expected`);
  }
  if (view.getUint8(4) !== VERSION || view.getUint8(7) < HEADER_BYTES) {
    throw new MaskFrameError(`version ${view.getUint8(4)}, this client reads ${VERSION}`);
  }
  const promptSeq = view.getUint32(20, true);
  const [gridWidth, gridHeight] = [view.getUint16(24, true), view.getUint16(26, true)];
  if (Math.min(gridWidth, gridHeight) < 1 || Math.max(gridWidth, gridHeight) > MAX_GRID) {
    throw new MaskFrameError(`a grid of ${gridWidth} x ${gridHeight}, at most ${MAX_GRID}`);
  }
  return {
    index: view.getUint32(8, true),
    inRtp: view.getUint32(12, true),
    outRtp: view.getUint32(16, true),
    promptSeq: promptSeq === NO_PROMPT ? null : promptSeq,
    gridWidth,
    gridHeight,
    ageMs: view.getUint16(28, true),
    droppedSinceLast: view.getUint16(30, true),
    isOverloaded: (view.getUint8(5) & 8) !== 0,
    objects: readObjects(view, gridWidth, gridHeight),
  };
}

/** @param {DataView<ArrayBuffer>} view @param {number} gridWidth @param {number} gridHeight */
function readObjects(view, gridWidth, gridHeight) {
  const objects = [];
  let at = view.getUint8(7);
  for (let left = view.getUint8(6); left > 0; left--) {
    if (at + OBJECT_BYTES > view.byteLength) throw new MaskFrameError("cut off in a track's header");
    const start = at + OBJECT_BYTES;
    const end = start + view.getUint16(at + 18, true);
    if (end > view.byteLength) throw new MaskFrameError("cut off in a track's runs");
    const runs = new Uint8Array(view.buffer, start, end - start);
    objects.push(readObject(view, at, runs, gridWidth, gridHeight));
    at = end;
  }
  if (at !== view.byteLength) {
    throw new MaskFrameError(`${view.byteLength} bytes, where the objects end at ${at}`);
  }
  return objects;
}

/**
 * @param {DataView} view
 * @param {number} at
 * @param {Uint8Array} runs
 * @param {number} gridWidth
 * @param {number} gridHeight
 * @returns {MaskObject}
 */
function readObject(view, at, runs, gridWidth, gridHeight) {
  const state = STATES[view.getUint8(at + 2)];
  const codec = view.getUint8(at + 3);
  if (state === undefined || ![NO_MASK, ROW_XOR_RUNS].includes(codec)) {
    throw new MaskFrameError(`state ${view.getUint8(at + 2)}, codec ${codec}`);
  }
  const [x, y, width, height] = [6, 8, 10, 12].map((offset) => view.getUint16(at + offset, true));
  const area = view.getUint32(at + 14, true);
  let mask = new Uint8Array(0);
  if (codec === ROW_XOR_RUNS) {
    if (width < 1 || height < 1 || x + width > gridWidth || y + height > gridHeight) {
      const box = `${width} x ${height} at ${x}, ${y}`;
      throw new MaskFrameError(`a box of ${box} on a grid of ${gridWidth} x ${gridHeight}`);
    }
    mask = decodeRuns(runs, width, height);
  }
  const numSet = mask.reduce((sum, cell) => sum + cell, 0);
  if (numSet !== area) throw new MaskFrameError(`area ${area}, where the mask has ${numSet} cells`);
  return {
    trackId: view.getUint16(at, true),
    state,
    iou: view.getUint8(at + 4) / 255,
    presence: view.getUint8(at + 5) / 255,
    box: { x, y, width, height },
    area,
    mask,
  };
}

/**
 * Varint run lengths of 0s and 1s in turn, each row the difference from the row above -> cells.
 * @param {Uint8Array} runs
 * @param {number} width
 * @param {number} height
 * @returns {Uint8Array<ArrayBuffer>}
 */
function decodeRuns(runs, width, height) {
  const cells = new Uint8Array(width * height);
  let cell = 0;
  let value = 0;
  for (let at = 0; at < runs.length; value ^= 1) {
    let run = 0;
    let byte = 0x80;
    for (let count = 0; byte & 0x80; count++) {
      if (at === runs.length) throw new MaskFrameError("run lengths end within a number");
      if (count === MAX_RUN_BYTES) throw new MaskFrameError(`a number of over ${count} bytes`);
      byte = runs[at++];
      run |= (byte & 0x7f) << (7 * count);
    }
    if (cell + run > cells.length) throw new MaskFrameError("runs beyond the box");
    if (value) cells.fill(1, cell, cell + run);
    cell += run;
  }
  if (cell !== cells.length) throw new MaskFrameError(`runs of ${cell} of ${cells.length} cells`);
  for (let i = width; i < cells.length; i++) cells[i] ^= cells[i - width];
  return cells;
}
