// NumPy's file formats: .npy arrays (version 1.0), stored in a .npz, which is a zip without compression.

/**
 * @typedef {object} NpArray
 * @property {string} type NumPy's name, such as "<f4"
 * @property {number[]} shape
 * @property {Uint8Array<ArrayBuffer>} bytes little-endian, last axis fastest
 */

const TYPED = { "<f4": Float32Array, "<f8": Float64Array, "<i8": BigInt64Array };
const ALIGNED = 64;

/** @param {"<f4" | "<f8" | "<i8"} type @param {number[]} values @param {number[]} [shape] @returns {NpArray} */
export function numbers(type, values, shape = [values.length]) {
  const typed = type === "<i8" ? BigInt64Array.from(values, BigInt) : TYPED[type].from(values);
  return { type, shape, bytes: new Uint8Array(typed.buffer) };
}

/** NumPy's fixed-width text: UTF-32. @param {string[]} texts @param {number[]} [shape] @returns {NpArray} */
export function texts(texts, shape = [texts.length]) {
  const width = Math.max(1, ...texts.map((text) => [...text].length));
  const codes = new Uint32Array(width * texts.length);
  texts.forEach((text, at) => [...text].forEach((character, place) => (codes[at * width + place] = character.codePointAt(0) ?? 0)));
  return { type: `<U${width}`, shape, bytes: new Uint8Array(codes.buffer) };
}

/** @param {Record<string, NpArray>} arrays @returns {Uint8Array<ArrayBuffer>} */
export function npz(arrays) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const content = npy(array);
    const file = new TextEncoder().encode(`${name}.npy`);
    const facts = fields([20, 2], [0, 2], [0, 2], [0, 2], [0x21, 2], [crc32(content), 4], [content.length, 4], [content.length, 4], [file.length, 2], [0, 2]);
    parts.push(fields([0x04034b50, 4]), facts, file, content);
    directory.push(fields([0x02014b50, 4], [20, 2]), facts, fields([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), file);
    offset += 4 + facts.length + file.length + content.length;
  }
  const listed = directory.reduce((sum, part) => sum + part.length, 0);
  const count = Object.keys(arrays).length;
  const end = fields([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [listed, 4], [offset, 4], [0, 2]);
  return joined([...parts, ...directory, end]);
}

/** @param {NpArray} array */
function npy({ type, shape, bytes }) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + header.length + 1) / ALIGNED) * ALIGNED - 10;
  const text = new TextEncoder().encode(`${header.padEnd(length - 1)}\n`);
  return joined([Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0), fields([length, 2]), text, bytes]);
}

/** Little-endian numbers, each with its width in bytes. @param {[number, 2 | 4][]} values */
function fields(...values) {
  const bytes = new Uint8Array(values.reduce((sum, [, width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, width] of values) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}

/** @param {Uint8Array[]} parts @returns {Uint8Array<ArrayBuffer>} */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
