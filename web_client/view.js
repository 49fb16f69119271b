// The stage: the camera's own picture, the returned one over it or beside it, and when each frame was seen.

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const STALE_MS = 1500;
const FILLED = 1.25; // a stage whose shape is so near the picture's is filled by it, edges cut

export class View {
  #stage = element("stage");
  #pane = element("overlay-pane");
  #camera = /** @type {HTMLVideoElement} */ (element("camera"));
  #overlay = /** @type {HTMLVideoElement} */ (element("overlay"));
  #wanted = false;
  #lastReturned = 0;
  /**
   * @param {(epochMs: number | null) => void} onCaptured a frame of the camera was captured then; null: nobody knows when
   * @param {(rtpTimestamp: number, epochMs: number) => void} onReturned a returned frame was put on the screen then
   */
  constructor(onCaptured, onReturned) {
    this.#camera.addEventListener("resize", () => this.#shape());
    new ResizeObserver(() => this.#shape()).observe(this.#pane);
    this.#overlay.addEventListener("playing", () => this.#show());
    this.#follow(this.#camera, (_, { captureTime }) => onCaptured(captureTime ? epoch(captureTime) : null));
    this.#follow(this.#overlay, (now, { rtpTimestamp }) => {
      this.#show();
      if (rtpTimestamp !== undefined) onReturned(rtpTimestamp, epoch(now));
    });
  }

  /** @param {MediaStream} stream */
  showCamera(stream) {
    this.#camera.srcObject = stream;
  }

  /** @param {MediaStream} stream */
  showOverlay(stream) {
    this.#overlay.srcObject = stream;
  }

  /** Whether the server sends a picture back; without, only the camera's own is shown. @param {boolean} wanted */
  wantOverlay(wanted) {
    this.#wanted = wanted;
    if (!wanted) this.#pane.removeAttribute("data-shown");
  }

  /** @param {boolean} mirrored */
  mirror(mirrored) {
    this.#stage.toggleAttribute("data-mirror", mirrored);
  }

  /** @param {string} layout over or side */
  layOut(layout) {
    this.#stage.dataset.layout = layout;
  }

  /** A picture that stands still is worse than the camera's own. */
  hideStale() {
    const watching = "requestVideoFrameCallback" in this.#overlay && document.visibilityState === "visible";
    if (watching && performance.now() - this.#lastReturned > STALE_MS) this.#pane.removeAttribute("data-shown");
  }

  #show() {
    this.#lastReturned = performance.now();
    this.#pane.toggleAttribute("data-shown", this.#wanted);
  }

  #shape() {
    const { videoWidth, videoHeight } = this.#camera;
    if (!videoHeight || !this.#pane.clientHeight) return;
    const aspect = videoWidth / videoHeight;
    const misfit = this.#pane.clientWidth / this.#pane.clientHeight / aspect;
    this.#stage.style.setProperty("--aspect", aspect.toFixed(4));
    this.#stage.toggleAttribute("data-fill", Math.max(misfit, 1 / misfit) < FILLED);
  }

  /**
   * @param {HTMLVideoElement} video
   * @param {(now: number, frame: VideoFrameCallbackMetadata) => void} look
   */
  #follow(video, look) {
    if (!("requestVideoFrameCallback" in video)) return;
    const again = (/** @type {number} */ now, /** @type {VideoFrameCallbackMetadata} */ frame) => {
      look(now, frame);
      video.requestVideoFrameCallback(again);
    };
    video.requestVideoFrameCallback(again);
  }
}

/** @param {number} pageMs */
function epoch(pageMs) {
  return performance.timeOrigin + pageMs;
}

export async function toggleFullScreen() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await document.documentElement.requestFullscreen();
}
