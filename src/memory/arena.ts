/**
 * Shared memory that starts on a cache line. Refuses to do: deciding what lies where (see `layout.ts`).
 */
import { totalmem } from 'node:os';
import { TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import type { Layout } from './layout.js';
import { LINE } from './layout.js';

/** Largest arena in bytes; a SharedArrayBuffer beyond it is refused by the engine with a less helpful message. */
const LARGEST = 2 ** 36;

/**
 * What the machine or its container has. Systems hand out more than that and end the process once it is written to, so
 * what cannot fit is refused here.
 */
function memory(): number {
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(LARGEST, totalmem(), constrained);
}

/**
 * Floats in shared memory, all zero, on a 64-byte boundary. A SharedArrayBuffer is aligned to 16 bytes only, so a line
 * more is allocated and the view is shifted; every thread maps the same address, so the shift holds for all.
 *
 * @throws ERR_TIMERNN_OPTION where the memory cannot be had
 */
export function allocateFloats(length: number): Float32Array<SharedArrayBuffer> {
  expectRoom(length + LINE);
  const bytes = (length + LINE) * Float32Array.BYTES_PER_ELEMENT;
  try {
    const buffer = new SharedArrayBuffer(bytes);
    const skip = native.misalignment(new Float32Array(buffer));
    return new Float32Array(buffer, skip * Float32Array.BYTES_PER_ELEMENT, length);
  } catch (cause) {
    // The engine limits the elements of an array, too.
    throw outOfMemory(bytes, 'an arena', cause);
  }
}

/**
 * @param what - who wants that many floats, for the message
 * @throws ERR_TIMERNN_OPTION where they are more than the machine has room for
 */
export function expectRoom(floats: number, what = 'an arena'): void {
  const bytes = floats * Float32Array.BYTES_PER_ELEMENT;
  if (!(bytes <= memory())) throw outOfMemory(bytes, what);
}

function outOfMemory(bytes: number, what: string, cause?: unknown): TimeRNNError {
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  return new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected sizes whose tensors fit into memory, got ${what} of ${gigabytes} GiB`,
    cause === undefined ? undefined : { cause },
  );
}

/** Named views of an arena's tensors. */
export function viewsOf<B extends ArrayBufferLike>(
  arena: Float32Array<B>,
  layout: Layout,
): Map<string, Float32Array<B>> {
  return new Map(layout.placements.map((p) => [p.name, arena.subarray(p.offset, p.offset + p.length)]));
}
