import { isUtf8 } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import { firstInvalidByte } from '#src/data/utf8.js';

test('the first byte of the first wrong sequence', (t) => {
  const cases: [number[], number][] = [
    [[], -1],
    [[0x61, 0xc3, 0xa4, 0xf0, 0x9f, 0x90, 0x8b], -1],
    [[0x61, 0xff], 1],
    [[0x80], 0],
    [[0xc0, 0x80], 0], // overlong
    [[0xe0, 0x80, 0x80], 0], // overlong
    [[0x61, 0xed, 0xa0, 0x80], 1], // a surrogate
    [[0xf4, 0x90, 0x80, 0x80], 0], // above U+10FFFF
    [[0x61, 0x62, 0xf0, 0x9f, 0x90], 2], // cut off
    [[0xe2, 0x82, 0x61], 0],
  ];
  for (const [bytes, expected] of cases) t.is(firstInvalidByte(Uint8Array.from(bytes)), expected, String(bytes));
});

test('property: agrees with Node, and all before the offset is UTF-8', (t) => {
  const sharp = fc.constantFrom(
    0x61,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc2,
    0xe0,
    0xe1,
    0xed,
    0xf0,
    0xf1,
    0xf4,
    0xf5,
  );
  fc.assert(
    fc.property(fc.array(sharp, { maxLength: 12 }), (values) => {
      const bytes = Uint8Array.from(values);
      const at = firstInvalidByte(bytes);
      return at === -1 ? isUtf8(bytes) : !isUtf8(bytes) && isUtf8(bytes.subarray(0, at)) && !isUtf8(bytes.subarray(at));
    }),
    { numRuns: 3000 },
  );
  t.pass(); // fc.assert above throws where the property fails
});
