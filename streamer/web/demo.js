/** The page: a source, a Sam2Client, the picture to point at, the objects and the status line. */

import { Bulletin } from "./bulletin.js";
import { Sam2Client } from "./client.js";
import { Door } from "./door.js";
import { History } from "./history.js";
import { listenToKeys } from "./keys.js";
import { Outputs } from "./outputs.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { SourceError, offerSources } from "./sources.js";
import { Tracks, colourOf } from "./tracks.js";
import { View } from "./view.js";
import { inWords, joinInWords, moveInWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const picture = new Picture($("picture"));
const view = new View(picture, $("returned"), $("masks"));
const tracks = new Tracks($("tracks"));
const outputs = new Outputs($("outputs"));
const history = new History();
const door = new Door($("door"));
const bulletin = new Bulletin($("notice"), $("link"));
const numbers = new Panel($("numbers"));
let client = null;
let source = null;
let lastSeen = new Map(); // track_id -> index of the last frame with the object that had it before
let maxTracks = Infinity;
let isConfiguring = false;
let isOwn = false; // the viewer's own video is shown

/** idle -> connecting -> live -> idle; the stylesheet shows what belongs to each. */
function enter(phase) {
  document.body.dataset.phase = phase;
}

/** What went wrong with something that was asked for; who looks for the service says so already. */
function complain(error) {
  if (client && !["lost", "closed"].includes(error.code)) bulletin.notify(inWords(error));
}

async function start(open) {
  bulletin.notify("");
  enter("connecting");
  try {
    source = await open();
    watch(source);
    client = listen(new Sam2Client());
    greet(await client.connect(source.stream, { token: door.token }));
    view.showReturned(client);
    enter("live");
    tracks.add();
    $("hint").hidden = false;
    $("picture").focus({ preventScroll: true });
    await configure();
  } catch (error) {
    fail(error);
  }
}

/** Says so when the source ends by itself. @param {import("./sources.js").Source} opened */
function watch(opened) {
  for (const track of opened.stream.getTracks()) {
    track.onended = () => source === opened && fail(new SourceError(opened.gone));
  }
}

/** Back to the start, with what went wrong. */
function fail(error) {
  const before = document.body.dataset.link === "lost" ? "Connection lost. " : "";
  stop();
  if (error.code === "unauthorized") door.ask(error);
  else bulletin.notify(error.code === "lost" ? inWords(error) : before + inWords(error));
}

function stop() {
  client?.close();
  source?.stop();
  client = source = null;
  numbers.clear();
  lastSeen = new Map();
  tracks.clear();
  history.clear();
  $("undo").disabled = true;
  view.clear();
  isOwn = false;
  bulletin.tell("");
  delete document.body.dataset.link;
  enter("idle");
}

/** @param {Sam2Client} fresh */
function listen(fresh) {
  const on = (type, call) => fresh.addEventListener(type, ({ detail }) => call(detail));
  on("masks", showMasks);
  on("stats", (stats) => numbers.show(stats, fresh, tracks.states));
  on("track", ({ kind, track_id }) => {
    if (kind === "added" && !tracks.stateOf(track_id)) tracks.show(track_id, "visible"); // found
    // "removed" only answers this page, and its number may be another object's by now.
    if (kind === "dropped") tracks.drop(track_id);
  });
  on("fault", (error) => bulletin.notify(inWords(error)));
  on("lost", () => {
    document.body.dataset.link = "lost";
    bulletin.notify("");
    bulletin.tell("Connection lost. Looking for the service again…");
  });
  on("moved", goOn);
  on("close", (error) => {
    if (fresh === client && error && document.body.dataset.phase === "live") fail(error);
  });
  return fresh;
}

/** Another connection stands, with these tracks. */
function goOn({ resumed, how }) {
  delete document.body.dataset.link;
  numbers.clear();
  lastSeen = new Map();
  history.clear(); // its frames were the other connection's
  $("undo").disabled = true;
  const gone = tracks.followed.filter((trackId) => !resumed.includes(trackId));
  gone.forEach((trackId) => tracks.drop(trackId));
  resumed.filter((trackId) => !tracks.stateOf(trackId)).forEach((id) => tracks.show(id, "pending"));
  if (tracks.size === 0) tracks.add();
  else if (!tracks.selected) tracks.select(tracks.followed[0]);
  const [words, isGood] = moveInWords(resumed, gone, how);
  bulletin.cheer(isGood ? words : "");
  bulletin.notify(isGood ? "" : words);
}

function greet({ model, limits }) {
  maxTracks = limits.max_tracks;
  numbers.model(model);
  showTraining(model);
}

function showTraining({ name, model, is_trained }) {
  $("banner").textContent = `${name ?? model} is not trained yet: its masks are guesses.`;
  $("banner").hidden = is_trained !== false; // null while the model loads
}

function showMasks(frame) {
  const { index, objects, ageMs } = frame;
  for (const { trackId, state } of objects) {
    const isStale = index <= (lastSeen.get(trackId) ?? -1); // masks may come late, out of order
    if (tracks.stateOf(trackId) && !isStale) tracks.show(trackId, state);
  }
  numbers.age(ageMs);
}

/** One thing said about the selected object, on the frame that was on screen. */
async function say(said) {
  if (!client?.isOpen) return;
  if (!tracks.selected) newObject();
  const trackId = tracks.selected;
  if (!trackId) return;
  if (tracks.stateOf(trackId) === "new") tracks.show(trackId, "pending");
  const answered = client.prompt({ ...said, trackId });
  picture.mark(said, colourOf(trackId), answered);
  try {
    await answered;
    history.add(trackId, said);
    $("undo").disabled = false;
    $("hint").hidden = true;
    bulletin.notify("");
  } catch (error) {
    if (tracks.stateOf(trackId) === "pending") tracks.show(trackId, "new");
    complain(error);
  }
}

function newObject() {
  if (!client?.isOpen) return;
  if (tracks.size >= maxTracks) {
    bulletin.notify(`${maxTracks} objects at most. Remove one first.`);
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
    bulletin.notify("");
  } catch (error) {
    complain(error);
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
    complain(error);
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
    complain(error);
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
    if (asked === client) complain(error);
  } finally {
    isConfiguring = false;
  }
}

/** Where no picture comes back, the viewer's own is shown and the masks are painted here. */
function showOutput({ output }) {
  if (isOwn === (output === "masks")) return;
  isOwn = !isOwn;
  if (isOwn) view.showOwn(client, source.stream);
  else view.showReturned(client);
}

offerSources(start);
$("stop").onclick = stop;
$("new").onclick = newObject;
$("undo").onclick = undo;
$("find").onclick = ({ target }) => target.value && find(target.value);
outputs.addEventListener("choose", configure);
outputs.addEventListener("fault", ({ detail }) => bulletin.notify(detail));
$("tools").onchange = ({ target }) => (picture.tool = target.value);
tracks.addEventListener("select", ({ detail }) => (picture.colour = colourOf(detail)));
tracks.addEventListener("remove", ({ detail }) => removeObject(detail));
picture.addEventListener("say", ({ detail }) => say(detail));
view.addEventListener("how", ({ detail }) => {
  document.body.dataset.join = detail;
  numbers.join(joinInWords(detail));
});
listenToKeys(
  {
    n: newObject,
    o: () => outputs.choose(outputs.name === "overlay" ? "none" : "overlay"),
    z: undo,
    r: () => tracks.rename(tracks.selected),
    i: () => $("numbers").click(),
    Delete: () => tracks.selected && removeObject(tracks.selected),
  },
  (trackId) => tracks.select(trackId),
  () => document.body.dataset.phase === "live",
);

door.addEventListener("open", ({ detail }) => {
  bulletin.notify("");
  showTraining(detail);
});
await door.knock();
