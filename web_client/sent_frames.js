// Tells when each frame left the encoder, by its RTP time, where the browser lets a worker look (RTCRtpScriptTransform).

const WAIT_MS = 1500; // it takes 50 on a machine with nothing else to do

/** @type {Promise<Worker> | undefined} */ let starting;
/** @type {(rtpTimestamp: number, epochMs: number) => void} */ let listener = () => {};

/** Start the worker early: an offer waits for it only briefly. */
export function prepareSentFrames() {
  if ("RTCRtpScriptTransform" in globalThis) starting ??= startWorker();
}

/**
 * Watch what a sender will send; to be called before the offer is made. A worker that does not run would swallow the
 * video, so one that is not there in time is done without.
 * @param {RTCRtpSender} sender
 * @param {(rtpTimestamp: number, epochMs: number) => void} onSentFrame
 */
export async function watchSentFrames(sender, onSentFrame) {
  prepareSentFrames();
  if (!starting) return;
  const late = new Promise((/** @type {(late: null) => void} */ resolve) => setTimeout(() => resolve(null), WAIT_MS));
  const worker = await Promise.race([starting, late]);
  if (!worker) return;
  listener = onSentFrame;
  sender.transform = new RTCRtpScriptTransform(worker);
}

/** @returns {Promise<Worker>} which never comes, if the worker does not */
function startWorker() {
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./sent_frames_worker.js", import.meta.url), { type: "module" });
    worker.onmessage = () => {
      worker.onmessage = (event) => listener(event.data[0], event.data[1]);
      resolve(worker);
    };
  });
}
