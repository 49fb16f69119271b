// What can go wrong, in words a person can act on. The codes come from camera.js, mien.js and the server.

/**
 * @typedef {object} Advice
 * @property {string} title
 * @property {string} text
 * @property {string[]} [steps]
 * @property {string} [retry] label of the button that tries again
 * @property {boolean} [token] asks for the server's token
 */

/** @type {Record<string, (detail: string) => Advice>} */
const ADVICE = {
  page_not_secure: () => ({
    title: "This page isn’t secure",
    text: "Browsers give the camera only to encrypted pages, or to pages from this very machine.",
    steps: [
      `On the server’s own machine, open http://localhost:${location.port || "80"}`,
      "From elsewhere, have the server started with --tls self-signed, and open the https:// address it prints",
    ],
  }),
  camera_refused: () => ({
    title: "The camera is blocked",
    text: "This page was refused the camera. To allow it:",
    steps: permissionSteps(),
    retry: "Try again",
  }),
  camera_missing: () => ({
    title: "No camera found",
    text: "Plug one in, and this page goes on by itself.",
    steps: ["A laptop may have a switch or shutter for its camera", "A virtual machine must be given the camera"],
    retry: "Look again",
  }),
  camera_busy: () => ({
    title: "The camera is busy",
    text: "The system has a camera but doesn’t hand it over. Usually another program is using it.",
    steps: ["Close other programs and tabs with video calls", "Unplug the camera and plug it in again"],
    retry: "Try again",
  }),
  camera_gone: () => ({
    title: "The camera is gone",
    text: "Plug it in again, and this page goes on by itself.",
    retry: "Look again",
  }),
  media_timeout: () => ({
    title: "The video can’t get through",
    text: "The server answers, but video finds no way to it: a firewall between you and it blocks UDP.",
    steps: ["Try another network: guest and company networks often block it", "Whoever runs the server can add a relay: mien serve --turn …"],
    retry: "Try again",
  }),
  unreachable: () => ({
    title: "The server doesn’t answer",
    text: "It may be restarting, or the network may be away. This page goes on as soon as it is back.",
    steps: ["Is mien serve running?"],
    retry: "Try now",
  }),
  server: () => ({
    title: "The server is starting",
    text: "This page goes on as soon as it is ready.",
    retry: "Try now",
  }),
  full: () => ({
    title: "Everybody is here",
    text: "All places are taken, and so is the queue. This page tries again every few seconds.",
    retry: "Try now",
  }),
  denied: () => ({
    title: "This server wants its token",
    text: "Open the address that the server printed at its start, with everything behind the #. Or paste the token here:",
    token: true,
  }),
  idle: () => ({
    title: "Paused",
    text: "No picture came for half a minute, so your place was given back.",
    retry: "Go on",
  }),
  replaced: () => ({
    title: "Open in another tab",
    text: "The session goes on over there.",
    retry: "Use this tab instead",
  }),
  codec: () => ({
    title: "This browser can’t send VP8 video",
    text: "Every usual browser can. Update this one, or use another.",
  }),
  no_webrtc: () => ({
    title: "This browser can’t send live video",
    text: "It has no WebRTC, or an extension has switched it off. Allow it for this page, or use another browser.",
  }),
  ended: () => ({ title: "The session has ended", text: "Your place was given back.", retry: "Begin again" }),
};

/** @param {string} code @param {string} [message] @param {string} [hint] @returns {Advice} */
export function adviceFor(code, message = "", hint = "") {
  const known = ADVICE[code];
  if (known) return known(message);
  return { title: "Something went wrong", text: sentence(message), steps: hint ? [sentence(hint)] : [], retry: "Begin again" };
}

function permissionSteps() {
  const agent = navigator.userAgent;
  if (/iPhone|iPad/.test(agent)) return ["Tap “aA” in the address bar, then Website Settings, and allow the camera"];
  if (/Android/.test(agent)) return ["Tap the sign left of the address, then Permissions, and allow the camera", "Then reload the page"];
  if (/Firefox/.test(agent)) return ["Click the crossed-out camera left of the address and remove the block", "Then try again"];
  if (/Safari/.test(agent) && !/Chrom/.test(agent)) return ["Choose Safari, Settings for this website, and allow the camera"];
  return ["Click the sign left of the address", "Switch the camera on for this page", "The system’s privacy settings must allow this browser the camera, too"];
}

/** @param {string} text */
function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
