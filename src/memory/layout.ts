/**
 * The one place that turns a tensor table into offsets. Refuses to do: shapes (the native cells declare them) and
 * allocation (see `arena.ts`).
 */
import type { NativeTensor } from '../native-types.js';

/** Floats in a cache line: every tensor starts on one, so that no two workers ever write to the same line. */
export const LINE = 16;

/** Where one tensor lies in an arena. */
export interface Placement {
  readonly name: string;
  /** Row-major. */
  readonly shape: readonly number[];
  /** In floats, a multiple of 16. */
  readonly offset: number;
  /** In floats. */
  readonly length: number;
}

/** Where every tensor of a table lies. Parameters, gradients and optimiser slots share one layout. */
export interface Layout {
  readonly placements: readonly Placement[];
  /** Offsets alone, in table order: what native code is given. */
  readonly offsets: number[];
  /** Floats of a whole arena, padding included. */
  readonly length: number;
  /** Numbers that are parameters, padding left out. */
  readonly parameterCount: number;
}

/** Lays the tensors out one after the other, each on a cache line. */
export function planLayout(table: readonly NativeTensor[]): Layout {
  let end = 0;
  let parameterCount = 0;
  const placements = table.map(({ name, shape }) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const offset = end;
    end += Math.ceil(length / LINE) * LINE;
    parameterCount += length;
    return { name, shape, offset, length };
  });
  return { placements, offsets: placements.map(({ offset }) => offset), length: end, parameterCount };
}
