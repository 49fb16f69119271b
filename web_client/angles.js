// The wire's rotations as angles a person can read. All in degrees, left and right are the person's own.

/** @typedef {import("./protocol").CameraPose} CameraPose */

const DEGREES = 180 / Math.PI;

/**
 * Rows of the matrix that turns the head's axes (x to its left, y up, z out of the face) into the viewer's
 * (x right in the unmirrored picture, y up, z towards the viewer): the identity for a face that looks into the camera.
 * @param {number[]} quaternion w, x, y, z of T_camera_head; the camera's y and z are the viewer's, turned about
 */
export function viewerFromHead([w, x, y, z]) {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [-2 * (x * y + w * z), -(1 - 2 * (x * x + z * z)), -2 * (y * z - w * x)],
    [-2 * (x * z - w * y), -2 * (y * z + w * x), -(1 - 2 * (x * x + y * y))],
  ];
}

/** @param {CameraPose} camera @returns {{left: number, up: number, tilt: number, distance: number}} distance in metres */
export function headAngles(camera) {
  const rows = viewerFromHead(camera.rotation);
  return {
    left: DEGREES * Math.atan2(rows[0][2], rows[2][2]),
    up: DEGREES * Math.asin(Math.max(-1, Math.min(1, rows[1][2]))),
    tilt: DEGREES * Math.atan2(-rows[1][0], rows[1][1]), // towards the person's left shoulder
    distance: camera.translation[2],
  };
}

/** Where an eye looks, as seen from the head. @param {number[]} axisAngle @returns {{left: number, up: number}} */
export function gazeAngles(axisAngle) {
  const [x, y, z] = turnedForward(axisAngle);
  return { left: DEGREES * Math.atan2(x, z), up: DEGREES * Math.asin(Math.max(-1, Math.min(1, y))) };
}

/** @param {number[]} axisAngle @returns {{open: number, left: number}} */
export function jawAngles(axisAngle) {
  return { open: DEGREES * axisAngle[0], left: DEGREES * axisAngle[1] };
}

/** Where (0, 0, 1) goes: the third column of the rotation (Rodrigues). @param {number[]} axisAngle */
function turnedForward([rx, ry, rz]) {
  const angle = Math.hypot(rx, ry, rz);
  if (angle < 1e-9) return [ry, -rx, 1];
  const [x, y, z] = [rx / angle, ry / angle, rz / angle];
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  return [y * sin + x * z * (1 - cos), -x * sin + y * z * (1 - cos), cos + z * z * (1 - cos)];
}
