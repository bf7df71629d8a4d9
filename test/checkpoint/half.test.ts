/** Numbers of 16 bits as 32-bit floats: every pattern against its definition. */
import test from 'ava';
import { floatsOfBrain, floatsOfHalf } from '#src/checkpoint/half.js';

/** Patterns with the values that IEEE 754 and bfloat16's definition give them. */
const HALVES: [bits: number, value: number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3c00, 1],
  [0xbc00, -1],
  [0x3555, 1365 / 4096],
  [0x7bff, 65504],
  [0x0400, 2 ** -14],
  [0x03ff, 1023 * 2 ** -24],
  [0x0001, 2 ** -24],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
  [0x7e01, Number.NaN],
];
const BRAINS: [bits: number, value: number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3f80, 1],
  [0xc049, -3.140625],
  [0x7f7f, 255 * 2 ** 120],
  [0x0001, 2 ** -133],
  [0x7f80, Number.POSITIVE_INFINITY],
  [0xff80, Number.NEGATIVE_INFINITY],
  [0x7fc0, Number.NaN],
];

for (const [name, convert, pairs] of [
  ['F16', floatsOfHalf, HALVES],
  ['BF16', floatsOfBrain, BRAINS],
] as const) {
  test(`${name}: zeros, ones, subnormal numbers, the largest, infinities and NaN`, (t) => {
    const got = convert(Uint16Array.from(pairs, ([bits]) => bits));
    for (const [i, [bits, value]] of pairs.entries()) t.is(got[i], value, bits.toString(16));
  });

  test(`${name}: positive patterns rise with their number, and the sign bit turns the sign`, (t) => {
    const positive = convert(Uint16Array.from({ length: 0x8000 }, (_, i) => i));
    const negative = convert(Uint16Array.from({ length: 0x8000 }, (_, i) => i | 0x8000));
    for (let i = 0; i < 0x8000; i++) {
      if (Number.isNaN(positive[i])) continue;
      if (i > 0 && !(positive[i]! > positive[i - 1]!)) t.fail(`pattern ${i}`);
      if (!Object.is(negative[i], -positive[i]!)) t.fail(`pattern ${i} with a sign`);
    }
    t.is(positive.length, 0x8000);
  });
}
