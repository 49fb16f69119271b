// Records what the server says, and hands it over as a file: line by line as it came, or as arrays for NumPy. Both are
// what `mien watch -o` writes.

import { trackArrays } from "./track.js";
import { npz } from "./npz.js";

const LONGEST_MS = 30 * 60_000; // about 80 MB
const KINDS = new Set(["welcome", "state", "identity", "params"]);

export class Recorder {
  /** @type {string[] | null} */ #lines = null;
  /** @type {Map<string, string>} */ #latest = new Map();
  #startedAt = 0;
  #frames = 0;
  /** @type {() => void} */ onFull = () => {};

  get running() {
    return this.#lines !== null;
  }

  /** Seconds since the start, and parameters since then. */
  get progress() {
    return { seconds: (performance.now() - this.#startedAt) / 1000, frames: this.#frames };
  }

  /** @param {import("./protocol").ServerMessage} message @param {string} text */
  heard(message, text) {
    if (!KINDS.has(message.type)) return;
    if (message.type !== "params") this.#latest.set(message.type, text); // a recording begins with these
    if (!this.#lines) return;
    this.#lines.push(text);
    this.#frames += Number(message.type === "params");
    if (performance.now() - this.#startedAt > LONGEST_MS) this.onFull();
  }

  /** Recordings to come begin without what was learned of who was here. */
  forget() {
    this.#latest.delete("identity");
  }

  start() {
    this.#lines = [...this.#latest.values()];
    this.#startedAt = performance.now();
    this.#frames = 0;
  }

  /** Ends the recording. @returns {string[]} its lines */
  stop() {
    const lines = (this.#lines ?? []).map(withoutSecrets);
    this.#lines = null;
    return lines;
  }
}

/** Among the downloads. @param {string[]} lines @param {"jsonl" | "npz"} form @returns {string} its name */
export function saveTake(lines, form) {
  const name = `mien-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${form}`;
  if (form === "npz") saveFile(name, npz(trackArrays(lines.map((line) => JSON.parse(line)))), "application/zip");
  else saveFile(name, `${lines.join("\n")}\n`, "application/x-ndjson");
  return name;
}

/** @param {string} name @param {BlobPart} content @param {string} type */
export function saveFile(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A recording is for passing on; `welcome` holds what only this browser may know. @param {string} line */
function withoutSecrets(line) {
  if (!line.includes('"welcome"')) return line;
  const message = JSON.parse(line);
  return message.type === "welcome" ? JSON.stringify({ ...message, resume: null, keep: null, ice_servers: [] }) : line;
}
