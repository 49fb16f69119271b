// What this browser remembers between visits: how things are shown, which camera. Works without storage, too.

const KEY = "mien.settings";
const RESUME_KEY = "mien.resume";
const RESUME_WITHIN_MS = 30_000; // the server decides, and holds a head for 2 s; an older one is not worth the asking

/**
 * @typedef {object} Settings
 * @property {string | null} overlay wished mode; null: the server's default
 * @property {string} layout over or side
 * @property {boolean} mirrored
 * @property {string | null} camera device id
 * @property {boolean | null} avatar whether the 3D head is shown; null: where the machine draws it fast
 * @property {string | null} keep names the learned head that the server keeps, where it keeps any
 */

/** @returns {Settings} */
export function loadSettings() {
  const defaults = { overlay: null, layout: "over", mirrored: true, camera: null, avatar: null, keep: null };
  try {
    return { ...defaults, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return defaults;
  }
}

/** @param {Settings} settings */
export function saveSettings(settings) {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // private windows may refuse: then nothing is remembered
  }
}

/** A page about to be reloaded leaves its session to the next one. @param {string | null} resumeId */
export function leaveSession(resumeId) {
  try {
    if (resumeId) sessionStorage.setItem(RESUME_KEY, JSON.stringify({ resumeId, at: Date.now() }));
  } catch {
    // as above
  }
}

/** Taken once, so that a duplicated tab begins its own. @returns {string | null} */
export function takeSession() {
  try {
    const left = JSON.parse(sessionStorage.getItem(RESUME_KEY) ?? "null");
    sessionStorage.removeItem(RESUME_KEY);
    return left && Date.now() - left.at < RESUME_WITHIN_MS ? left.resumeId : null;
  } catch {
    return null;
  }
}

/** From the address that the server printed: what stands behind its # never leaves the browser. */
export function tokenFromAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}
