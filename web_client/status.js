// The state in plain words: one for the status line, one for the person in front of the camera.

/** @typedef {import("./mien.js").MienState} MienState */
/** @typedef {"idle" | "busy" | "good" | "bad"} Tone */

/** What the tracker would like a person to do. */
const HINTS = /** @type {Record<string, string>} */ ({
  turn_left: "turn left a little",
  turn_right: "turn right a little",
  look_up: "look up a little",
  look_down: "look down a little",
  look_at_camera: "look into the camera",
  open_mouth: "open your mouth once",
  close_mouth: "close your mouth, relaxed",
  come_closer: "come a little closer",
  move_back: "move back a little",
  more_light: "more light on your face, please",
  hold_still: "hold still for a moment",
});

const TRACKER = /** @type {Record<string, {text: string, tone: Tone}>} */ ({
  SEARCHING: { text: "Looking for a face", tone: "busy" },
  ENROLLING: { text: "Learning your head", tone: "busy" },
  TRACKING: { text: "Tracking", tone: "good" },
  LOST: { text: "Lost your face for a moment", tone: "busy" },
});

/** By what the server said before it closed. */
const WAITING = /** @type {Record<string, {text: string, tone: Tone}>} */ ({
  full: { text: "Waiting for a free place", tone: "busy" },
  server: { text: "Waiting for the server", tone: "busy" },
});

/** @param {MienState} now @returns {{text: string, tone: Tone}} */
export function statusOf(now) {
  if (now.phase === "queued") return { text: queueWords(now.position ?? 1), tone: "busy" };
  if (now.phase === "connecting") return { text: "Connecting", tone: "busy" };
  if (now.phase === "waiting") return WAITING[now.problem?.code ?? ""] ?? { text: "Connection lost, coming back", tone: "bad" };
  if (now.phase === "ended") return { text: "Stopped", tone: "bad" };
  if (now.phase === "starting") return { text: now.problem ? "No way for the video" : "Starting the video", tone: now.problem ? "bad" : "busy" };
  if (now.detail?.paused) return { text: "Paused", tone: "idle" };
  const known = TRACKER[now.state ?? "SEARCHING"];
  const hint = hintWords(now.hint);
  return hint ? { ...known, text: `${known.text}: ${hint}` } : known;
}

/** @param {string | null} hint a key as `turn_left`; new ones are shown as they are, without the line */
export function hintWords(hint) {
  return hint && (HINTS[hint] ?? hint.replaceAll("_", " "));
}

/** @param {number} position */
function queueWords(position) {
  if (position <= 1) return "You are next in the queue";
  return position === 2 ? "In the queue, one person before you" : `In the queue, ${position - 1} people before you`;
}

const PATIENCE_MS = 8000;
const ADVICE = [
  "No face found: look towards the camera",
  "No face found: come closer, about an arm’s length away",
  "No face found: light from the front helps",
];

/** Notices that no face has been found for long, and then says what may help. */
export class Patience {
  #since = performance.now();

  /** @param {MienState} now @returns {string | null} */
  advice(now) {
    const looking = now.phase === "live" && (now.state === "SEARCHING" || now.state === "LOST");
    if (!looking) this.#since = performance.now();
    const waited = performance.now() - this.#since;
    return waited < PATIENCE_MS ? null : ADVICE[Math.floor(waited / PATIENCE_MS - 1) % ADVICE.length];
  }
}
