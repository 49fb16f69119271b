// The camera: opened with the right wishes; what goes wrong becomes a code that problems.js has words for.

const WISHES = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 60 } };

/** What getUserMedia's errors mean, by name. */
const CODES = /** @type {Record<string, string>} */ ({
  NotAllowedError: "camera_refused",
  SecurityError: "camera_refused",
  NotFoundError: "camera_missing",
  NotReadableError: "camera_busy",
  AbortError: "camera_busy",
});

export class CameraTrouble extends Error {
  /** @param {string} code @param {string} detail */
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

/**
 * @param {string} [deviceId] the wished camera's, else the browser chooses
 * @returns {Promise<MediaStream>} with one video track; rejects with CameraTrouble
 */
export async function openCamera(deviceId) {
  if (!isSecureContext || !navigator.mediaDevices) throw new CameraTrouble("page_not_secure", location.origin);
  const chosen = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...WISHES, ...chosen } });
  } catch (error) {
    const { name, message } = /** @type {DOMException} */ (error);
    if (name === "OverconstrainedError" && deviceId) return openCamera(); // the wished one is gone
    throw new CameraTrouble(CODES[name] ?? "camera_busy", message);
  }
}

/** @returns {Promise<MediaDeviceInfo[]>} */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput" && device.deviceId);
}

/** Whether the person has allowed the camera before, so that one need not ask. @returns {Promise<boolean>} */
export async function cameraAllowed() {
  return (await permission())?.state === "granted";
}

/** Calls back when the permission has changed. @param {(state: PermissionState) => void} callback */
export async function onPermissionChange(callback) {
  const status = await permission();
  status?.addEventListener("change", () => callback(status.state));
}

/** @returns {Promise<PermissionStatus | null>} null where the browser does not tell */
async function permission() {
  try {
    return await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
  } catch {
    return null;
  }
}
