/** A program that uses client.js as its README says, for the compiler only: test_web_types.py. */

import { Sam2Client, Sam2Error } from "../../streamer/web/client.js";
import { LocalJoin, ReturnedJoin } from "../../streamer/web/join.js";
import { Sam2Watcher } from "../../streamer/web/watch.js";

/** @param {HTMLVideoElement} video @param {CanvasRenderingContext2D} pen */
export async function use(video, pen) {
  const client = new Sam2Client();
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  const { limits } = await client.connect(stream, { token: "secret", resumeMs: 5000 });
  /** @type {number} */
  const most = limits.max_tracks;
  const { frame } = await client.prompt({ trackId: most, points: [[0.5, 0.5, 1]] });
  await client.prompt({ trackId: 1, box: [0, 0, 1, 1], rtpTimestamp: frame?.rtp_timestamp });
  await client.configure({ output: "blur", strength: 0.5 });
  const join = new LocalJoin(client, video);
  join.addEventListener("frame", (event) => {
    /** @type {import("../../streamer/web/join.js").Joined} */
    const { picture, masks } = /** @type {CustomEvent} */ (event).detail;
    pen.drawImage(picture, 0, 0);
    return masks?.objects.map(({ trackId, box, state }) => [trackId, box.x, state === "lost"]);
  });
  join.stop();
  video.srcObject = client.returned;
  /** @type {"exact" | "waiting" | "newest" | "late"} */
  const how = new ReturnedJoin(client, video).how;

  const watcher = new Sam2Watcher();
  await watcher.watch("session", { url: "https://sam2.example", token: "secret", track: "mask" });
  new ReturnedJoin(watcher, video).stop();
  // @ts-expect-error who watches sends nothing that could be joined
  new LocalJoin(watcher, video).stop();

  // @ts-expect-error a label is 0 or 1
  await client.prompt({ trackId: 1, points: [[0.5, 0.5, 2]] });
  // @ts-expect-error no such output
  await client.configure({ output: "sepia" });
  // @ts-expect-error the token may be missing, but is no number
  await client.connect(stream, { token: 7 });
  // @ts-expect-error a track is named by its number
  await client.remove("ball");
  // @ts-expect-error an ack may name no frame
  frame.index;
  return [how, new Sam2Error("lost", "words").retryAfterS];
}
