/** What the page says when something goes wrong, or goes on. */

import { Sam2Error } from "./client.js";
import { SourceError } from "./sources.js";

/** @param {unknown} error @returns {string} what went wrong and what the viewer can do */
export function inWords(error) {
  if (error instanceof SourceError) return error.message;
  if (!(error instanceof Sam2Error)) return `Something went wrong in this page: ${error}`;
  const again = error.retryAfterS ? `in ${error.retryAfterS} seconds` : "in a moment";
  const words = {
    full: `The service is full. Try again ${again}.`,
    unreachable: "The service does not answer. Check that it runs, then try again.",
    no_media:
      "The service answers, but no video gets through to it. A firewall or VPN between you and it may " +
      "block UDP: try another network, or ask for a TURN server.",
    lost: `Connection lost: ${error.message}. Start again to go on.`,
    ended: `The service ended the session: ${error.message}. Start again for another.`,
    stopped: "The service stops. Looking for another…",
    internal: "Something went wrong in the service.",
    busy: "The service is still busy with your earlier clicks. Wait a moment.",
    too_many_tracks: "That is as many objects as the service follows. Remove one first.",
    frame_lost: "The service could not work on a picture. Say it again if it did nothing.",
    unreadable: `A mask from the service could not be read: ${error.message}.`,
    nothing_found: "No object stands out in this picture. Click one instead.",
    nothing_to_undo: "What was said of it longer ago cannot be taken back.",
    unknown_track: "That object is gone. Choose another one or begin a new one.",
  };
  return words[error.code] ?? `The service refused: ${error.message}.`;
}

/**
 * What became of an object.
 * @param {string} kind of the service's event
 * @param {string} name
 * @returns {[words: string, isToBeDone: boolean]} "": nothing that the viewer did not do or see
 */
export function newsInWords(kind, name) {
  if (kind === "lost") return [`${name} is out of sight. It is still looked for.`, false];
  if (kind === "reacquired") return [`${name} is back.`, false];
  if (kind !== "dropped") return ["", false];
  return [`${name} is not followed any more. Click it again when it is in the picture.`, true];
}

/**
 * What another connection brought along.
 * @param {number[]} resumed track_ids that go on
 * @param {string[]} gone names of those that do not
 * @param {"memory" | "boxes" | null} how
 * @returns {[words: string, isGood: boolean]} not good: there is something to do
 */
export function moveInWords(resumed, gone, how) {
  if (gone.length > 0) {
    const [were, them] = gone.length === 1 ? ["was", "it"] : ["were", "them"];
    const names = new Intl.ListFormat("en").format(gone);
    return [`Connected again, but ${names} ${were} lost. Click ${them} again.`, false];
  }
  if (resumed.length === 0) return ["Connected again.", true];
  if (how === "memory") return ["Connected again. Your objects go on as they were.", true];
  return ["Connected again. Your objects were taken up where they were last seen.", true];
}

/** @param {import("./join.js").How} how @returns {string} how pictures and masks are put together */
export const joinInWords = (how) =>
  ({
    exact: "each on its own picture",
    waiting: "newest on newest, until their pictures are found",
    newest: "newest on newest: this browser does not say which picture it shows",
    late: "newest on newest: they come too late for their own picture",
  })[how];
