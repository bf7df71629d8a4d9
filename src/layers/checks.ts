/**
 * What every layer checks before it calls the addon: tensors, integer grids, options; and how native errors come back.
 */
import { describe, expectInteger, fromForeign, TimeRNNError } from '../errors.js';
import { checkNames } from '../options.js';
import { expectFinite, formatShape, Tensor } from './tensor.js';

/**
 * Token ids or labels of N streams over T steps: integers with a shape N×T, or one row of T integers for each stream.
 *
 * @example
 * ```ts
 * import { TimeEmbedding } from 'timernn/layers';
 * const embedding = new TimeEmbedding({ vocabularySize: 10, embeddingSize: 4 });
 * embedding.forward([[1, 2, 3], [4, 5, 6]]); // N = 2, T = 3
 * embedding.forward({ data: Uint32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] });
 * ```
 */
export type IntegerGrid =
  | {
      /** N·T integers, row-major. */
      readonly data: IntegerRow;
      /** N and T. */
      readonly shape: readonly number[];
    }
  | readonly IntegerRow[];

/** Integers, as an array or a typed array. */
export type IntegerRow = Int32Array | Uint32Array | readonly number[];

/** A checked {@link IntegerGrid}: a copy of its own, row-major. */
export interface Grid {
  data: Int32Array;
  N: number;
  T: number;
}

/**
 * @param shape what is expected: a number is a length, a letter stands for any length
 * @returns the tensor's lengths
 * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE
 */
export function expectTensor(name: string, value: unknown, shape: readonly (number | string)[]): number[] {
  if (!(value instanceof Tensor)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} to be a Tensor of shape ${formatShape(shape)}, got ${describe(value)}`,
    );
  }
  const got = value.shape;
  const fits = got.length === shape.length && shape.every((want, i) => typeof want === 'string' || want === got[i]);
  if (!fits) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} to have shape ${formatShape(shape)}, got ${formatShape(got)}`,
    );
  }
  // A transferred or resized ArrayBuffer shrinks the array under the tensor.
  const size = got.reduce((product, length) => product * length, 1);
  if (value.data.length !== size) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} of shape ${formatShape(got)} to have ${size} elements, got ${value.data.length}`,
    );
  }
  expectFinite(name, value);
  return [...got];
}

/**
 * Checks ids or labels and copies them.
 *
 * @param limit ids lie in [0, limit)
 * @param ignored an id outside of that range which is allowed all the same
 * @param shape N×T where it is already known
 * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_TOKEN
 */
export function expectIds(
  name: string,
  value: IntegerGrid,
  limit: number,
  ignored?: number,
  shape?: readonly [number, number],
): Grid {
  const { rows, N, T } = openGrid(name, value);
  if (shape && (N !== shape[0] || T !== shape[1])) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} to have shape ${formatShape(shape)}, got ${formatShape([N, T])}`,
    );
  }
  const data = new Int32Array(N * T);
  for (let n = 0; n < N; n++) {
    const { row, from } = rows(n);
    for (let t = 0; t < T; t++) {
      const id = row[from + t];
      const known = typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < limit;
      if (!known && (id === undefined || id !== ignored)) throw badId(name, n, t, id, limit, ignored);
      data[n * T + t] = id as number;
    }
  }
  return { data, N, T };
}

function badId(name: string, n: number, t: number, id: unknown, limit: number, ignored: number | undefined): Error {
  const or = ignored === undefined ? '' : ` or ${ignored} (ignored)`;
  return new TimeRNNError(
    'ERR_TIMERNN_TOKEN',
    `Expected ${name} at [${n}, ${t}] to be an integer in [0, ${limit})${or}, got ${describe(id)}`,
  );
}

type Rows = (n: number) => { row: IntegerRow; from: number };

function openGrid(name: string, value: IntegerGrid): { rows: Rows; N: number; T: number } {
  if (Array.isArray(value)) {
    const list = value as readonly IntegerRow[];
    const T = isIntegerRow(list[0]) ? list[0].length : 0;
    for (const [n, row] of list.entries()) {
      if (isIntegerRow(row) && row.length === T) continue;
      const got = isIntegerRow(row) ? `${row.length} of them` : describe(row);
      throw new TimeRNNError('ERR_TIMERNN_SHAPE', `Expected ${name}[${n}] to be a row of ${T} integers, got ${got}`);
    }
    expectGridShape(name, [list.length, T]);
    return { rows: (n) => ({ row: list[n] as IntegerRow, from: 0 }), N: list.length, T };
  }
  const { data, shape } = (value ?? {}) as { data?: unknown; shape?: unknown };
  if (!isIntegerRow(data) || !Array.isArray(shape)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} to be rows of integers or integers with a shape N×T, got ${describe(value)}`,
    );
  }
  const [N, T] = expectGridShape(name, shape);
  if (data.length !== N * T) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} of shape ${formatShape([N, T])} to have ${N * T} elements, got ${data.length}`,
    );
  }
  return { rows: (n) => ({ row: data, from: n * T }), N, T };
}

function expectGridShape(name: string, shape: readonly unknown[]): [number, number] {
  if (shape.length !== 2 || !shape.every((length) => Number.isInteger(length) && (length as number) > 0)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected ${name} to have shape N×T with positive N and T, got ${formatShape(shape.map(describe))}`,
    );
  }
  return [shape[0] as number, shape[1] as number];
}

function isIntegerRow(value: unknown): value is IntegerRow {
  return Array.isArray(value) || value instanceof Int32Array || value instanceof Uint32Array;
}

/**
 * @param names - of the options that the layer has
 * @throws ERR_TIMERNN_OPTION unless `options` is an object with none but these
 */
export function expectOptions(layer: string, options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected the options of ${layer} to be an object, got ${describe(options)}`,
    );
  }
  checkNames(options, names, layer);
}

/** @throws ERR_TIMERNN_OPTION unless `value` is true or false */
export function expectBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be a boolean, got ${describe(value)}`);
  }
  return value;
}

/** The seed as the addon takes it. @throws ERR_TIMERNN_OPTION unless it is an integer in [0, 2⁵³) */
export function expectSeed(seed: unknown): bigint {
  return BigInt(expectInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER));
}

/** What backward needs from the last forward. @throws ERR_TIMERNN_STATE when there was none */
export function expectForward<Kept>(layer: string, kept: Kept | undefined): Kept {
  if (kept === undefined) {
    throw new TimeRNNError(
      'ERR_TIMERNN_STATE',
      `Expected ${layer}.forward to be called before ${layer}.backward, got no forward pass`,
    );
  }
  return kept;
}

/** Runs a call into the addon; its coded errors come out as TimeRNNError. */
export function callNative<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw fromForeign(error);
  }
}

/** A copy of `source`, in `buffer` where that has the right length: a fresh large array costs page faults each call. */
export function keep(buffer: Float32Array | undefined, source: Float32Array): Float32Array {
  if (buffer?.length !== source.length) return source.slice();
  buffer.set(source);
  return buffer;
}
