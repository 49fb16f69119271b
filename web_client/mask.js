// A mask of a few lines that wears the parameters: the head's turn, lids, gaze, brows, lips and jaw.
// A drawing of the numbers, not of a person. Units: 1 is half the face's height; x to the person's left, y up.

/** @typedef {[number, number, number]} Point */
/** @typedef {(name: string) => number} Weights */
/** @typedef {{points: Point[], closed?: boolean, fill?: boolean, soft?: boolean}} Line */

const WIDTH = 0.74;
const DEPTH = 0.78;
const SIDES = /** @type {const} */ ([["Left", 1], ["Right", -1]]);

/** The front of the face at (x, y). @param {number} x @param {number} y @param {number} [out] @returns {Point} */
function onFace(x, y, out = 0) {
  const around = 1 - (x / WIDTH) ** 2 - y ** 2;
  return [x, y, DEPTH * Math.sqrt(Math.max(0.02, around)) + out];
}

/** @param {number} count @param {(t: number) => Point} at t from 0 to 1 @returns {Point[]} */
function curve(count, at) {
  return Array.from({ length: count }, (_, step) => at(step / (count - 1)));
}

/**
 * @param {Weights} weight
 * @param {{open: number, left: number}} jaw degrees
 * @param {{left: number, up: number}[]} gaze degrees, of the left eye and the right one
 * @returns {Line[]}
 */
export function maskLines(weight, jaw, gaze) {
  const drop = Math.max(0, jaw.open) / 100;
  const slide = jaw.left / 90;
  return [...outline(drop, slide), ...nose(), ...SIDES.flatMap(([side, sign], at) => [...eye(weight, side, sign, gaze[at]), brow(weight, side, sign)]), ...mouth(weight, drop, slide)];
}

/** @param {number} drop @param {number} slide @returns {Line[]} */
function outline(drop, slide) {
  const rim = curve(49, (t) => {
    const angle = 2 * Math.PI * t;
    const [x, y] = [WIDTH * Math.sin(angle), Math.cos(angle)];
    const low = Math.max(0, -y - 0.1);
    const chin = 1 - 0.28 * low * low;
    return [x * chin + slide * low, y - drop * low * 0.9, 0.14];
  });
  const middle = curve(13, (t) => onFace(0, 0.93 - 0.62 * t));
  return [{ points: rim, closed: true }, { points: middle, soft: true }];
}

/** @returns {Line[]} */
function nose() {
  const ridge = /** @type {Point[]} */ ([onFace(0, 0.26), onFace(0, 0.05, 0.06), onFace(0, -0.12, 0.16), onFace(0, -0.18, 0.1)]);
  const wings = curve(9, (t) => onFace(0.26 * (t - 0.5), -0.19 - 0.05 * Math.sin(Math.PI * t), 0.02 + 0.06 * Math.sin(Math.PI * t)));
  return [{ points: ridge }, { points: wings }];
}

/** @param {Weights} weight @param {string} side @param {number} sign @param {{left: number, up: number}} gaze @returns {Line[]} */
function eye(weight, side, sign, gaze) {
  const blink = Math.min(1, weight(`eyeBlink${side}`) * 1.1);
  const wide = weight(`eyeWide${side}`);
  const squint = weight(`eyeSquint${side}`);
  const [middleX, middleY, half] = [0.29 * sign, 0.22, 0.145];
  const upper = (0.082 + 0.05 * wide) * (1 - blink) - 0.03 * blink;
  const lower = -(0.06 - 0.03 * squint) * (1 - 0.4 * blink);
  const lid = (/** @type {number} */ height) => curve(11, (t) => onFace(middleX + half * (2 * t - 1), middleY + height * Math.sin(Math.PI * t)));
  const lines = /** @type {Line[]} */ ([{ points: lid(upper) }, { points: lid(Math.min(lower, upper)) }]);
  if (upper - lower > 0.03) lines.push({ points: iris(middleX, middleY, gaze, upper, lower), closed: true, fill: true });
  return lines;
}

/** @param {number} x @param {number} y @param {{left: number, up: number}} gaze @param {number} upper @param {number} lower */
function iris(x, y, gaze, upper, lower) {
  const middle = [x + gaze.left / 300, y + gaze.up / 300];
  return curve(15, (t) => {
    const angle = 2 * Math.PI * t;
    const height = middle[1] + 0.058 * Math.sin(angle);
    return onFace(middle[0] + 0.058 * Math.cos(angle), Math.max(y + lower, Math.min(y + upper, height)), 0.01);
  });
}

/** @param {Weights} weight @param {string} side @param {number} sign @returns {Line} */
function brow(weight, side, sign) {
  const down = 0.1 * weight(`browDown${side}`);
  const inner = 0.1 * weight("browInnerUp") - down;
  const outer = 0.1 * weight(`browOuterUp${side}`) - 0.5 * down;
  const points = curve(9, (t) => onFace(sign * (0.11 + 0.37 * t), 0.41 + 0.055 * Math.sin(Math.PI * (0.15 + 0.75 * t)) + inner * (1 - t) + outer * t));
  return { points };
}

/** @param {Weights} weight @param {number} drop @param {number} slide @returns {Line[]} */
function mouth(weight, drop, slide) {
  const pucker = Math.max(weight("mouthPucker"), 0.8 * weight("mouthFunnel"));
  const corner = (/** @type {string} */ side, /** @type {number} */ sign) => {
    const smile = weight(`mouthSmile${side}`);
    const reach = 0.25 * (1 - 0.45 * pucker) + 0.07 * smile + 0.05 * weight(`mouthStretch${side}`);
    return { x: sign * reach, y: 0.1 * smile - 0.1 * weight(`mouthFrown${side}`) - 0.35 * drop };
  };
  const [left, right] = [corner("Left", 1), corner("Right", -1)];
  const shift = 0.1 * (weight("mouthLeft") - weight("mouthRight"));
  const raised = 0.04 * (weight("mouthUpperUpLeft") + weight("mouthUpperUpRight"));
  const lowered = 0.035 * (weight("mouthLowerDownLeft") + weight("mouthLowerDownRight"));
  const gap = Math.max(0, drop * 1.5 * (1 - weight("mouthClose")) + lowered);
  const lip = (/** @type {number} */ middle, /** @type {number} */ bow, /** @type {number} */ slid) =>
    curve(17, (t) => {
      const arch = Math.sin(Math.PI * t);
      const x = right.x + (left.x - right.x) * t;
      const y = -0.47 + right.y + (left.y - right.y) * t + middle * arch ** 0.8 + bow * Math.cos(4 * Math.PI * t - 2 * Math.PI) * arch;
      return onFace(x + shift + slid * arch, Math.max(-0.93, y), 0.04 + 0.08 * pucker * arch);
    });
  const thick = 0.055 * (1 - 0.5 * Math.max(weight("mouthPressLeft"), weight("mouthRollUpper")));
  return [
    { points: lip(raised + thick, 0.012, 0) },
    { points: [...lip(raised, 0, 0), ...lip(-gap, 0, slide).reverse()], closed: true, fill: gap + raised > 0.02 },
    { points: lip(-gap - thick * 1.2, 0, slide) },
  ];
}
