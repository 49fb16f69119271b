// The pane with the 3D head: brings three.js and the learned head when they are wanted, and the head again when it has
// become better. Whatever goes wrong is said in the pane; the rest of the page does not depend on it.

/** @typedef {import("./protocol").Params} Params */
/** @typedef {import("./avatar.js").Avatar} Avatar */

const AGAIN_AFTER_MS = 12_000; // a head still becoming better is not fetched each time
const WORDS = {
  absent: "The 3D head needs three.js, which this server does not have. `make web` fetches it.",
  waiting: "Your head stands here as soon as it has been learned.",
  failed: "The 3D head could not be shown: ",
};

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether the machine has something to draw WebGL with; the processor would do it in the time that tracking needs. */
export function drawsFast() {
  const context = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!context) return false;
  const facts = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(context.getParameter(facts ? facts.UNMASKED_RENDERER_WEBGL : context.RENDERER));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(renderer);
}

export class AvatarPane {
  #pane = /** @type {HTMLElement} */ (document.getElementById("avatar-pane"));
  #words = /** @type {HTMLElement} */ (this.#pane.querySelector("p"));
  #canvas = /** @type {HTMLCanvasElement} */ (this.#pane.querySelector("canvas"));
  #fetchHead;
  #onFirst;
  /** @type {Avatar | null} */ #avatar = null;
  #wanted = false;
  #mirrored = true;
  /** @type {string[]} */ #names = [];
  /** @type {string} */ #newest = ""; // which head there is to show, and which is shown
  #shown = "";
  #fetching = false;
  #fetchedAt = -Infinity;

  /** @param {() => Promise<ArrayBuffer>} fetchHead as GLB @param {() => void} onFirst a person's first head is shown */
  constructor(fetchHead, onFirst) {
    this.#fetchHead = fetchHead;
    this.#onFirst = onFirst;
  }

  /** @param {boolean} mirrored */
  set mirrored(mirrored) {
    this.#mirrored = mirrored;
    if (this.#avatar) this.#avatar.mirrored = mirrored;
  }

  /** @param {string[]} names of the stream's weights */
  set names(names) {
    this.#names = names;
    if (this.#avatar) this.#avatar.names = names;
  }

  /** @param {boolean} wanted @returns {Promise<boolean>} whether it can be had */
  async want(wanted) {
    this.#wanted = wanted;
    this.#pane.hidden = !wanted;
    if (!wanted || this.#avatar) return true;
    this.#say(WORDS.waiting);
    const module = await import("./avatar.js").catch(() => null);
    if (!module) {
      this.#say(WORDS.absent);
      return false;
    }
    try {
      this.#avatar ??= new module.Avatar(this.#canvas);
    } catch (error) {
      this.#say(WORDS.failed + (error instanceof Error ? error.message : String(error)));
      return false;
    }
    this.#avatar.names = this.#names;
    this.#avatar.mirrored = this.#mirrored;
    this.look();
    return true;
  }

  /** There is a head to show. @param {string} which changes when it has become better, or is another one */
  learned(which) {
    this.#newest = which;
    this.look();
  }

  /** Who is here has been forgotten. */
  forget() {
    this.#newest = this.#shown = "";
    this.#fetchedAt = -Infinity;
    this.#avatar?.clear();
    this.#pane.removeAttribute("data-shown");
    this.#say(WORDS.waiting);
  }

  /** To be called now and then: fetches what is due. */
  async look() {
    const due = this.#newest !== this.#shown && performance.now() - this.#fetchedAt > AGAIN_AFTER_MS;
    if (!this.#wanted || !this.#avatar || !due || this.#fetching) return;
    this.#fetching = true;
    this.#fetchedAt = performance.now();
    const which = this.#newest;
    const gone = () => which.split(" ")[0] !== this.#newest.split(" ")[0]; // whose head it is, in the meantime
    try {
      const glb = await this.#fetchHead();
      if (gone()) return;
      await this.#avatar.load(glb);
      if (gone()) return this.#avatar.clear();
      if (!this.#shown) this.#onFirst();
      this.#shown = which;
      this.#pane.toggleAttribute("data-shown", this.#avatar.loaded);
      this.#say("");
    } catch (error) {
      if (!gone() && !this.#avatar.loaded) this.#say(WORDS.failed + (error instanceof Error ? error.message : String(error)));
    } finally {
      this.#fetching = false;
    }
  }

  /** @param {Params | null} params */
  draw(params) {
    if (this.#wanted) this.#avatar?.draw(params);
  }

  /** @param {string} words */
  #say(words) {
    this.#words.textContent = words;
    this.#words.hidden = !words;
  }
}
