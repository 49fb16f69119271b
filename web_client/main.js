// Start here: camera -> connect() in mien.js -> view, bars and dials. What is said and when is decided in `onState`.

import { AvatarPane, drawsFast } from "./avatar_pane.js";
import { Bars } from "./bars.js";
import { CameraTrouble, cameraAllowed, cameras, onPermissionChange, openCamera } from "./camera.js";
import { byId, Controls, toast } from "./controls.js";
import { Cover } from "./cover.js";
import { showDetails } from "./details.js";
import { Dials } from "./dials.js";
import { isKiosk, Kiosk } from "./kiosk.js";
import { Latency, Recent } from "./latency.js";
import { connect } from "./mien.js";
import { prepareSentFrames } from "./sent_frames.js";
import { leaveSession, loadSettings, saveSettings, takeSession, tokenFromAddress } from "./settings.js";
import { hintWords, Patience, statusOf } from "./status.js";
import { clock, Takeaways } from "./takeaways.js";
import { toggleFullScreen, View } from "./view.js";

/** @typedef {import("./protocol").Params} Params */
/** @typedef {import("./mien.js").MienState} MienState */

const TICK_MS = 500;
const CAMERA_RETRY_MS = 4000; // a kiosk's
const PATIENT_MS = 2500; // a short break is not worth a word over the picture
const PASSING = new Set(["tracking", "frame_too_large", "bad_message", "order", "too_many_messages"]); // only told
const SERVERS_OWN_LAYOUT = "side_by_side"; // for clients that cannot lay out two pictures themselves
const RTP_WRAP = 2 ** 32;

const settings = loadSettings();
const cover = new Cover();
const bars = new Bars(byId("bars"));
const dials = new Dials();
const takeaways = new Takeaways(() => mien, () => controls);
const { recorder } = takeaways;
const patience = new Patience();
const latency = new Latency();
const avatar = new AvatarPane(
  async () => mien?.headGlb() ?? Promise.reject(new Error("There is no session.")),
  () => void mien?.learnSkin().catch(() => {}), // then it wears its own, later
);
const view = new View(onCaptured, onReturned);
const seen = { frames: new Recent(), parameters: new Recent(), overlay: new Recent() };

/** @type {import("./mien.js").Mien | null} */ let mien = null;
/** @type {MediaStream | null} */ let camera = null;
/** @type {Params | null} */ let latest = null;
/** @type {import("./protocol").Stats | null} */ let stats = null;
/** @type {string | null} */ let cameraProblem = null;
/** @type {string[]} */ let names = [];
let drawing = false;
let starts = 0; // of the camera
let tellsCaptures = false; // of its frames
let people = 0; // heads begun anew so far
let brokenSince = 0;
let token = tokenFromAddress();

// The camera, then the session.

async function start() {
  const mine = ++starts;
  cover.lift();
  showStatus("Waiting for the camera", "busy");
  try {
    const opened = await openCamera(settings.camera ?? undefined);
    if (mine !== starts) return stop(opened); // another one has been asked for meanwhile
    useCamera(opened);
  } catch (error) {
    if (mine === starts) cameraTrouble(error instanceof CameraTrouble ? error.code : "camera_busy");
    return;
  }
  if (!mien || !camera || mien.state.phase === "ended") {
    begin();
    return;
  }
  await mien.replaceVideo(camera);
  onState(mien.state);
}

/** @param {MediaStream} stream */
function useCamera(stream) {
  if (camera) stop(camera);
  camera = stream;
  cameraProblem = null;
  const [track] = stream.getVideoTracks();
  track.addEventListener("ended", () => stream === camera && cameraTrouble("camera_gone"));
  view.showCamera(stream);
  cameras().then((devices) => controls.offerCameras(devices, track.getSettings().deviceId));
}

/** @param {MediaStream} stream */
function stop(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

function begin() {
  if (!camera) return;
  cover.lift();
  latency.restart();
  mien?.close();
  mien = connect({
    video: camera,
    token,
    resume: takeSession(),
    keep: settings.keep,
    forever: isKiosk,
    onParams,
    onState,
    onOverlay: (stream) => view.showOverlay(stream),
    onMessage: (message, text) => {
      recorder.heard(message, text);
      if (message.type === "stats") stats = message;
      if (message.type === "welcome") welcomed(message);
      if (message.type === "answer") latency.restart();
      if (message.type === "identity") avatar.learned(`${people} ${message.revision}`);
    },
    onSentFrame: (rtpTimestamp, epochMs) => latency.sent(rtpTimestamp, epochMs),
  });
}

/** @param {string} code */
function cameraTrouble(code) {
  cameraProblem = code;
  latest = null;
  showStatus("No camera", "bad");
  cover.complain({ code, message: "", hint: "" }, start, useToken);
  if (isKiosk) setTimeout(() => cameraProblem && start(), CAMERA_RETRY_MS);
}

/** @param {string} given */
function useToken(given) {
  token = given;
  history.replaceState(null, "", `#token=${encodeURIComponent(given)}`);
  begin();
}

// What the server says.

/** @param {import("./protocol").Welcome} welcome */
function welcomed(welcome) {
  names = welcome.head.blendshape_names;
  bars.build(names);
  dials.build(names);
  avatar.names = names;
  if (!welcome.resumed) anotherHead();
  controls.offerModes(welcome.overlay_modes.filter((mode) => mode !== SERVERS_OWN_LAYOUT));
  const wished = isKiosk ? welcome.overlay_modes.find((mode) => mode !== "off") : welcome.overlay_modes.find((mode) => mode === settings.overlay);
  if (wished && wished !== welcome.overlay) queueMicrotask(() => mien?.control({ overlay: wished }));
  controls.offerForgetting(welcome.keep !== null);
  if (welcome.keep !== settings.keep) remember({ keep: welcome.keep });
}

/** @param {Params} params */
function onParams(params) {
  seen.frames.add(1);
  const offset = mien?.state.detail?.camera_rtp_offset;
  if (offset != null) {
    const ms = latency.until((params.rtp_time + offset) % RTP_WRAP, performance.timeOrigin + performance.now());
    if (ms !== null) seen.parameters.add(ms);
  }
  latest = cameraProblem ? null : params; // what still comes then is old
  if (!drawing) requestAnimationFrame(draw);
  drawing = true;
}

function draw() {
  drawing = false;
  bars.draw(latest?.blendshapes ?? null);
  dials.draw(latest);
  avatar.draw(latest);
}

/** @param {number} rtpTimestamp @param {number} epochMs */
function onReturned(rtpTimestamp, epochMs) {
  const detail = mien?.state.detail;
  if (detail?.overlay_rtp_offset == null || detail.camera_rtp_offset == null) return;
  const sent = (rtpTimestamp - detail.overlay_rtp_offset + detail.camera_rtp_offset + RTP_WRAP) % RTP_WRAP;
  const ms = latency.until(sent, epochMs);
  if (ms !== null) seen.overlay.add(ms);
}

/** @param {number | null} epochMs */
function onCaptured(epochMs) {
  tellsCaptures ||= epochMs !== null;
  showsLatency(tellsCaptures);
  if (epochMs !== null) latency.captured(epochMs);
}

/** Only where the browser tells both when a frame was captured and when it was sent. @param {boolean} known */
function showsLatency(known) {
  /** @type {HTMLElement} */ (byId("latency").parentElement).hidden = !known || !("RTCRtpScriptTransform" in globalThis);
}

/** @param {MienState} now */
function onState(now) {
  controls.enable(now.phase === "live" || now.phase === "starting", now.identity !== null);
  if (now.detail) controls.showMode(now.detail.overlay);
  view.wantOverlay(now.phase === "live" && now.detail?.overlay !== "off");
  if (now.phase === "waiting") brokenSince ||= performance.now();
  else if (now.phase !== "connecting") brokenSince = 0;
  if (now.phase !== "live") latest = null;
  if (cameraProblem) return;
  const status = statusOf(now);
  showStatus(status.text, status.tone);
  showProblem(now);
  showPrompt(now);
}

/** @param {MienState} now */
function showProblem(now) {
  const { problem } = now;
  if (!problem || now.phase === "connecting") return;
  if (PASSING.has(problem.code) && now.phase !== "ended") {
    toast(problem.hint);
    return;
  }
  const brief = now.phase === "waiting" && ["unreachable", "server"].includes(problem.code) && performance.now() - brokenSince < PATIENT_MS;
  if (now.phase === "live") cover.lift();
  else if (!brief) cover.complain(problem, () => (mien?.state.phase === "ended" ? start() : mien?.retry()), useToken);
}

/** @param {MienState} now */
function showPrompt(now) {
  const hint = hintWords(now.hint);
  const learning = now.phase === "live" && now.state === "ENROLLING" ? "Learning your head: turn it a little to each side" : null;
  const blind = camera?.getVideoTracks()[0].muted ? "The camera sends no picture: is its cover closed?" : null;
  const words = blind ?? ((now.phase === "queued" && statusOf(now).text) || patience.advice(now) || (hint && hint[0].toUpperCase() + hint.slice(1)) || learning);
  const prompt = byId("prompt");
  if (words && prompt.textContent !== words) prompt.textContent = words;
  prompt.hidden = !words;
}

/** @param {string} words @param {import("./status.js").Tone} tone */
function showStatus(words, tone) {
  const status = byId("status");
  const text = /** @type {Element} */ (status.querySelector("span"));
  if (text.textContent !== words) text.textContent = words;
  status.dataset.tone = tone;
}

// What the person wishes.

const controls = new Controls({
  overlay: (mode) => {
    remember({ overlay: mode });
    mien?.control({ overlay: /** @type {import("./protocol").Welcome["overlay"]} */ (mode) });
  },
  layout: (layout) => remember({ layout }),
  mirror: () => remember({ mirrored: !settings.mirrored }),
  camera: (deviceId) => {
    remember({ camera: deviceId });
    start();
  },
  avatar: () => showAvatar(byId("avatar-pane").hidden),
  head: () => void takeaways.saveHead(),
  learn: () => {
    mien?.learnAgain();
    anotherHead();
    toast("Forgotten. Learning your head anew.");
  },
  forget: () => {
    mien?.control({ forget: true });
    anotherHead();
    toast("What was kept of your face has been deleted.");
  },
  record: () => takeaways.record(),
  copy: () => void takeaways.copyAddress(token ? "It opens once, within ten minutes." : "Give it to mien watch, or to your own program."),
  full: () => void toggleFullScreen().catch(() => toast("This browser doesn’t allow full screen here.")),
});

/** @param {Partial<import("./settings.js").Settings>} changes */
function remember(changes) {
  Object.assign(settings, changes);
  saveSettings(settings);
  applyLooks();
}

function applyLooks() {
  const { mirrored } = settings;
  view.mirror(mirrored);
  view.layOut(isKiosk ? "over" : settings.layout);
  bars.mirrored = dials.mirrored = avatar.mirrored = mirrored;
  controls.showLayout(settings.layout, mirrored);
}

// The 3D head.

/** @param {boolean} wanted */
async function showAvatar(wanted) {
  remember({ avatar: wanted });
  controls.showAvatar(wanted);
  await splitStage(wanted);
}

/** @param {boolean} wanted */
async function splitStage(wanted) {
  byId("stage").toggleAttribute("data-avatar", wanted);
  return avatar.want(wanted);
}

/** Unless told otherwise, the 3D head is there where the machine draws it with ease. */
async function beginAvatar() {
  const wanted = settings.avatar ?? drawsFast();
  const shown = wanted && (await splitStage(true));
  if (wanted && !shown) await splitStage(false);
  controls.showAvatar(Boolean(shown));
}

/** Somebody else may stand there now. */
function anotherHead() {
  people += 1;
  avatar.forget();
  recorder.forget();
}

// Twice a second.

const kiosk = isKiosk
  ? new Kiosk(() => {
      mien?.control({ forget: true });
      anotherHead();
    })
  : null;

function tick() {
  const now = mien?.state ?? null;
  const figures = { parameters: seen.parameters.median(), overlay: seen.overlay.median() };
  const rate = seen.frames.perSecond();
  byId("fps").textContent = rate ? rate.toFixed(0) : "–";
  byId("latency").textContent = figures.parameters === null ? "–" : figures.parameters.toFixed(0);
  showDetails(byId("details"), now?.welcome ?? null, stats, figures);
  byId("recording").hidden = !recorder.running;
  const recorded = /** @type {Element} */ (byId("recording").querySelector("span"));
  if (recorder.running) recorded.textContent = clock(recorder.progress.seconds);
  if (now && !cameraProblem) {
    showProblem({ ...now, problem: PASSING.has(now.problem?.code ?? "") ? null : now.problem });
    showPrompt(now);
  }
  if (!latest && names.length) draw();
  view.hideStale();
  avatar.look();
  kiosk?.look(now);
}

setInterval(tick, TICK_MS);
byId("details").addEventListener("toggle", tick);

// The page comes and goes.

addEventListener("pagehide", () => leaveSession(mien?.resumeId ?? null));
addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && mien?.state.problem?.code === "idle") start();
});
navigator.mediaDevices?.addEventListener("devicechange", () => {
  if (cameraProblem === "camera_gone" || cameraProblem === "camera_missing") start();
});
onPermissionChange((state) => {
  if (state === "granted" && cameraProblem === "camera_refused") start();
});

prepareSentFrames();
showsLatency(true); // until the first frame
applyLooks();
dials.draw(null);
beginAvatar();
if (!isSecureContext) cameraTrouble("page_not_secure");
else if (isKiosk || (await cameraAllowed())) start();
else cover.invite(start);
