/** The page: a source, a Sam2Client, the picture to point at, the objects and the status line. */

import { Sam2Client, Sam2Error } from "./client.js";
import { History } from "./history.js";
import { Outputs } from "./outputs.js";
import { paintMasks } from "./painter.js";
import { Picture } from "./picture.js";
import { SourceError, openCamera, openFile, openPattern } from "./sources.js";
import { Tracks, colourOf } from "./tracks.js";

const NUMBER_KEYS = 8;
const MAX_AGES = 90; // mask frames of which the latency is the median

const $ = (id) => document.getElementById(id);
const picture = new Picture($("picture"));
const tracks = new Tracks($("tracks"));
const outputs = new Outputs($("outputs"));
const history = new History();
let client = null;
let source = null;
let ages = [];
let lastSeen = new Map(); // track_id -> index of the last frame with the object that had it before
let maxTracks = Infinity;
let isConfiguring = false;

/** idle -> connecting -> live -> idle; the stylesheet shows what belongs to each. */
function enter(phase) {
  document.body.dataset.phase = phase;
}

function notify(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = text === "";
}

/** @param {unknown} error @returns {string} what went wrong and what the viewer can do */
function inWords(error) {
  if (error instanceof SourceError) return error.message;
  if (!(error instanceof Sam2Error)) return `Something went wrong in this page: ${error}`;
  const again = error.retryAfterS ? `in ${error.retryAfterS} seconds` : "in a moment";
  const words = {
    full: `The service is full. Try again ${again}.`,
    unreachable: "The service does not answer. Check that it runs, then try again.",
    lost: `Connection lost: ${error.message}. Start again to go on.`,
    busy: "The service is still busy with your earlier clicks. Wait a moment.",
    too_many_tracks: "That is as many objects as the service follows. Remove one first.",
    unreadable: `A mask from the service could not be read: ${error.message}.`,
    nothing_found: "No object stands out in this picture. Click one instead.",
    unknown_track: "That object is gone. Choose another one or begin a new one.",
  };
  return words[error.code] ?? `The service refused: ${error.message}.`;
}

async function start(open) {
  notify("");
  enter("connecting");
  try {
    source = await open();
    client = listen(new Sam2Client());
    greet(await client.connect(source.stream, { resumeMs: 0 }));
    picture.show(client.returned);
    enter("live");
    tracks.add();
    $("hint").hidden = false;
    $("picture").focus({ preventScroll: true });
    await configure();
  } catch (error) {
    stop();
    notify(inWords(error));
  }
}

function stop() {
  client?.close();
  source?.stop();
  client = source = null;
  ages = [];
  lastSeen = new Map();
  tracks.clear();
  history.clear();
  $("undo").disabled = true;
  $("masks").hidden = true;
  picture.show(null);
  enter("idle");
}

/** @param {Sam2Client} fresh */
function listen(fresh) {
  const on = (type, call) => fresh.addEventListener(type, ({ detail }) => call(detail));
  on("masks", showMasks);
  on("stats", showStats);
  on("track", ({ kind, track_id }) => {
    if (kind === "added" && !tracks.stateOf(track_id)) tracks.show(track_id, "visible"); // found
    // "removed" only answers this page, and its number may be another object's by now.
    if (kind === "dropped") tracks.drop(track_id);
  });
  on("fault", (error) => notify(inWords(error)));
  on("close", (error) => {
    if (fresh !== client || !error || document.body.dataset.phase !== "live") return;
    stop();
    notify(inWords(error));
  });
  return fresh;
}

function greet({ model, limits }) {
  maxTracks = limits.max_tracks;
  $("model").textContent = `${model.name} · ${model.device}`;
  showTraining(model);
}

function showTraining({ name, model, is_trained }) {
  $("banner").textContent = `${name ?? model} is not trained yet: its masks are guesses.`;
  $("banner").hidden = is_trained !== false; // null while the model loads
}

function showMasks(frame) {
  const { index, objects, ageMs } = frame;
  if (!$("masks").hidden) paintMasks($("masks"), frame);
  for (const { trackId, state } of objects) {
    const isStale = index <= (lastSeen.get(trackId) ?? -1); // masks may come late, out of order
    if (tracks.stateOf(trackId) && !isStale) tracks.show(trackId, state);
  }
  ages.push(ageMs);
  if (ages.length > MAX_AGES) ages.shift();
}

function showStats({ fps, dropped }) {
  $("fps").textContent = fps.toFixed(fps < 10 ? 1 : 0);
  const skipped = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  $("drops").textContent = skipped.toLocaleString("en");
  if (client?.roundTripMs == null || ages.length === 0) return;
  const median = [...ages].sort((a, b) => a - b)[ages.length >> 1];
  $("latency").textContent = `${Math.round(median + client.roundTripMs)} ms`;
}

/** One thing said about the selected object, on the frame that was on screen. */
async function say(said) {
  if (!client?.isOpen) return;
  if (!tracks.selected) newObject();
  const trackId = tracks.selected;
  if (!trackId) return;
  if (tracks.stateOf(trackId) === "new") tracks.show(trackId, "pending");
  const told = { ...said, rtpTimestamp: client.sentTimestamp(said.rtpTimestamp) };
  const answered = client.prompt({ ...told, trackId });
  picture.mark(said, colourOf(trackId), answered);
  try {
    await answered;
    history.add(trackId, told);
    $("undo").disabled = false;
    $("hint").hidden = true;
    notify("");
  } catch (error) {
    if (tracks.stateOf(trackId) === "pending") tracks.show(trackId, "new");
    if (client) notify(inWords(error));
  }
}

function newObject() {
  if (!client?.isOpen) return;
  if (tracks.size >= maxTracks) {
    notify(`${maxTracks} objects at most. Remove one first.`);
  } else if (tracks.stateOf(tracks.selected) !== "new") {
    tracks.add();
  }
}

/** For who cannot click: the service looks for objects. */
async function find(how) {
  if (!client?.isOpen) return;
  const buttons = $("find").querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  $("find").ariaBusy = "true";
  try {
    const { track_id } = await client.auto(how);
    tracks.select(track_id);
    $("hint").hidden = true;
    notify("");
  } catch (error) {
    if (client) notify(inWords(error));
  } finally {
    buttons.forEach((button) => (button.disabled = false));
    $("find").ariaBusy = "false";
  }
}

async function undo() {
  if (!client?.isOpen) return;
  const word = history.undo();
  $("undo").disabled = history.isEmpty;
  if (!word) return;
  const { trackId, left } = word;
  if (left === null) {
    await removeObject(trackId);
    return;
  }
  try {
    await client.prompt({ ...left, trackId, clear: true });
    tracks.select(trackId);
  } catch (error) {
    if (client) notify(inWords(error));
  }
}

async function removeObject(trackId) {
  history.forget(trackId);
  $("undo").disabled = history.isEmpty;
  const wasKnown = !["new", undefined].includes(tracks.stateOf(trackId));
  const isTold = wasKnown && client?.isOpen;
  if (isTold) tracks.dismiss(trackId);
  else tracks.drop(trackId);
  if (tracks.size === 0) tracks.add();
  if (!isTold) return;
  const asked = client;
  try {
    const { frame } = await asked.remove(trackId);
    if (asked === client) lastSeen.set(trackId, frame.index);
  } catch (error) {
    if (asked !== client) return;
    if (error.code !== "unknown_track") tracks.show(trackId, "pending"); // it is still followed
    notify(inWords(error));
  } finally {
    if (asked === client) tracks.release(trackId);
  }
}

/** Tells the service what to show; while it answers, only the newest of further wishes is kept. */
async function configure() {
  if (!client?.isOpen || isConfiguring || !outputs.chosen) return;
  isConfiguring = true;
  const asked = client;
  try {
    let wish;
    do {
      wish = outputs.chosen;
      await asked.configure(wish);
      if (asked === client) showOutput(wish);
    } while (asked === client && JSON.stringify(outputs.chosen ?? wish) !== JSON.stringify(wish));
  } catch (error) {
    if (asked === client) notify(inWords(error));
  } finally {
    isConfiguring = false;
  }
}

/** Where no picture comes back, the viewer's own is shown and the masks are painted here. */
function showOutput({ output }) {
  const isHere = output === "masks";
  if ($("masks").hidden !== isHere) return;
  $("masks").hidden = !isHere;
  picture.show(isHere ? source.stream : client.returned);
}

function onKey(event) {
  const isTyping =
    event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("select, input");
  if (document.body.dataset.phase !== "live" || isTyping) return;
  const number = Number(event.key);
  if (Number.isInteger(number) && number >= 1 && number <= NUMBER_KEYS) tracks.select(number);
  else if (event.key === "n" || event.key === "N") newObject();
  else if (event.key === "o" || event.key === "O") {
    outputs.choose(outputs.name === "overlay" ? "none" : "overlay");
  } else if (event.key === "z" || event.key === "Z") undo();
  else if (event.key === "Delete" && tracks.selected) removeObject(tracks.selected);
}

$("use-camera").onclick = () => start(openCamera);
$("use-pattern").onclick = () => start(openPattern);
$("use-file").onclick = () => $("file").click();
$("file").onchange = ({ target }) => {
  const [file] = target.files;
  target.value = ""; // the same file may be chosen again
  if (file) start(() => openFile(file));
};
$("stop").onclick = stop;
$("new").onclick = newObject;
$("notice-close").onclick = () => notify("");
$("undo").onclick = undo;
$("find").onclick = ({ target }) => target.value && find(target.value);
outputs.addEventListener("choose", configure);
outputs.addEventListener("fault", ({ detail }) => notify(detail));
$("tools").onchange = ({ target }) => (picture.tool = target.value);
tracks.addEventListener("select", ({ detail }) => (picture.colour = colourOf(detail)));
tracks.addEventListener("remove", ({ detail }) => removeObject(detail));
picture.addEventListener("say", ({ detail }) => say(detail));
document.addEventListener("keydown", onKey);

const config = await fetch("config").then(
  (response) => (response.ok ? response.json() : null),
  () => null, // the page says so when a source is started
);
if (config) showTraining(config);
