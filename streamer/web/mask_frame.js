/**
 * The binary mask frame ("SMSK", version 1): all tracks of one processed frame in one message.
 * Little endian; a header of 32 bytes, then for each track 20 bytes and its run lengths.
 */

const MAGIC = 0x4b534d53; // "SMSK", read as a little-endian word
const VERSION = 1;
const OBJECT_BYTES = 20;
const NO_PROMPT = 0xffffffff;
const MAX_GRID = 4096; // cells a side: a message may not ask for more memory than this squared

/** A track's state by its number on the wire. */
export const STATES = Object.freeze(["visible", "occluded", "lost"]);

/** A message that is no mask frame; says what is wrong with it. */
export class MaskFrameError extends Error {
  name = "MaskFrameError";
}

/** One track in one frame. */
export class MaskObject {
  #runs;
  #mask = null;

  constructor(view, at, runs) {
    /** @type {number} 1..65535 */
    this.trackId = view.getUint16(at, true);
    /** @type {"visible" | "occluded" | "lost"} */
    this.state = STATES[view.getUint8(at + 2)] ?? "lost";
    /** @type {number} predicted by the model, 0..1 */
    this.iou = view.getUint8(at + 4) / 255;
    /** @type {number} that the object is in this frame, 0..1 */
    this.presence = view.getUint8(at + 5) / 255;
    /** @type {{x: number, y: number, width: number, height: number}} cells of the grid */
    this.box = {
      x: view.getUint16(at + 6, true),
      y: view.getUint16(at + 8, true),
      width: view.getUint16(at + 10, true),
      height: view.getUint16(at + 12, true),
    };
    /** @type {number} cells of the grid that are set */
    this.area = view.getUint32(at + 14, true);
    this.#runs = runs;
  }

  /** @returns {Uint8Array} row by row, box.height x box.width, 1 on the object; decoded when first asked for */
  get mask() {
    this.#mask ??= decodeRuns(this.#runs, this.box.width, this.box.height);
    return this.#mask;
  }
}

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
  if (view.byteLength < 32 || view.getUint32(0, true) !== MAGIC) {
    throw new MaskFrameError(`${view.byteLength} bytes that do not begin with SMSK`);
  }
  if (view.getUint8(4) !== VERSION) {
    throw new MaskFrameError(`version ${view.getUint8(4)}, this client reads ${VERSION}`);
  }
  const promptSeq = view.getUint32(20, true);
  return {
    index: view.getUint32(8, true),
    inRtp: view.getUint32(12, true),
    outRtp: view.getUint32(16, true),
    promptSeq: promptSeq === NO_PROMPT ? null : promptSeq,
    gridWidth: view.getUint16(24, true),
    gridHeight: view.getUint16(26, true),
    ageMs: view.getUint16(28, true),
    droppedSinceLast: view.getUint16(30, true),
    isOverloaded: (view.getUint8(5) & 8) !== 0,
    objects: readObjects(view, view.getUint8(7), view.getUint8(6)),
  };
}

function readObjects(view, headerBytes, numObjects) {
  const objects = [];
  let at = headerBytes;
  for (let i = 0; i < numObjects; i++) {
    if (at + OBJECT_BYTES > view.byteLength) throw new MaskFrameError("cut off in a track's header");
    const start = at + OBJECT_BYTES;
    const end = start + view.getUint16(at + 18, true);
    if (end > view.byteLength) throw new MaskFrameError("cut off in a track's runs");
    objects.push(new MaskObject(view, at, new Uint8Array(view.buffer, start, end - start)));
    at = end;
  }
  return objects;
}

/** Varint run lengths of 0s and 1s in turn, each row the difference from the row above -> cells. */
function decodeRuns(runs, width, height) {
  if (width > MAX_GRID || height > MAX_GRID) {
    throw new MaskFrameError(`a box of ${width} x ${height}, at most ${MAX_GRID}`);
  }
  const cells = new Uint8Array(width * height);
  let cell = 0;
  let value = 0;
  for (let at = 0; at < runs.length; value ^= 1) {
    let run = 0;
    let shift = 0;
    let byte;
    do {
      byte = runs[at++];
      run |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80 && at < runs.length && shift < 28);
    if (run < 0 || cell + run > cells.length) throw new MaskFrameError("runs beyond the box");
    if (value) cells.fill(1, cell, cell + run);
    cell += run;
  }
  for (let i = width; i < cells.length; i++) cells[i] ^= cells[i - width];
  return cells;
}
