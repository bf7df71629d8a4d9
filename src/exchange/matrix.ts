/**
 * Matrices as other programs have them: transposed, and with the blocks of their gates in another order.
 * Refuses to do: knowing whose order it is.
 */

/** A tile's edge: two tiles of 32×32 floats are 8 KB, so both stay in the L1 cache. */
const TILE = 32;

/** The transposed copy of a rows×columns matrix, row-major: `columns`×`rows`, in memory of its own or the caller's. */
export function transposed(
  from: Float32Array,
  rows: number,
  columns: number,
  to: Float32Array = new Float32Array(rows * columns),
): Float32Array {
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let column = left; column < right; column++) {
        for (let row = top; row < bottom; row++) to[column * rows + row] = from[row * columns + column]!;
      }
    }
  }
  return to;
}

/** A copy whose k-th block is block `order[k]` of `from`; all blocks have the same length. */
export function reordered(from: Float32Array, order: readonly number[]): Float32Array<ArrayBuffer> {
  const length = from.length / order.length;
  const to = new Float32Array(from.length);
  for (const [place, block] of order.entries())
    to.set(from.subarray(block * length, (block + 1) * length), place * length);
  return to;
}
