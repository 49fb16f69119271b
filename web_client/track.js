// A recording as the arrays of `track.npz`, by the names, shapes and types that `mien watch -o take.npz` writes.

import { numbers, texts } from "./npz.js";

/** @typedef {import("./protocol").ServerMessage} ServerMessage */
/** @typedef {import("./protocol").Params} Params */

const SCHEMA = 1;

/** @param {ServerMessage[]} messages with a welcome among them @returns {Record<string, import("./npz.js").NpArray>} */
export function trackArrays(messages) {
  const welcome = messages.find((message) => message.type === "welcome");
  const identity = messages.findLast((message) => message.type === "identity");
  const frames = messages.filter((message) => message.type === "params");
  if (!welcome) throw new Error("expected a recording that begins with the server's welcome, got one without");
  const { head, detector } = welcome;
  const count = frames.length;

  /** NaN where there is nothing. @param {number[]} shape @param {(frame: Params) => (number | number[] | null | undefined)} of */
  const rows = (shape, of) => {
    const width = shape.reduce((product, length) => product * length, 1);
    return numbers("<f4", frames.flatMap((frame) => of(frame) ?? new Array(width).fill(NaN)), [count, ...shape]);
  };
  const sizes = frames.flatMap(({ camera }) => camera?.size_px ?? [0, 0]);
  return {
    schema: numbers("<i8", [SCHEMA], []),
    frame: numbers("<i8", frames.map(({ index }) => index)),
    time_s: numbers("<f8", frames.map(({ time_s }) => time_s)),
    rtp_time: numbers("<i8", frames.map(({ rtp_time }) => rtp_time)),
    state: texts(frames.map(({ state }) => state)),
    expression: rows([head.expression_names.length], ({ expression }) => expression),
    jaw: rows([3], ({ jaw }) => jaw),
    eyes: rows([2, 3], ({ eyes }) => eyes?.flat()),
    neck: rows([3], ({ neck }) => neck),
    rotation: rows([3, 3], ({ camera }) => camera && matrixOf(camera.rotation)),
    translation: rows([3], ({ camera }) => camera?.translation),
    focal_px: rows([], ({ camera }) => camera?.focal_px),
    principal_px: numbers("<f4", sizes.map((size) => (size > 0 ? size / 2 : NaN)), [count, 2]),
    size_px: numbers("<i8", sizes, [count, 2]),
    blendshapes: rows([head.blendshape_names.length], ({ blendshapes }) => blendshapes),
    blendshape_names: texts(head.blendshape_names),
    expression_names: texts(head.expression_names),
    identity: numbers("<f4", identity?.shape ?? new Array(head.shape_size).fill(NaN)),
    head: texts([`${head.name} sha256:${head.sha256}`], []),
    detector: texts([detector], []),
    error_iod: rows([], ({ error_iod }) => error_iod),
    detect_ms: rows([], ({ times_ms }) => times_ms.detect),
    fit_ms: rows([], ({ times_ms }) => times_ms.fit),
  };
}

/** Row by row. @param {number[]} quaternion w, x, y, z */
function matrixOf([w, x, y, z]) {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ].flat();
}
