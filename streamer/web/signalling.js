/** The client's HTTP side, and what can go wrong. */

const GATHERING_MS = 2000; // candidates found later are left out: the offer is sent once
const PAUSES_MS = [100, 200, 500, 1000]; // between attempts; the last again and again

/**
 * A fault with a code that programs can test: "unreachable", "unauthorized" (another token is
 * needed), "full", "refused", "no_media" (no packet gets through), "lost", "ended" (by a limit of the
 * service: what was cannot go on), "busy", "closed",
 * "unreadable" (a mask frame), or one of the service's (bad_prompt, too_large, too_many_tracks,
 * unknown_track, ...).
 */
export class Sam2Error extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{retryAfterS?: number}} [more] retryAfterS: with "full", when to try again
   */
  constructor(code, message, { retryAfterS } = {}) {
    super(message);
    this.name = "Sam2Error";
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Fetches; a refusal carries the service's own words (RFC 9457).
 * @param {URL} url
 * @param {RequestInit} [options]
 * @param {string | null} [token] for a service that asks for one
 */
export async function request(url, options = {}, token = null) {
  const headers = withToken(options.headers, token);
  let response;
  try {
    response = await fetch(url, { ...options, headers });
  } catch {
    throw new Sam2Error("unreachable", `the service at ${url.origin} does not answer`);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({})); // a proxy's error page is no JSON
  const message = problem.detail ?? problem.title ?? `the service answered ${response.status}`;
  if (response.status === 401) throw new Sam2Error("unauthorized", message);
  if (problem.code === "time_up") throw new Sam2Error("ended", message);
  if (response.status !== 503) throw new Sam2Error("refused", message);
  const retryAfterS = Number(response.headers.get("retry-after")) || undefined;
  throw new Sam2Error("full", message, { retryAfterS });
}

/**
 * The headers, and with a token those of its bearer (RFC 6750).
 * @param {HeadersInit} [headers]
 * @param {string | null} [token]
 * @returns {HeadersInit}
 */
export function withToken(headers = {}, token = null) {
  if (token === null) return headers;
  if (/[^!-~]/.test(token)) throw new Sam2Error("unauthorized", "it has characters that none has");
  return { ...Object.fromEntries(new Headers(headers)), authorization: `Bearer ${token}` };
}

/**
 * Resolves when all candidates are known, or after GATHERING_MS with those that are.
 * @param {RTCPeerConnection} peer
 * @returns {Promise<void>}
 */
export function isGathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHERING_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") resolve();
    });
  });
}

/** @param {string} url of a service; "": of this page @returns {URL} that others are resolved against */
export function baseOf(url) {
  return new URL(url === "" ? "." : `${url.replace(/\/$/, "")}/`, document.baseURI);
}

/** @param {number} attempt 0, 1, 2... that failed @returns {Promise<void>} when to try again */
export function pause(attempt) {
  const pauseMs = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)];
  return new Promise((resolve) => setTimeout(resolve, pauseMs));
}
