/** Arrays of the golden files, and what two tests make of them. */

/** An array as make-goldens.py writes it. */
export interface Packed {
  shape: number[];
  type: 'float32' | 'int32' | 'uint32';
  data: string;
}

export function bytes(packed: Packed): ArrayBuffer {
  return Uint8Array.from(Buffer.from(packed.data, 'base64')).buffer;
}
export const floats = (packed: Packed) => new Float32Array(bytes(packed));
export const ints = (packed: Packed) => new Int32Array(bytes(packed));

/** An array over a SharedArrayBuffer, as the trainer uses them. */
export function shared(values: ArrayLike<number>): Float32Array {
  const array = new Float32Array(new SharedArrayBuffer(values.length * 4));
  array.set(values);
  return array;
}

/** The largest magnitude; NaN where one is there, so that no comparison with it holds. */
export function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => (Number.isNaN(value) ? value : Math.max(most, Math.abs(value))), 0);
}
