// One WebRTC connection: the camera's track out, the overlay's track in. A change of network gets a new one.

import { watchSentFrames } from "./sent_frames.js";

const MEDIA_WITHIN_MS = 5000;
const BROKEN_AFTER_MS = 3000; // a connection may come back from "disconnected" by itself

/**
 * @typedef {object} PeerListener
 * @property {(stream: MediaStream) => void} onOverlay
 * @property {() => void} onConnected
 * @property {() => void} onBlocked no way was found within five seconds: UDP is blocked, most likely
 * @property {() => void} onBroken it was connected, and is no more
 */

export class Peer {
  #pc;
  #listener;
  #connected = false;
  /** @type {number | undefined} */ #timer;
  /** @type {RTCRtpSender | undefined} */ #sender;

  /**
   * @param {RTCIceServer[]} iceServers
   * @param {PeerListener} listener
   */
  constructor(iceServers, listener) {
    this.#listener = listener;
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.ontrack = (event) => listener.onOverlay(new MediaStream([event.track]));
    this.#pc.onconnectionstatechange = () => this.#stateChanged();
  }

  /**
   * The offer's SDP, to be sent at once: the server's own candidates suffice.
   * @param {MediaStream} stream
   * @param {((rtpTimestamp: number, epochMs: number) => void) | undefined} onSentFrame
   * @returns {Promise<string>}
   */
  async offer(stream, onSentFrame) {
    const track = stream.getVideoTracks()[0];
    if (!track) throw new Error("connect() expects a stream with a video track");
    this.#sender = this.#pc.addTransceiver(track, { direction: "sendrecv", streams: [stream] }).sender;
    if (onSentFrame) await watchSentFrames(this.#sender, onSentFrame);
    await this.#pc.setLocalDescription();
    return /** @type {RTCSessionDescription} */ (this.#pc.localDescription).sdp;
  }

  /** @param {string} sdp */
  async accept(sdp) {
    if (this.#pc.signalingState !== "have-local-offer") return;
    this.#timer = setTimeout(() => this.#listener.onBlocked(), MEDIA_WITHIN_MS);
    await this.#pc.setRemoteDescription({ type: "answer", sdp });
  }

  /** @param {MediaStreamTrack} track */
  async replaceTrack(track) {
    await this.#sender?.replaceTrack(track);
  }

  close() {
    clearTimeout(this.#timer);
    this.#pc.onconnectionstatechange = this.#pc.ontrack = null;
    this.#pc.close();
  }

  #stateChanged() {
    const state = this.#pc.connectionState;
    if (state === "connected") {
      clearTimeout(this.#timer);
      this.#connected = true;
      this.#listener.onConnected();
    } else if (this.#connected && (state === "failed" || state === "disconnected")) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#listener.onBroken(), state === "failed" ? 0 : BROKEN_AFTER_MS);
    }
  }
}
