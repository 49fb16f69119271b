// The three dials: a mask that turns as the head does, the gaze of both eyes, the jaw.

import { gazeAngles, headAngles, jawAngles, viewerFromHead } from "./angles.js";
import { maskLines } from "./mask.js";

/** @typedef {import("./protocol").Params} Params */
/** @typedef {CanvasRenderingContext2D} Pen */

const STILL = { open: 0, left: 0 };
const AHEAD = { left: 0, up: 0 };
const FRONT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
const MOST_OPEN = 30; // degrees, where the jaw's dial ends
const MOST_SIDEWAYS = 8;
const WORDS_EVERY = 5; // frames: text that changes faster cannot be read

/** A canvas as sharp as the screen, cleared and with its origin in the middle at each frame. */
class Canvas {
  #element;
  #pen;

  /** @param {string} id @param {() => void} onResize a new size is a blank one */
  constructor(id, onResize) {
    this.#element = /** @type {HTMLCanvasElement} */ (document.getElementById(id));
    this.#pen = /** @type {Pen} */ (this.#element.getContext("2d"));
    this.#fit();
    const refit = () => {
      this.#fit();
      onResize();
    };
    new ResizeObserver(refit).observe(this.#element);
  }

  #fit() {
    const scale = Math.min(2, devicePixelRatio);
    this.width = this.#element.clientWidth;
    this.height = this.#element.clientHeight;
    this.#element.width = Math.round(this.width * scale);
    this.#element.height = Math.round(this.height * scale);
  }

  /** @param {(pen: Pen, width: number, height: number) => void} draw */
  paint(draw) {
    const { width = 0, height = 0 } = this;
    if (!width) return;
    const pen = this.#pen;
    const scale = this.#element.width / width;
    pen.setTransform(scale, 0, 0, scale, this.#element.width / 2, this.#element.height / 2);
    pen.clearRect(-width / 2, -height / 2, width, height);
    pen.lineCap = pen.lineJoin = "round";
    draw(pen, width, height);
  }
}

export class Dials {
  mirrored = true;
  /** @type {Params | null} */ #last = null;
  #head = new Canvas("dial-head", () => this.draw(this.#last));
  #gaze = new Canvas("dial-gaze", () => this.draw(this.#last));
  #jaw = new Canvas("dial-jaw", () => this.draw(this.#last));
  #text = Object.fromEntries(
    ["head-turn", "head-nod", "head-tilt", "head-away", "gaze-text", "jaw-text"].map((id) => [id, /** @type {HTMLElement} */ (document.getElementById(id))]),
  );
  #frames = 0;
  /** @type {Map<string, number>} */ #index = new Map();
  #ink = ink();

  constructor() {
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => (this.#ink = ink()));
  }

  /** @param {string[]} names of the blend shapes */
  build(names) {
    this.#index = new Map(names.map((name, at) => [name, at]));
    this.draw(null);
  }

  /** @param {Params | null} params */
  draw(params) {
    this.#last = params;
    const face = params?.camera ? params : null;
    const gaze = face?.eyes ? face.eyes.map(gazeAngles) : [AHEAD, AHEAD];
    const jaw = face?.jaw ? jawAngles(face.jaw) : STILL;
    const weight = (/** @type {string} */ name) => face?.blendshapes?.[this.#index.get(name) ?? -1] ?? 0;
    this.#drawHead(face, maskLines(weight, jaw, gaze));
    this.#drawGaze(gaze, [weight("eyeBlinkLeft"), weight("eyeBlinkRight")], face !== null);
    this.#drawJaw(jaw, face !== null);
    if (this.#frames++ % WORDS_EVERY === 0 || !face) this.#say(face, gaze, jaw);
  }

  /** @param {Params | null} face @param {import("./mask.js").Line[]} lines */
  #drawHead(face, lines) {
    const rows = face?.camera ? viewerFromHead(face.camera.rotation) : FRONT;
    const flip = this.mirrored ? -1 : 1;
    this.#head.paint((pen, width, height) => {
      const size = 0.44 * Math.min(height, width * 1.4);
      const place = (/** @type {number[]} */ [x, y, z]) => /** @type {const} */ ([
        flip * size * (rows[0][0] * x + rows[0][1] * y + rows[0][2] * z),
        -size * (rows[1][0] * x + rows[1][1] * y + rows[1][2] * z),
      ]);
      for (const line of lines) {
        trace(pen, line.points.map(place), line.closed);
        pen.globalAlpha = (face ? 1 : 0.35) * (line.soft ? 0.3 : 1);
        pen.strokeStyle = pen.fillStyle = this.#ink.accent;
        pen.lineWidth = 1.7;
        if (line.fill) {
          pen.globalAlpha *= 0.55;
          pen.fill();
          pen.globalAlpha /= 0.55;
        }
        pen.stroke();
      }
    });
  }

  /** @param {{left: number, up: number}[]} gaze @param {number[]} blink @param {boolean} live */
  #drawGaze(gaze, blink, live) {
    this.#gaze.paint((pen, width, height) => {
      const radius = Math.min(width / 4.6, height / 2.1);
      pen.globalAlpha = live ? 1 : 0.35;
      [0, 1].forEach((at) => {
        // The person's left eye: on the left in a mirror, on the right as others see it.
        const side = (at === 0) === this.mirrored ? -1 : 1;
        const middle = side * (radius + 5);
        circle(pen, middle, 0, radius, this.#ink.line, 1.5);
        const reach = radius / 42;
        const x = middle + (this.mirrored ? -1 : 1) * reach * gaze[at].left;
        const y = -reach * gaze[at].up;
        pen.save();
        eyeWindow(pen, middle, radius, Math.max(0.06, 1 - blink[at]));
        pen.strokeStyle = this.#ink.soft;
        pen.lineWidth = 1.2;
        pen.stroke();
        pen.clip();
        pen.fillStyle = this.#ink.accent;
        pen.beginPath();
        pen.arc(x, y, radius * 0.42, 0, 7);
        pen.fill();
        pen.fillStyle = this.#ink.panel;
        pen.beginPath();
        pen.arc(x, y, radius * 0.17, 0, 7);
        pen.fill();
        pen.restore();
      });
    });
  }

  /** The jaw from the side, about its hinge; below, its way to the left and right. @param {{open: number, left: number}} jaw @param {boolean} live */
  #drawJaw(jaw, live) {
    const flip = this.mirrored ? -1 : 1;
    this.#jaw.paint((pen, width, height) => {
      pen.globalAlpha = live ? 1 : 0.35;
      const radius = Math.min(width * 0.52, height * 1.5);
      const open = (Math.max(0, Math.min(MOST_OPEN, jaw.open)) * Math.PI) / 180;
      const most = (MOST_OPEN * Math.PI) / 180;
      pen.save();
      pen.translate(-radius * 0.62, -height * 0.36);
      pen.fillStyle = this.#ink.line;
      wedge(pen, radius, most);
      pen.fillStyle = pen.strokeStyle = this.#ink.accent;
      wedge(pen, radius, open);
      pen.lineWidth = 2.2;
      ray(pen, radius, 0);
      ray(pen, radius, open);
      pen.restore();
      const low = height * 0.42;
      pen.fillStyle = this.#ink.line;
      pen.fillRect(-width * 0.32, low - 1.5, width * 0.64, 3);
      pen.fillStyle = this.#ink.accent;
      pen.beginPath();
      pen.arc(Math.max(-1, Math.min(1, (flip * jaw.left) / MOST_SIDEWAYS)) * width * 0.32, low, 4, 0, 7);
      pen.fill();
    });
  }

  /** @param {Params | null} face @param {{left: number, up: number}[]} gaze @param {{open: number, left: number}} jaw */
  #say(face, gaze, jaw) {
    const say = (/** @type {string} */ id, /** @type {string} */ words) => (this.#text[id].textContent = face ? words : "–");
    const head = face?.camera ? headAngles(face.camera) : { left: 0, up: 0, tilt: 0, distance: 0 };
    const [left, up] = [(gaze[0].left + gaze[1].left) / 2, (gaze[0].up + gaze[1].up) / 2];
    say("head-turn", sided(head.left, "left", "right"));
    say("head-nod", sided(head.up, "up", "down"));
    say("head-tilt", sided(head.tilt, "left", "right"));
    say("head-away", `${Math.round(100 * head.distance)} cm`);
    say("gaze-text", `${sided(left, "left", "right")} · ${sided(up, "up", "down")}`);
    say("jaw-text", `${Math.max(0, jaw.open).toFixed(0)}° open`);
  }
}

function ink() {
  const style = getComputedStyle(document.documentElement);
  const [accent, soft, line, panel] = ["--accent", "--soft", "--track", "--panel"].map((name) => style.getPropertyValue(name).trim());
  return { accent, soft, line, panel };
}

/** @param {number} degrees @param {string} positive @param {string} negative */
function sided(degrees, positive, negative) {
  const whole = Math.round(Math.abs(degrees));
  return whole === 0 ? "0°" : `${whole}° ${degrees > 0 ? positive : negative}`;
}

/** @param {Pen} pen @param {readonly (readonly [number, number])[]} points @param {boolean} [closed] */
function trace(pen, points, closed) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  if (closed) pen.closePath();
}

/** @param {Pen} pen @param {number} x @param {number} y @param {number} radius @param {string} colour @param {number} width */
function circle(pen, x, y, radius, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.stroke();
}

/** What the lids leave open. @param {Pen} pen @param {number} middle @param {number} radius @param {number} open 0 to 1 */
function eyeWindow(pen, middle, radius, open) {
  pen.beginPath();
  pen.moveTo(middle - radius, 0);
  pen.quadraticCurveTo(middle, -1.5 * radius * open, middle + radius, 0);
  pen.quadraticCurveTo(middle, 1.5 * radius * open, middle - radius, 0);
  pen.closePath();
}

/** @param {Pen} pen @param {number} radius @param {number} angle */
function wedge(pen, radius, angle) {
  pen.globalAlpha *= 0.8;
  pen.beginPath();
  pen.moveTo(0, 0);
  pen.arc(0, 0, radius, 0, angle);
  pen.closePath();
  pen.fill();
  pen.globalAlpha /= 0.8;
}

/** @param {Pen} pen @param {number} radius @param {number} angle */
function ray(pen, radius, angle) {
  pen.beginPath();
  pen.moveTo(0, 0);
  pen.lineTo(radius * Math.cos(angle), radius * Math.sin(angle));
  pen.stroke();
}
