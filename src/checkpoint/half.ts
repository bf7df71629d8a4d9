/**
 * Numbers of 16 bits, as safetensors files have them, as 32-bit floats: every one of them has an exact one.
 * Refuses to do: the way back.
 */

/** IEEE 754 binary16 (F16): 1 sign, 5 exponent, 10 fraction bits. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The numbers of F16 bits. */
export function floatsOfHalf(bits: Uint16Array): Float32Array<ArrayBuffer> {
  // There are only so many: a table is faster than the arithmetic from some ten thousand elements on.
  const table = Float32Array.from({ length: 65_536 }, (_, value) => fromHalf(value));
  const floats = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) floats[i] = table[bits[i]!]!;
  return floats;
}

/** The numbers of bfloat16 (BF16) bits: the upper half of a 32-bit float. */
export function floatsOfBrain(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}
