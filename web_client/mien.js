// Mien's client: a camera's video to a server, parameters and overlay back. Needs nothing of the page around it.
//
//   import { connect } from "./mien.js";
//   const video = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
//   const mien = connect({
//     url: "http://localhost:8080",
//     video,
//     onParams: (params) => console.log(params.blendshapes),
//     onState: (state) => console.log(state.phase, state.state),
//   });
//   ...
//   mien.close();
//
// It comes back by itself when the network or the server was away. What each message holds says protocol.d.ts.

import { Peer } from "./peer.js";
import { prepareSentFrames } from "./sent_frames.js";
import { Wire } from "./wire.js";

/** @typedef {import("./protocol").ServerMessage} ServerMessage */
/** @typedef {import("./protocol").Welcome} Welcome */
/** @typedef {import("./protocol").StateMessage} StateMessage */
/** @typedef {import("./protocol").Control} Control */

/**
 * @typedef {"connecting" | "queued" | "starting" | "live" | "waiting" | "ended"} Phase
 * connecting: to the server; queued: for a place; starting: the video's connection; live: video flows and parameters
 * come; waiting: until the next attempt; ended: by close(), or by what `problem` says.
 */

/**
 * @typedef {object} Trouble
 * @property {string} code one of the server's error codes, or unreachable, media_timeout, idle, replaced, no_webrtc
 * @property {string} message
 * @property {string} hint what to do about it
 */

/**
 * @typedef {object} MienState
 * @property {Phase} phase
 * @property {StateMessage["state"] | null} state of the tracker
 * @property {string | null} hint what the person may do now
 * @property {StateMessage | null} detail the server's last word on it: overlay mode, RTP offsets
 * @property {Welcome | null} welcome facts about server and head
 * @property {import("./protocol").IdentityMessage | null} identity what has been learned of this head
 * @property {number | null} position in the queue; 1 is next
 * @property {number | null} retryS seconds until the next attempt, when waiting
 * @property {Trouble | null} problem
 */

/**
 * @typedef {object} ConnectOptions
 * @property {string} [url] the server's address; default: where this page came from
 * @property {MediaStream} video a stream with the camera's track
 * @property {string | null} [token] where the server wants one
 * @property {string | null} [resume] `mien.resumeId` of a connection that ended less than 2 s ago
 * @property {string | null} [keep] `welcome.keep` of an earlier visit, where identities are kept
 * @property {boolean} [forever] come back whatever happened, even if nobody could know how that would help
 * @property {(params: import("./protocol").Params) => void} [onParams] once per tracked frame
 * @property {(state: MienState) => void} [onState] whenever something in it has changed
 * @property {(overlay: MediaStream) => void} [onOverlay] the returned video, anew for each connection
 * @property {(message: ServerMessage, text: string) => void} [onMessage] everything the server says, as it came
 * @property {(rtpTimestamp: number, epochMs: number) => void} [onSentFrame] each frame that left the encoder
 */

const BACKOFF_S = [0.2, 0.5, 1, 2, 4, 8, 15];
const WELL_AFTER_MS = 5000; // from here on a break begins with short waits again
const NEW_OFFER_S = 10; // a blocked way is tried again
const FULL = 4429;
const FULL_RETRY_S = 10;
const LATER = new Set([1013, FULL]); // close codes of a server that is starting, or too busy, or full
const WELCOME_WITHIN_S = 60; // a word, at least: an address may swallow what one says to it

/** Close codes after which coming back by itself would do no good. */
const FINAL = /** @type {Record<number, Trouble>} */ ({
  1000: { code: "ended", message: "The session has ended.", hint: "Begin a new one." },
  4400: { code: "bad_message", message: "The server does not understand this page.", hint: "Reload the page." },
  4401: { code: "denied", message: "The server wants its token.", hint: "Open the address that it printed." },
  4404: { code: "unknown_session", message: "There is no such session.", hint: "Begin a new one." },
  4408: { code: "idle", message: "No picture came for a while.", hint: "Begin a new session." },
  4409: { code: "replaced", message: "The session goes on in another tab.", hint: "Go there, or begin a new one." },
});

/** @param {ConnectOptions} options @returns {Mien} */
export function connect(options) {
  return new Mien(options);
}

/** A session, over however many sockets and connections it takes. */
export class Mien {
  #options;
  #video;
  /** @type {Wire | null} */ #wire = null;
  /** @type {Peer | null} */ #peer = null;
  /** @type {string | null} */ #resume;
  #attempt = 0;
  #liveSince = Infinity;
  /** @type {number | undefined} */ #timer;
  /** @type {{resolve: (path: string) => void, reject: (reason: Error) => void}[]} */ #ticketWaiters = [];
  /** @type {{id: number, wishes: Omit<Control, "type">} | null} */ #forgetting = null; // until the server has heard of it
  #forgotten = 0;
  /** @type {number | null} */ #askedRetryS = null;
  /** @type {Trouble | null} */ #fatal = null;
  /** @type {MienState} */ #state = {
    phase: "waiting", state: null, hint: null, detail: null, welcome: null, identity: null, position: null, retryS: null, problem: null,
  };

  /** @param {ConnectOptions} options */
  constructor(options) {
    this.#options = options;
    this.#video = options.video;
    this.#resume = options.resume ?? null;
    if (options.onSentFrame) prepareSentFrames();
    queueMicrotask(() => this.#begin()); // when `connect` has returned, and its callbacks may use what it returns
  }

  /** @returns {MienState} */
  get state() {
    return this.#state;
  }

  /** For `connect({resume})` in a page that replaces this one within 2 s. */
  get resumeId() {
    return this.#resume;
  }

  /** What is left out stays as it is. @param {Omit<Control, "type">} wishes */
  control(wishes) {
    this.#wire?.send({ type: "control", ...wishes });
    if (wishes.re_enroll || wishes.forget) this.#forget(wishes);
  }

  /** What comes ahead of the answer to this ping is of the head before. @param {Omit<Control, "type">} wishes */
  #forget({ re_enroll, forget }) {
    this.#forgotten += 1;
    this.#forgetting = { id: this.#forgotten, wishes: { re_enroll, forget } };
    this.#wire?.send({ type: "ping", id: this.#forgotten });
    this.#set({ identity: null });
  }

  /** Forget the head and learn it again. */
  learnAgain() {
    this.control({ re_enroll: true });
  }

  /** Another camera's stream, without a new connection. @param {MediaStream} video */
  async replaceVideo(video) {
    this.#video = video;
    await this.#peer?.replaceTrack(video.getVideoTracks()[0]);
  }

  /** An address at which another program can listen: for good where no token is needed, else once within minutes. */
  async watchAddress() {
    const { welcome } = this.#state;
    if (!welcome || !this.#wire) throw new Error("There is no session to watch yet.");
    if (!this.#options.token) return this.#address(`/watch/${welcome.session}`, false).href;
    const path = new Promise((/** @type {(path: string) => void} */ resolve, reject) => this.#ticketWaiters.push({ resolve, reject }));
    this.#wire.send({ type: "ticket", purpose: "watch" });
    return this.#address(await path, false).href;
  }

  /** The learned head as GLB, with the 52 blend shapes as morph targets. @returns {Promise<ArrayBuffer>} */
  async headGlb() {
    return (await this.#download(this.#state.identity?.glb, "GET")).arrayBuffer();
  }

  /** Have the skin learned, too: some seconds later an `identity` of a newer revision tells that the GLB wears it. */
  async learnSkin() {
    await this.#download(this.#state.identity?.texture, "HEAD");
  }

  /** @param {string | null | undefined} path @param {string} method */
  async #download(path, method) {
    if (!path) throw new Error("No head has been learned yet.");
    const { token } = this.#options;
    const headers = /** @type {Record<string, string>} */ (token ? { Authorization: `Bearer ${token}` } : {});
    const answer = await fetch(this.#address(path, false), { method, headers }).catch(() => null);
    if (!answer) throw new Error("The server does not answer.");
    if (answer.status === 404) throw new Error("The server has no head of this session.");
    if (!answer.ok) throw new Error(`The server has no head to give: ${(await answer.text()).trim() || answer.statusText}`);
    return answer;
  }

  /** End the session; nothing waits for a return. */
  close() {
    this.#wire?.send({ type: "bye" });
    this.#end(null);
  }

  /** Try again at once instead of at the end of the present wait. */
  retry() {
    if (this.#state.phase === "waiting" || this.#state.phase === "ended") this.#open();
    else if (this.#state.phase === "starting") this.#negotiate();
  }

  // The socket.

  #begin() {
    const able = "RTCPeerConnection" in globalThis;
    if (!able) this.#end({ code: "no_webrtc", message: "This browser has no WebRTC.", hint: "Use another one." });
    else if (this.#state.phase !== "ended") this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    this.#fatal = this.#askedRetryS = null;
    this.#set({ phase: "connecting", retryS: null });
    const { token = null, keep = null } = this.#options;
    this.#wire = new Wire(this.#address("/session", true), token, {
      onOpen: () => this.#wire?.send({ type: "hello", resume: this.#resume, keep }),
      onMessage: (message, text) => this.#heard(message, text),
      onClose: (code) => this.#closed(code),
    });
    this.#wire.expectWithin(WELCOME_WITHIN_S);
  }

  /** @param {ServerMessage} message @param {string} text */
  #heard(message, text) {
    if (message.type === "pong" && message.id === this.#forgetting?.id) this.#forgetting = null;
    if (message.type === "identity" && this.#forgetting) return;
    this.#options.onMessage?.(message, text);
    switch (message.type) {
      case "params":
        this.#options.onParams?.(message);
        break;
      case "state":
        this.#stateCame(message);
        break;
      case "welcome":
        this.#welcomed(message);
        break;
      case "queued":
        this.#set({ phase: "queued", position: message.position, problem: null });
        break;
      case "answer":
        this.#peer?.accept(message.sdp).catch((error) => this.#problem("bad_sdp", String(error), "Reload the page."));
        break;
      case "identity":
        this.#set({ identity: message });
        break;
      case "error":
        if (message.fatal) this.#fatal = message;
        this.#problem(message.code, message.message, message.hint);
        break;
      case "ticket":
        this.#ticketWaiters.shift()?.resolve(message.path);
        break;
      case "bye":
        this.#askedRetryS = message.retry_s ?? null;
    }
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    this.#resume = welcome.resume;
    if (!welcome.resumed) this.#set({ identity: null });
    this.#wire?.expectWithin(welcome.silence_s);
    this.#set({ phase: "starting", welcome, position: null, problem: null });
    if (this.#forgetting) this.control(this.#forgetting.wishes); // the last connection may have broken before it got there
    this.#negotiate();
  }

  /** @param {StateMessage} detail */
  #stateCame(detail) {
    const live = detail.connected;
    if (live && this.#liveSince === Infinity) this.#liveSince = performance.now();
    const { phase, problem } = this.#state;
    this.#set({
      detail,
      state: detail.state,
      hint: detail.hint,
      phase: live ? "live" : phase === "live" ? "starting" : phase,
      problem: live && problem?.code === "media_timeout" ? null : problem,
    });
  }

  /** @param {number} code */
  #closed(code) {
    const wasWell = performance.now() - this.#liveSince > WELL_AFTER_MS;
    this.#dropMedia();
    this.#wire = null;
    for (const { reject } of this.#ticketWaiters.splice(0)) reject(new Error("The connection was lost."));
    if (this.#state.phase === "ended") return;
    const final = LATER.has(code) ? null : (this.#fatal ?? FINAL[code]);
    if (final && !this.#options.forever) {
      this.#end(final);
      return;
    }
    if (wasWell) this.#attempt = 0;
    const backoff = BACKOFF_S[Math.min(this.#attempt, BACKOFF_S.length - 1)] * (0.8 + 0.4 * Math.random());
    this.#attempt += 1;
    const retryS = this.#askedRetryS ?? (code === FULL ? FULL_RETRY_S : backoff);
    const known = this.#fatal ?? final;
    const unreachable = { code: "unreachable", message: "The server does not answer.", hint: "Is it running?" };
    this.#set({ phase: "waiting", retryS, detail: null, state: null, hint: null, problem: known ?? unreachable });
    this.#timer = setTimeout(() => this.#open(), retryS * 1000);
  }

  // The video's connection.

  async #negotiate() {
    this.#dropMedia();
    const { welcome } = this.#state;
    if (!welcome) return;
    const peer = new Peer(/** @type {RTCIceServer[]} */ (welcome.ice_servers), {
      onOverlay: (stream) => this.#options.onOverlay?.(stream),
      onConnected: () => clearTimeout(this.#timer),
      onBlocked: () => this.#blocked(),
      onBroken: () => this.#negotiate(),
    });
    this.#peer = peer;
    try {
      const sdp = await peer.offer(this.#video, this.#options.onSentFrame);
      if (this.#peer === peer) this.#wire?.send({ type: "offer", sdp });
    } catch (error) {
      this.#problem("media", String(error), "Reload the page.");
    }
  }

  #blocked() {
    this.#problem(
      "media_timeout",
      "The video finds no way to the server: a firewall between you and it may block UDP.",
      "Try another network, or ask whoever runs the server for a TURN relay.",
    );
    this.#timer = setTimeout(() => this.#negotiate(), NEW_OFFER_S * 1000);
  }

  #dropMedia() {
    clearTimeout(this.#timer);
    this.#peer?.close();
    this.#peer = null;
    this.#liveSince = Infinity;
  }

  // What is told.

  /** @param {string} code @param {string} message @param {string} hint */
  #problem(code, message, hint) {
    this.#set({ problem: { code, message, hint } });
  }

  /** @param {Trouble | null} problem */
  #end(problem) {
    this.#set({ phase: "ended", problem, retryS: null, detail: null, state: null, hint: null });
    this.#dropMedia();
    this.#wire?.close();
    this.#wire = null;
  }

  /** @param {Partial<MienState>} changes */
  #set(changes) {
    const before = this.#state;
    const now = { ...before, ...changes };
    if (Object.keys(changes).every((key) => Object.is(before[/** @type {keyof MienState} */ (key)], now[/** @type {keyof MienState} */ (key)]))) return;
    this.#state = now;
    this.#options.onState?.(now);
  }

  /** @param {string} path @param {boolean} socket @returns {URL} */
  #address(path, socket) {
    const url = new URL(path, this.#options.url ?? location.href);
    url.hash = "";
    if (socket) url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }
}
