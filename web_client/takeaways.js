// What a person takes along: a recording, the learned head, the address at which others can watch.

import { toast } from "./controls.js";
import { Recorder, saveFile, saveTake } from "./record.js";

export class Takeaways {
  recorder = new Recorder();
  #session;
  #controls;
  #savingHead = false;

  /** @param {() => import("./mien.js").Mien | null} session @param {() => import("./controls.js").Controls} controls */
  constructor(session, controls) {
    this.#session = session;
    this.#controls = controls;
    this.recorder.onFull = () => void this.#stopRecording();
  }

  /** Begin a recording, or end it and ask what is to become of it. */
  record() {
    if (this.recorder.running) {
      void this.#stopRecording();
    } else {
      this.recorder.start();
      this.#controls().showRecording(true);
    }
  }

  async #stopRecording() {
    const { frames, seconds } = this.recorder.progress;
    const lines = this.recorder.stop();
    this.#controls().showRecording(false);
    if (!frames) {
      toast("Nothing was recorded: no parameters came.");
      return;
    }
    const form = await this.#controls().askForTake(`${clock(seconds)}, ${frames} frames. Save as`);
    if (form === "drop") return;
    try {
      toast(`Saved ${frames} frames as ${saveTake(lines, form)}`);
    } catch (error) {
      toast(`The recording could not be saved. ${wordsOf(error)}`);
    }
  }

  async saveHead() {
    const session = this.#session();
    if (!session || this.#savingHead) return;
    this.#savingHead = true;
    try {
      saveFile("mien-head.glb", await session.headGlb(), "model/gltf-binary");
      toast("Saved your head as mien-head.glb");
    } catch (error) {
      toast(wordsOf(error));
    }
    this.#savingHead = false;
  }

  /** @param {string} note what to know of the address */
  async copyAddress(note) {
    const address = await this.#session()?.watchAddress().catch((error) => toast(wordsOf(error)));
    if (!address) return;
    try {
      await navigator.clipboard.writeText(address);
      toast(`Watch address copied. ${note}`);
    } catch {
      toast(address); // no clipboard here: at least it can be read
    }
  }
}

/** @param {number} seconds */
export function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

/** @param {unknown} error */
function wordsOf(error) {
  return error instanceof Error ? error.message : String(error);
}
