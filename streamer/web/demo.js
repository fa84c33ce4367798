/** The page: a source, a Sam2Client, the picture to point at, the objects and the status line. */

import { Bulletin } from "./bulletin.js";
import { Sam2Client } from "./client.js";
import { Door } from "./door.js";
import { listenToKeys } from "./keys.js";
import { Objects } from "./objects.js";
import { Outputs } from "./outputs.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { SourceError, offerSources } from "./sources.js";
import { Tracks, colourOf } from "./tracks.js";
import { View } from "./view.js";
import { inWords, joinInWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const picture = new Picture($("picture"));
const view = new View(picture, $("returned"), $("masks"));
const tracks = new Tracks($("tracks"));
const outputs = new Outputs($("outputs"));
const door = new Door($("door"));
const bulletin = new Bulletin($("notice"), $("link"), $("news"));
const objects = new Objects({
  tracks, picture, bulletin, undo: $("undo"), find: $("find"), hint: $("hint"),
});
const numbers = new Panel($("numbers"));
let client = null;
let source = null;
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
    const { model, limits } = await client.connect(source.stream, { token: door.token });
    numbers.model(model);
    showTraining(model);
    view.showReturned(client);
    enter("live");
    objects.begin(client, limits.max_tracks);
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
  objects.end();
  view.clear();
  isOwn = false;
  bulletin.tell("");
  bulletin.clear();
  delete document.body.dataset.link;
  enter("idle");
}

/** @param {Sam2Client} fresh */
function listen(fresh) {
  const on = (type, call) => fresh.addEventListener(type, ({ detail }) => call(detail));
  on("masks", (frame) => {
    objects.show(frame);
    numbers.age(frame.ageMs);
  });
  on("stats", (stats) => numbers.show(stats, fresh, tracks.states));
  on("track", (event) => objects.hear(event));
  on("fault", (error) => bulletin.notify(inWords(error)));
  on("lost", () => {
    document.body.dataset.link = "lost";
    bulletin.notify("");
    bulletin.tell("Connection lost. Looking for the service again…");
  });
  on("moved", (moved) => {
    delete document.body.dataset.link;
    numbers.clear();
    objects.goOn(moved);
  });
  on("close", (error) => {
    if (fresh === client && error && document.body.dataset.phase === "live") fail(error);
  });
  return fresh;
}

function showTraining({ name, model, is_trained }) {
  $("banner").textContent = `${name ?? model} is not trained yet: its masks are guesses.`;
  $("banner").hidden = is_trained !== false; // null while the model loads
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

/** A tool by its key. @param {"add" | "erase" | "box" | "brush"} tool */
function pick(tool) {
  $("tools").querySelector(`[value=${tool}]`).checked = true;
  picture.tool = tool;
}

offerSources(start);
$("stop").onclick = stop;
$("new").onclick = () => objects.add();
$("undo").onclick = () => objects.undo();
$("find").onclick = ({ target }) => target.value && objects.find(target.value);
outputs.addEventListener("choose", configure);
outputs.addEventListener("fault", ({ detail }) => bulletin.notify(detail));
$("tools").onchange = ({ target }) => (picture.tool = target.value);
tracks.addEventListener("select", ({ detail }) => (picture.colour = colourOf(detail)));
tracks.addEventListener("remove", ({ detail }) => objects.remove(detail));
picture.addEventListener("say", ({ detail }) => objects.say(detail));
view.addEventListener("how", ({ detail }) => {
  document.body.dataset.join = detail;
  numbers.join(joinInWords(detail));
});
listenToKeys(
  {
    n: () => objects.add(),
    o: () => outputs.choose(outputs.name === "overlay" ? "none" : "overlay"),
    z: () => objects.undo(),
    r: () => tracks.rename(tracks.selected),
    i: () => $("numbers").click(),
    a: () => pick("add"),
    e: () => pick("erase"),
    b: () => pick("box"),
    p: () => pick("brush"),
    "Shift+s": stop, // not by a slip
    Delete: () => tracks.selected && objects.remove(tracks.selected),
  },
  (trackId) => tracks.select(trackId),
  () => document.body.dataset.phase === "live",
);

door.addEventListener("open", ({ detail }) => {
  bulletin.notify("");
  showTraining(detail);
});
await door.knock();
