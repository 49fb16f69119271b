// True latency: from the camera's capture of a frame to its parameters, or to its overlay on the screen.
//
// Three clocks meet. The local preview tells when frames were captured, but not which; the encoder tells each frame's
// RTP time, but not when it was captured; parameters and returned frames carry RTP times. RTP times run with the
// capture clock, so one constant joins them: the median of (RTP time - last capture before the frame left the encoder).

const KEPT = 64;
const NEEDED = 12;
const WRAP = 2 ** 32;

export class Latency {
  /** @type {number[]} */ #captures = [];
  /** @type {number[]} */ #gaps = [];
  /** @type {Map<number, number>} */ #sent = new Map();
  /** @type {number | null} */ #reference = null;
  /** @type {number | null} */ #gap = null;

  /** A new connection counts from another origin. */
  restart() {
    this.#captures = [];
    this.#gaps = [];
    this.#sent.clear();
    this.#reference = this.#gap = null;
  }

  /** A frame of the local preview. @param {number} epochMs */
  captured(epochMs) {
    this.#captures.push(epochMs);
    if (this.#captures.length > KEPT) this.#captures.shift();
  }

  /** A frame that left the encoder. @param {number} rtpTimestamp @param {number} epochMs */
  sent(rtpTimestamp, epochMs) {
    this.#reference ??= rtpTimestamp;
    this.#pair();
    this.#sent.set(rtpTimestamp, epochMs);
    const [oldest] = this.#sent.keys();
    if (this.#sent.size > KEPT) this.#sent.delete(oldest);
  }

  /** Milliseconds from capture to then; null while unknown. @param {number} rtpTimestamp @param {number} epochMs */
  until(rtpTimestamp, epochMs) {
    if (this.#gap === null) return null;
    const ms = epochMs - (this.#milliseconds(rtpTimestamp) - this.#gap);
    return ms >= 0 && ms < 5000 ? ms : null;
  }

  /** The frame sent last but some: its capture has been seen in the preview by now. */
  #pair() {
    const entry = [...this.#sent].at(-4);
    if (!entry) return;
    const [rtpTimestamp, left] = entry;
    const capture = this.#captures.findLast((time) => time < left);
    if (capture === undefined || left - capture > 100) return;
    this.#gaps.push(this.#milliseconds(rtpTimestamp) - capture);
    if (this.#gaps.length > KEPT) this.#gaps.shift();
    if (this.#gaps.length >= NEEDED) this.#gap = median(this.#gaps);
  }

  /** Since the connection's first frame; wraps with the 32 bits. @param {number} rtpTimestamp */
  #milliseconds(rtpTimestamp) {
    const ticks = (rtpTimestamp - (this.#reference ?? 0) + WRAP) % WRAP;
    return (ticks >= WRAP / 2 ? ticks - WRAP : ticks) / 90;
  }
}

/** The median of the values of the last seconds, and how many came a second. */
export class Recent {
  /** @type {{at: number, value: number}[]} */ #entries = [];

  /** @param {number} spanMs */
  constructor(spanMs = 2000) {
    this.spanMs = spanMs;
  }

  /** @param {number} value */
  add(value) {
    this.#entries.push({ at: performance.now(), value });
    this.#forget();
  }

  /** @returns {number | null} */
  median() {
    this.#forget();
    return this.#entries.length ? median(this.#entries.map(({ value }) => value)) : null;
  }

  perSecond() {
    this.#forget();
    return (1000 * this.#entries.length) / this.spanMs;
  }

  #forget() {
    const oldest = performance.now() - this.spanMs;
    while (this.#entries.length && this.#entries[0].at < oldest) this.#entries.shift();
  }
}

/** @param {number[]} values @returns {number} */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
