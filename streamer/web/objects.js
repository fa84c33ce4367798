/** The viewer's objects in a session: what is said of them, what becomes of them, and who is told. */

import { History } from "./history.js";
import { colourOf } from "./tracks.js";
import { inWords, moveInWords, newsInWords } from "./words.js";

/**
 * @typedef {{tracks: import("./tracks.js").Tracks, picture: import("./picture.js").Picture,
 *            bulletin: import("./bulletin.js").Bulletin, undo: HTMLButtonElement,
 *            find: HTMLElement, hint: HTMLElement}} Parts  of the page
 */

export class Objects {
  #tracks;
  #picture;
  #bulletin;
  #undo;
  #find;
  #hint;
  /** @type {import("./client.js").Sam2Client | null} */
  #client = null;
  #maxTracks = Infinity;
  #history = new History();
  #lastSeen = new Map(); // track_id -> index of the last frame with the object that had it before
  #given = new Set(); // track_ids that were given up here, and the service's event is to come
  #isFinding = false; // what was found last is told of one by one, until something else is said

  /** @param {Parts} parts */
  constructor({ tracks, picture, bulletin, undo, find, hint }) {
    [this.#tracks, this.#picture, this.#bulletin] = [tracks, picture, bulletin];
    [this.#undo, this.#find, this.#hint] = [undo, find, hint];
  }

  /** A session begins. @param {import("./client.js").Sam2Client} client @param {number} maxTracks */
  begin(client, maxTracks) {
    [this.#client, this.#maxTracks] = [client, maxTracks];
    this.#tracks.add();
    this.#hint.hidden = false;
  }

  /** It is over. */
  end() {
    this.#client = null;
    this.#tracks.clear();
    this.#forgetAll();
  }

  /** Another connection stands, with these tracks. @param {{resumed: number[], how: any}} moved */
  goOn({ resumed, how }) {
    const tracks = this.#tracks;
    // Its frames are counted anew unless the service kept all, and then also what was said.
    if (how !== "memory") this.#forgetAll();
    const gone = tracks.followed.filter((trackId) => !resumed.includes(trackId));
    const names = gone.map((trackId) => tracks.nameOf(trackId));
    gone.forEach((trackId) => this.#lose(trackId));
    resumed.filter((id) => !tracks.stateOf(id)).forEach((id) => tracks.show(id, "pending"));
    if (tracks.size === 0) tracks.add();
    else if (!tracks.selected) tracks.select(tracks.followed[0]);
    const [words, isGood] = moveInWords(resumed, names, how);
    this.#bulletin.cheer(isGood ? words : "");
    this.#bulletin.notify(isGood ? "" : words);
  }

  /** @param {{index: number, objects: {trackId: number, state: any}[]}} frame with masks */
  show({ index, objects }) {
    for (const { trackId, state } of objects) {
      const isStale = index <= (this.#lastSeen.get(trackId) ?? -1); // masks may come late
      const isFollowed = !["new", undefined].includes(this.#tracks.stateOf(trackId));
      if (isFollowed && !isStale) this.#tracks.show(trackId, state);
    }
  }

  /** @param {{kind: string, track_id: number, frame: {index: number}}} event of one object */
  hear({ kind, track_id: trackId, frame }) {
    const tracks = this.#tracks;
    if (kind === "added") {
      this.#given.delete(trackId);
      if (!["new", undefined].includes(tracks.stateOf(trackId))) return;
      tracks.show(trackId, "visible"); // found
      if (this.#isFinding) this.#said(trackId);
    } else if (kind === "removed") {
      if (!this.#given.delete(trackId)) this.#drop(trackId, frame.index);
    } else if (tracks.stateOf(trackId)) {
      const [words, isToBeDone] = newsInWords(kind, tracks.nameOf(trackId));
      if (isToBeDone) this.#bulletin.notify(words);
      else if (words) this.#bulletin.report(words);
      if (kind === "dropped") this.#drop(trackId, frame.index);
    }
  }

  /** One thing said about the selected object. @param {import("./picture.js").Said} said */
  async say(said) {
    const [client, tracks] = [this.#client, this.#tracks];
    if (!client?.isOpen) return;
    if (!tracks.selected) this.add();
    const trackId = tracks.selected;
    if (!trackId) return;
    this.#isFinding = false;
    if (tracks.stateOf(trackId) === "new") tracks.show(trackId, "pending");
    const answered = client.prompt({ ...said, trackId });
    this.#picture.mark(said, colourOf(trackId), answered);
    try {
      await answered;
      if (client === this.#client && tracks.stateOf(trackId)) this.#said(trackId);
      this.#hint.hidden = true;
      this.#bulletin.notify("");
    } catch (error) {
      if (tracks.stateOf(trackId) === "pending") tracks.show(trackId, "new");
      this.#complain(error);
    }
  }

  /** Room for another object. */
  add() {
    const tracks = this.#tracks;
    if (!this.#client?.isOpen) return;
    if (tracks.size >= this.#maxTracks) {
      this.#bulletin.notify(`${this.#maxTracks} objects at most. Remove one first.`);
    } else if (tracks.stateOf(tracks.selected) !== "new") {
      tracks.add();
    }
  }

  /** For who cannot click: the service looks for objects. @param {"center" | "largest" | "grid"} how */
  async find(how) {
    if (!this.#client?.isOpen) return;
    const buttons = this.#find.querySelectorAll("button");
    buttons.forEach((button) => (button.disabled = true));
    this.#find.ariaBusy = "true";
    this.#isFinding = true;
    try {
      const { track_id } = await this.#client.auto(how);
      this.#tracks.select(track_id);
      this.#hint.hidden = true;
      this.#bulletin.notify("");
    } catch (error) {
      this.#complain(error);
    } finally {
      buttons.forEach((button) => (button.disabled = false));
      this.#find.ariaBusy = "false";
    }
  }

  /** Takes the last word back, whichever object it was said of. */
  async undo() {
    if (!this.#client?.isOpen) return;
    const trackId = this.#history.pop();
    this.#undo.disabled = this.#history.isEmpty;
    if (!trackId) return;
    try {
      await this.#client.undo(trackId);
      this.#tracks.select(trackId);
    } catch (error) {
      const isOver = ["nothing_to_undo", "unknown_track"].includes(error.code);
      if (isOver) this.#forget(trackId);
      else if (this.#tracks.stateOf(trackId)) this.#said(trackId); // it can be asked for again
      this.#complain(error);
    }
  }

  /** @param {number} trackId of an object that the viewer gives up */
  async remove(trackId) {
    const [asked, tracks] = [this.#client, this.#tracks];
    this.#forget(trackId);
    const wasKnown = !["new", undefined].includes(tracks.stateOf(trackId));
    const isTold = wasKnown && asked?.isOpen;
    if (isTold) tracks.dismiss(trackId);
    else tracks.drop(trackId);
    if (tracks.size === 0) tracks.add();
    if (!isTold || !asked) return;
    try {
      const { frame } = await asked.remove(trackId);
      if (asked !== this.#client) return;
      this.#given.add(trackId);
      this.#lastSeen.set(trackId, frame?.index);
    } catch (error) {
      if (asked !== this.#client) return;
      if (error.code !== "unknown_track") tracks.show(trackId, "pending"); // it is still followed
      this.#complain(error);
    } finally {
      if (asked === this.#client) tracks.release(trackId);
    }
  }

  /** Its place stays, with its name, for another click. @param {number} trackId */
  #lose(trackId) {
    this.#forget(trackId);
    this.#tracks.show(trackId, "new");
  }

  /** @param {number} trackId @param {number} index of the first frame without it */
  #drop(trackId, index) {
    this.#forget(trackId);
    this.#lastSeen.set(trackId, index);
    this.#tracks.drop(trackId);
    if (this.#tracks.size === 0) this.#tracks.add();
  }

  #said(trackId) {
    this.#history.add(trackId);
    this.#undo.disabled = false;
  }

  #forget(trackId) {
    this.#history.forget(trackId);
    this.#undo.disabled = this.#history.isEmpty;
  }

  #forgetAll() {
    this.#lastSeen.clear();
    this.#given.clear();
    this.#history.clear();
    this.#undo.disabled = true;
  }

  /** What went wrong with something that was asked for; who looks for the service says so already. */
  #complain(error) {
    const isSaid = ["lost", "closed"].includes(error.code);
    if (this.#client && !isSaid) this.#bulletin.notify(inWords(error));
  }
}
