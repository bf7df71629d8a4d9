/**
 * Random 32-bit numbers with their double twins, and the comparison of float results with the double reference:
 * the largest error of each tensor over all cases, with the case it came from.
 */
import type { ExecutionContext } from 'ava';

/** Uniform 32-bit floats in ±range, addressed by a seed (mulberry32): pairwise different for all practical purposes. */
export function randomFloats(count: number, range: number, seed: number): Float32Array {
  const next = randomBits(seed);
  return Float32Array.from({ length: count }, () => ((next() / 2 ** 32) * 2 - 1) * range);
}

/** Uniform integers in [0, limit). */
export function randomIntegers(count: number, limit: number, seed: number): number[] {
  const next = randomBits(seed);
  return Array.from({ length: count }, () => Math.floor((next() / 2 ** 32) * limit));
}

function randomBits(seed: number): () => number {
  let a = Math.imul(seed + 1, 0x9e3779b9);
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let z = Math.imul(a ^ (a >>> 15), a | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  };
}

/** The same numbers in double precision. */
export function double(values: Float32Array): Float64Array {
  return Float64Array.from(values);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * What is accepted: 1e-3 was asked for. Each rounding is a relative error of 6e-8, tanh and exp are good to about
 * 2e-7, and cancellation multiplies that: measured are at most 1.1e-6 of a tensor's norm and 1.7e-5 of an element.
 * About ten times that leaves room for other orders of summation on other CPUs, and none for a wrong term.
 */
const NORM_TOLERANCE = 1e-5;
const ELEMENT_TOLERANCE = 2e-4;

/**
 * An element may be the small difference of large terms: it is measured against at least this share of the largest
 * element of its tensor.
 */
const FLOOR = 0.05;

interface Worst {
  norm: number;
  normCase: string;
  element: number;
  elementCase: string;
}

/** Collects the largest errors by tensor name. */
export class Errors {
  readonly #worst = new Map<string, Worst>();

  /** @param label the case, printed if this one turns out the worst */
  record(name: string, label: string, got: Float32Array, want: Float64Array): void {
    if (got.length !== want.length) throw new Error(`${name}: ${got.length} elements, reference has ${want.length}`);
    const worst = this.#worst.get(name) ?? { norm: 0, normCase: '', element: 0, elementCase: '' };
    this.#worst.set(name, worst);
    const norm = relativeNorm(got, want);
    if (!(norm <= worst.norm)) Object.assign(worst, { norm, normCase: label });
    const floor = want.reduce((max, value) => Math.max(max, Math.abs(value)), 0) * FLOOR;
    for (let i = 0; i < want.length; i++) {
      const difference = Math.abs(got[i]! - want[i]!);
      const element = difference === 0 ? 0 : difference / Math.max(Math.abs(want[i]!), floor);
      if (!(element <= worst.element)) Object.assign(worst, { element, elementCase: `${label} element ${i}` });
    }
  }

  /** Prints the largest error of each tensor and asserts that all lie below the tolerances. */
  check(t: ExecutionContext, names: readonly string[]): void {
    t.deepEqual([...this.#worst.keys()].sort(), [...names].sort(), 'every tensor was compared');
    for (const [name, { norm, normCase, element, elementCase }] of this.#worst) {
      t.log(`${name}: norm-wise ${norm.toExponential(1)}, element-wise ${element.toExponential(1)}`);
      t.true(norm < NORM_TOLERANCE, `${name}: relative error ${norm} of the norm at ${normCase}`);
      t.true(element < ELEMENT_TOLERANCE, `${name}: relative error ${element} at ${elementCase}`);
    }
  }
}

/** ‖a − b‖ / (‖a‖ + ‖b‖); 0 where both are 0. */
function relativeNorm(a: Float32Array, b: Float64Array): number {
  let [difference, aa, bb] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference) / (Math.sqrt(aa) + Math.sqrt(bb));
}

/** The bits of an array, for comparisons to the bit: NaN equals itself and −0 differs from 0. */
export function bits({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('hex');
}

/** Largest |a − b|. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
