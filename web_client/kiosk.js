// Kiosk mode (?kiosk): nobody has a hand on it. Attracts, learns each new person, forgets those who leave.

/** @typedef {import("./mien.js").MienState} MienState */

const ATTRACT_AFTER_MS = 2500; // without a face
const FORGET_AFTER_MS = 6000;
const RESTART_AFTER_MS = 3000; // should the page itself fail
const ANSWER_WITHIN_MS = 10_000;

let restarting = false;

export const isKiosk = new URLSearchParams(location.search).has("kiosk");
if (isKiosk) document.body.dataset.kiosk = ""; // at once: colours follow from it

export class Kiosk {
  #forget;
  #lastFace = -Infinity;
  #learned = false;
  /** @type {string | undefined} */ #server;

  /** @param {() => void} forget */
  constructor(forget) {
    this.#forget = forget;
    document.getElementById("stage")?.append(attraction());
    for (const event of ["pointerdown", "keydown"]) addEventListener(event, () => document.documentElement.requestFullscreen?.().catch(() => {}), { once: true });
    for (const event of ["error", "unhandledrejection"]) addEventListener(event, restart);
    document.addEventListener("visibilitychange", keepAwake);
    keepAwake();
  }

  /** To be called twice a second or so. @param {MienState | null} now */
  look(now) {
    const server = now?.welcome?.server;
    this.#server ??= server;
    if (server !== this.#server && server) restart(); // a newer one may have a newer page
    const face = now?.phase === "live" && (now.state === "TRACKING" || now.state === "ENROLLING");
    if (face) {
      this.#lastFace = performance.now();
      this.#learned = true;
    }
    const away = performance.now() - this.#lastFace;
    document.body.toggleAttribute("data-attract", away > ATTRACT_AFTER_MS);
    if (this.#learned && now?.phase === "live" && away > FORGET_AFTER_MS) {
      this.#learned = false;
      this.#forget();
    }
  }
}

/** Anew, but never while nobody answers: there would be no page to go on from. */
async function restart() {
  if (restarting) return;
  restarting = true;
  let there = false;
  while (!there) {
    await new Promise((resolve) => setTimeout(resolve, RESTART_AFTER_MS));
    there = await fetch("healthz", { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).then((answer) => answer.ok, () => false);
  }
  location.reload();
}

function attraction() {
  const made = document.createElement("div");
  made.className = "attract";
  made.setAttribute("aria-hidden", "true");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const symbol = /** @type {Element} */ (document.getElementById("i-face"));
  svg.setAttribute("viewBox", symbol.getAttribute("viewBox") ?? "");
  svg.append(...[...symbol.children].map((child) => child.cloneNode(true)));
  const words = document.createElement("p");
  words.textContent = "Show me your face";
  const small = document.createElement("small");
  small.textContent = "Step in front of the camera. Nothing is kept when you leave.";
  made.append(svg, words, small);
  return made;
}

/** The browser lets go whenever the page is hidden. */
async function keepAwake() {
  try {
    if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen");
  } catch {
    // on battery, or not allowed: the operator's settings decide
  }
}
