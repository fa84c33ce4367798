/** Where the video comes from: the camera, the screen, a file, or a picture drawn here. */

const CAMERA = {
  video: { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30, max: 30 } },
  audio: false,
};
const SCREEN = {
  video: { width: { max: 1280 }, height: { max: 720 }, frameRate: { ideal: 30, max: 30 } },
  audio: false,
};
const MAX_FILE_SIDE = 960; // a recorded film may be larger than a live link carries
const FPS = 30;

/**
 * @typedef {{stream: MediaStream, stop: () => void, gone?: string}} Source
 *     stop frees the camera or file; gone: what to say when its video ends by itself
 */

/** A fault in words that a viewer can act on. */
export class SourceError extends Error {
  name = "SourceError";
}

/**
 * The buttons of the page's start.
 * @param {(open: () => Promise<Source>) => void} start called when one is chosen
 */
export function offerSources(start) {
  const $ = (id) => document.getElementById(id);
  $("use-camera").onclick = () => start(openCamera);
  // Phones do not share their screens.
  $("use-screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
  $("use-screen").onclick = () => start(openScreen);
  $("use-pattern").onclick = () => start(openPattern);
  $("use-file").onclick = () => $("file").click();
  $("file").onchange = ({ target }) => {
    const [file] = target.files;
    target.value = ""; // the same file may be chosen again
    if (file) start(() => openFile(file));
  };
}

/** @returns {Promise<Source>} @throws {SourceError} */
export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new SourceError(
      "Browsers give the camera to secure pages only. Open this page over https or on localhost, " +
        "or use a video file.",
    );
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(CAMERA);
  } catch (error) {
    throw new SourceError(CAMERA_FAULTS[error.name] ?? `The camera did not start: ${error.message}`);
  }
  return { ...live(stream), gone: "The camera is gone. Plug it in again, or choose another source." };
}

/** @returns {Promise<Source>} a screen, a window or a tab, as its viewer chooses @throws {SourceError} */
export async function openScreen() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia(SCREEN);
  } catch (error) {
    throw new SourceError(SCREEN_FAULTS[error.name] ?? `The screen was not shared: ${error.message}`);
  }
  return { ...live(stream), gone: "The screen is no longer shared. Choose a source to go on." };
}

const live = (stream) => ({
  stream,
  stop: () => stream.getTracks().forEach((track) => track.stop()),
});

const SCREEN_FAULTS = {
  NotAllowedError:
    "The screen was not shared. Choose what to share when the browser asks, or use another source.",
  NotFoundError: "There is no screen to share here. Use another source.",
  NotReadableError: "The system does not let this browser read the screen. Allow it in its settings.",
};

const CAMERA_FAULTS = {
  NotAllowedError:
    "The camera is blocked for this page. Allow it beside the address bar and try again, or use a " +
    "video file or the test pattern.",
  NotFoundError: "No camera was found. Plug one in, or use a video file or the test pattern.",
  NotReadableError: "Another program is using the camera. Close it there and try again.",
  OverconstrainedError: "This camera has no picture size that works here. Use a video file instead.",
};

/** @param {File} file @returns {Promise<Source>} the film, again and again @throws {SourceError} */
export async function openFile(file) {
  const film = document.createElement("video");
  film.muted = true;
  film.loop = true;
  film.playsInline = true;
  film.src = URL.createObjectURL(file);
  try {
    await film.play();
  } catch {
    URL.revokeObjectURL(film.src);
    throw new SourceError(`This browser cannot play ${file.name}. An MP4 (H.264) or WebM file works.`);
  }
  const scale = Math.min(1, MAX_FILE_SIDE / Math.max(film.videoWidth, film.videoHeight));
  // Through a canvas, as Safari cannot capture a video element. Even sides, as video wants them.
  const drawn = draw(even(film.videoWidth * scale), even(film.videoHeight * scale), (pen, w, h) =>
    pen.drawImage(film, 0, 0, w, h),
  );
  return {
    stream: drawn.stream,
    stop: () => {
      drawn.stop();
      film.pause();
      URL.revokeObjectURL(film.src);
    },
  };
}

/** @returns {Promise<Source>} shapes that drift and pass in front of each other */
export async function openPattern() {
  return draw(640, 360, drawPattern);
}

const TILE = 80;
const SHAPES = [
  { colour: "#e9b44c", size: 58, sides: 0, speed: 0.5, phase: 0.0 },
  { colour: "#d96c75", size: 64, sides: 4, speed: 0.37, phase: 2.1 },
  { colour: "#7fb7be", size: 66, sides: 3, speed: 0.43, phase: 4.2 },
];

function drawPattern(pen, width, height, seconds) {
  // Flat colours and hard edges: a video encoder at a low bitrate smears soft ones.
  pen.fillStyle = "#27303a";
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = "#323d49";
  for (let x = 0, row = 0; row * TILE < height; x = (++row % 2) * TILE) {
    for (; x < width; x += 2 * TILE) pen.fillRect(x, row * TILE, TILE, TILE);
  }
  for (const { colour, size, sides, speed, phase } of SHAPES) {
    const x = width * (0.5 + 0.34 * Math.sin(speed * seconds + phase));
    const y = height * (0.5 + 0.26 * Math.sin(speed * 1.7 * seconds + phase * 1.3));
    pen.save();
    pen.translate(x, y);
    pen.rotate(0.3 * seconds + phase);
    pen.fillStyle = colour;
    pen.fill(outline(size, sides));
    pen.restore();
  }
}

function outline(size, sides) {
  const path = new Path2D();
  if (sides === 0) {
    path.arc(0, 0, size, 0, 2 * Math.PI);
    return path;
  }
  for (let i = 0; i < sides; i++) {
    const angle = (2 * Math.PI * i) / sides;
    path.lineTo(size * Math.cos(angle), size * Math.sin(angle));
  }
  path.closePath();
  return path;
}

/** @returns {Source} a canvas that `paint(pen, width, height, seconds)` fills for each frame */
function draw(width, height, paint) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d", { alpha: false });
  const began = performance.now();
  const tick = () => paint(pen, width, height, (performance.now() - began) / 1000);
  tick();
  const timer = setInterval(tick, 1000 / FPS); // runs on, slower, when the page is hidden
  const stream = canvas.captureStream(FPS);
  return {
    stream,
    stop: () => {
      clearInterval(timer);
      stream.getTracks().forEach((track) => track.stop());
    },
  };
}

const even = (pixels) => 2 * Math.max(1, Math.round(pixels / 2));
