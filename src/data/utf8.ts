/**
 * Finds out where a file stops being UTF-8.
 * Refuses to do: decoding; Node does that faster.
 */

/** The most bytes of an encoded code point, by the first byte; 0 where none can start with it. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

/** Whether `second` may follow `first`: rules out overlong forms, surrogates and code points above U+10FFFF. */
function isSecond(first: number, second: number): boolean {
  if (first === 0xe0) return second >= 0xa0 && second <= 0xbf;
  if (first === 0xed) return second >= 0x80 && second <= 0x9f;
  if (first === 0xf0) return second >= 0x90 && second <= 0xbf;
  if (first === 0xf4) return second >= 0x80 && second <= 0x8f;
  return (second & 0xc0) === 0x80;
}

/** Offset of the first byte of the first sequence that is not UTF-8 (RFC 3629), or −1 where all of it is. */
export function firstInvalidByte(bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i]!;
    const length = sequenceLength(first);
    if (length === 0 || i + length > bytes.length) return i;
    if (length > 1 && !isSecond(first, bytes[i + 1]!)) return i;
    for (let k = 2; k < length; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) return i;
    i += length;
  }
  return -1;
}
