// Buttons, choices and keys under the picture. They only tell main.js what is wished.

import { isKiosk } from "./kiosk.js";

/** @typedef {{value: string, label: string, icon?: string}} Choice */

/** @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const LAYOUTS = [
  { value: "over", label: "Overlay laid over the camera (V)", icon: "#i-over" },
  { value: "side", label: "Camera and overlay side by side (V)", icon: "#i-side" },
];
const TOAST_MS = 4500;

/** A row of buttons of which one is chosen; arrow keys move, as in any radio group. */
class Choices {
  #root;
  #onChoose;
  #value = "";

  /** @param {HTMLElement} root @param {(value: string) => void} onChoose */
  constructor(root, onChoose) {
    this.#root = root;
    this.#onChoose = onChoose;
    root.addEventListener("click", (event) => this.#choose(/** @type {HTMLElement} */ (event.target).closest("button")));
    root.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.next(step)?.focus();
    });
  }

  /** @param {Choice[]} choices */
  offer(choices) {
    if (choices.map(({ value }) => value).join() === this.#buttons().map(({ value }) => value).join()) return;
    this.#root.replaceChildren(...choices.map(choiceButton));
    this.show(this.#value);
  }

  /** @param {string} value */
  show(value) {
    this.#value = value;
    for (const button of this.#buttons()) {
      button.setAttribute("aria-checked", String(button.value === value));
      button.tabIndex = button.value === value ? 0 : -1;
    }
  }

  /** Choose a neighbour, around the end. @param {number} [step] */
  next(step = 1) {
    const buttons = this.#buttons();
    const now = buttons.findIndex(({ value }) => value === this.#value);
    const chosen = buttons[(now + step + buttons.length) % buttons.length];
    this.#choose(chosen);
    return chosen;
  }

  #buttons() {
    return /** @type {HTMLButtonElement[]} */ ([...this.#root.children]);
  }

  /** @param {HTMLButtonElement | null | undefined} button */
  #choose(button) {
    if (!button) return;
    this.show(button.value);
    this.#onChoose(button.value);
  }
}

/** @param {Choice} choice */
function choiceButton({ value, label, icon }) {
  const button = document.createElement("button");
  button.value = value;
  button.setAttribute("role", "radio");
  if (icon) {
    button.title = label;
    button.setAttribute("aria-label", label.replace(/ \(.\)$/, ""));
    button.append(iconOf(icon));
  } else {
    button.textContent = label;
  }
  return button;
}

/** A picture from the sheet in index.html. @param {string} name */
export function iconOf(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", name);
  svg.append(use);
  return svg;
}

/**
 * @typedef {object} Wishes
 * @property {(mode: string) => void} overlay
 * @property {(layout: string) => void} layout
 * @property {() => void} mirror
 * @property {(deviceId: string) => void} camera
 * @property {() => void} learn
 * @property {() => void} forget
 * @property {() => void} record
 * @property {() => void} avatar
 * @property {() => void} head
 * @property {() => void} copy
 * @property {() => void} full
 */

export class Controls {
  #modes;
  #layouts;
  #cameras = /** @type {HTMLSelectElement} */ (byId("cameras"));
  #session = ["learn", "forget", "record", "copy"].map((id) => /** @type {HTMLButtonElement} */ (byId(id)));
  #head = /** @type {HTMLButtonElement} */ (byId("head"));
  #running = false;
  #asking = false;

  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.#modes = new Choices(byId("overlay-modes"), wishes.overlay);
    this.#layouts = new Choices(byId("layouts"), wishes.layout);
    this.#layouts.offer(LAYOUTS);
    this.#cameras.addEventListener("change", () => wishes.camera(this.#cameras.value));
    for (const id of /** @type {const} */ (["mirror", "avatar", "head", "learn", "forget", "record", "copy", "full"])) byId(id).addEventListener("click", wishes[id]);
    if (!document.fullscreenEnabled) byId("full").hidden = true;
    const keys = /** @type {Record<string, () => void>} */ ({
      o: () => this.#modes.next(),
      v: () => this.#layouts.next(),
      ...Object.fromEntries(["mirror", "avatar", "head", "learn", "record", "copy", "full"].map((id) => [id[0], () => byId(id).click()])),
    });
    addEventListener("keydown", (event) => {
      const deaf = isKiosk || /** @type {HTMLElement} */ (event.target).closest?.("input, select");
      if (!deaf && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) keys[event.key.toLowerCase()]?.();
    });
  }

  /** @param {string[]} modes */
  offerModes(modes) {
    this.#modes.offer(modes.map((value) => ({ value, label: value[0].toUpperCase() + value.slice(1).replaceAll("_", " ") })));
  }

  /** @param {string} mode */
  showMode(mode) {
    this.#modes.show(mode);
  }

  /** @param {string} layout @param {boolean} mirrored */
  showLayout(layout, mirrored) {
    this.#layouts.show(layout);
    byId("mirror").setAttribute("aria-pressed", String(mirrored));
  }

  /** @param {boolean} shown */
  showAvatar(shown) {
    byId("avatar").setAttribute("aria-pressed", String(shown));
  }

  /** A choice of cameras, where there is one. @param {MediaDeviceInfo[]} devices @param {string | undefined} chosen */
  offerCameras(devices, chosen) {
    this.#cameras.hidden = devices.length < 2;
    this.#cameras.replaceChildren(...devices.map(({ deviceId, label }, at) => new Option(label || `Camera ${at + 1}`, deviceId, false, deviceId === chosen)));
  }

  /** Only where there is something to forget. @param {boolean} kept */
  offerForgetting(kept) {
    byId("forget").hidden = !kept;
  }

  /** What needs a session, and what a learned head; a recording can be ended without. @param {boolean} running @param {boolean} learned */
  enable(running, learned) {
    this.#running = running;
    this.#head.disabled = !running || !learned;
    this.#enableSession();
  }

  #enableSession() {
    for (const button of this.#session) {
      const ending = button.getAttribute("aria-pressed") === "true";
      button.disabled = !(this.#running || ending) || (this.#asking && button.id === "record");
    }
  }

  /** What is to become of a finished recording. @param {string} words @returns {Promise<"jsonl" | "npz" | "drop">} */
  askForTake(words) {
    const dialog = byId("take");
    /** @type {HTMLElement} */ (dialog.querySelector("p")).textContent = words;
    dialog.hidden = false;
    this.#asking = true; // a second recording would take the place of the first
    this.#enableSession();
    byId("take-jsonl").focus();
    return new Promise((resolve) => {
      const answer = (/** @type {"jsonl" | "npz" | "drop"} */ choice) => {
        dialog.hidden = true;
        dialog.onkeydown = null;
        this.#asking = false;
        this.#enableSession();
        byId("record").focus();
        resolve(choice);
      };
      for (const choice of /** @type {const} */ (["jsonl", "npz", "drop"])) byId(`take-${choice}`).onclick = () => answer(choice);
      dialog.onkeydown = ({ key }) => key === "Escape" && answer("drop");
    });
  }

  /** @param {boolean} running */
  showRecording(running) {
    const button = byId("record");
    button.setAttribute("aria-pressed", String(running));
    /** @type {Element} */ (button.querySelector("use")).setAttribute("href", running ? "#i-stop" : "#i-record");
    /** @type {Element} */ (button.querySelector("span")).textContent = running ? "Stop" : "Record";
    this.#enableSession();
  }
}

/** @type {number | undefined} */ let toastTimer;

/** A short word that goes by itself. @param {string} words */
export function toast(words) {
  const element = byId("toast");
  element.textContent = words;
  element.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (element.hidden = true), TOAST_MS);
}
