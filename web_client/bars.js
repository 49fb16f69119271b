// The 52 bars by region, a pair's two sides beside its name, and above them the liveliest ones.

const REGIONS = ["Brows", "Eyes", "Cheeks", "Nose", "Mouth", "Jaw", "Tongue"];
const LIVELIEST = 5;
const RANK_EVERY_MS = 700;
const STAYS = 1.35; // who is shown stays until another is so much livelier

/**
 * @typedef {object} Shape one bar, or a pair of them
 * @property {string} region
 * @property {string} label
 * @property {string} title
 * @property {number[]} at index of the person's left side and of the right one, or of the only one
 */

/** @param {string[]} names ARKit's, in the order of `params.blendshapes` @returns {Shape[]} */
export function pairedShapes(names) {
  /** @type {Map<string, Shape>} */ const shapes = new Map();
  names.forEach((name, index) => {
    const base = name.replace(/(Left|Right)$/, "");
    const [, part, rest] = /** @type {RegExpMatchArray} */ (base.match(/^([a-z]+)(.*)$/));
    const region = { brow: "Brows", eye: "Eyes", cheek: "Cheeks", nose: "Nose", jaw: "Jaw", tongue: "Tongue" }[part] ?? "Mouth";
    const words = rest.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase() || "sideways";
    const known = shapes.get(base);
    if (known) known.at.push(index);
    else shapes.set(base, { region, label: words, title: base, at: [index] });
  });
  return [...shapes.values()];
}

/** One row on the page: a shape's two bars (a single shape grows to both sides alike). */
class Row {
  element = document.createElement("div");
  #name = document.createElement("b");
  #bars = [document.createElement("i"), document.createElement("i")];
  #numbers = [document.createElement("u"), document.createElement("u")];
  #shown = [-1, -1];

  constructor() {
    this.element.className = "bar";
    this.element.setAttribute("role", "meter");
    this.element.setAttribute("aria-valuemin", "0");
    this.element.setAttribute("aria-valuemax", "100");
    this.element.append(this.#numbers[0], this.#bars[0], this.#name, this.#bars[1], this.#numbers[1]);
  }

  /** @param {Shape} shape @param {boolean} withRegion */
  name(shape, withRegion) {
    const singular = shape.region.replace(/s$/, "").toLowerCase();
    const full = `${singular} ${shape.label}`;
    this.#name.textContent = withRegion ? full : shape.label;
    this.element.title = shape.at.length > 1 ? `${shape.title}Left, ${shape.title}Right` : shape.title;
    this.element.setAttribute("aria-label", full);
  }

  /** @param {number[]} weights of the left bar and the right one @param {boolean} withNumbers */
  draw(weights, withNumbers) {
    weights.forEach((weight, side) => {
      if (Math.abs(weight - this.#shown[side]) > 0.004) {
        this.#shown[side] = weight;
        this.#bars[side].style.setProperty("--weight", Math.max(0, Math.min(1, weight)).toFixed(3));
      }
      if (!withNumbers) return;
      this.#numbers[side].textContent = String(Math.round(100 * weight));
      this.#numbers[side].toggleAttribute("data-on", weight >= 0.015);
    });
    if (withNumbers) this.element.setAttribute("aria-valuenow", String(Math.round(50 * (weights[0] + weights[1]))));
  }
}

export class Bars {
  mirrored = true;
  #root;
  /** @type {Shape[]} */ #shapes = [];
  /** @type {Row[]} */ #rows = [];
  #top = Array.from({ length: LIVELIEST }, () => new Row());
  /** @type {Shape[]} */ #topShapes = [];
  /** @type {Float32Array} */ #slow = new Float32Array(0);
  /** @type {Float32Array} */ #lively = new Float32Array(0);
  #rankedAt = 0;
  #frames = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /** @param {string[]} names */
  build(names) {
    this.#shapes = pairedShapes(names);
    this.#rows = this.#shapes.map((shape) => {
      const row = new Row();
      row.name(shape, false);
      return row;
    });
    this.#slow = new Float32Array(names.length);
    this.#lively = new Float32Array(names.length);
    this.#topShapes = [];
    const regions = REGIONS.map((region) => section(region, this.#rows.filter((_, at) => this.#shapes[at].region === region)));
    this.#root.replaceChildren(section("Liveliest", this.#top), ...regions);
    this.#rank();
  }

  /** @param {number[] | null} weights null: no face */
  draw(weights) {
    const values = weights ?? new Array(this.#slow.length).fill(0);
    this.#feel(values);
    if (performance.now() - this.#rankedAt > RANK_EVERY_MS) {
      this.#rank();
      this.#frames = 0; // no row may keep another's numbers
    }
    const withNumbers = this.#frames++ % 4 === 0;
    this.#rows.forEach((row, at) => row.draw(this.#sides(this.#shapes[at], values), withNumbers));
    this.#top.forEach((row, at) => row.draw(this.#sides(this.#topShapes[at], values), withNumbers));
  }

  /** On the side where the picture shows it: mirrored, the person's left is on the left. @param {Shape} shape @param {number[]} values */
  #sides({ at }, values) {
    const [left, right = left] = at;
    return this.mirrored ? [values[left], values[right]] : [values[right], values[left]];
  }

  /** How much each weight moves about its own slow mean. @param {number[]} values */
  #feel(values) {
    values.forEach((value, at) => {
      this.#slow[at] += 0.015 * (value - this.#slow[at]);
      this.#lively[at] += 0.04 * (Math.abs(value - this.#slow[at]) - this.#lively[at]);
    });
  }

  #rank() {
    this.#rankedAt = performance.now();
    const before = new Set(this.#topShapes);
    const liveliness = (/** @type {Shape} */ shape) => Math.max(...shape.at.map((at) => this.#lively[at])) * (before.has(shape) ? STAYS : 1);
    const best = this.#shapes.toSorted((a, b) => liveliness(b) - liveliness(a)).slice(0, LIVELIEST);
    const stay = this.#topShapes.map((shape) => (best.includes(shape) ? shape : null)); // each in its own row
    const fresh = best.filter((shape) => !before.has(shape));
    this.#topShapes = Array.from({ length: LIVELIEST }, (_, at) => stay[at] ?? /** @type {Shape} */ (fresh.shift()));
    this.#top.forEach((row, at) => {
      if (this.#topShapes[at] !== stay[at]) row.name(this.#topShapes[at], true);
    });
  }
}

/** @param {string} title @param {Row[]} rows */
function section(title, rows) {
  const element = document.createElement("section");
  const heading = document.createElement("h2");
  heading.textContent = title;
  element.append(heading, ...rows.map((row) => row.element));
  return element;
}
