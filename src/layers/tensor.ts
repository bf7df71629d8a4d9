/**
 * The tensor of the layers API: a shape over a Float32Array.
 * Refuses to do: arithmetic, broadcasting, views with strides; the layers do their mathematics in the addon.
 */
import { describe, TimeRNNError } from '../errors.js';

/** Checks that a {@link Tensor} makes when it is built. */
export interface TensorOptions {
  /**
   * Refuse NaN and infinite elements.
   * @default false
   */
  finite?: boolean;
}

/**
 * A dense row-major array of 32-bit floats: the last index runs fastest, and element [n, t, d] of a tensor of shape
 * N×T×D is `data[(n·T + t)·D + d]`.
 *
 * The tensor does not copy `data`: a later write to that array is a write to the tensor.
 *
 * @example
 * ```ts
 * import { Tensor } from 'timernn/layers';
 * const xs = new Tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 2, 3]); // N = 1, T = 2, D = 3
 * console.log(xs.at(0, 1, 2)); // 6
 * ```
 */
export class Tensor {
  /** The elements, row-major. */
  readonly data: Float32Array;
  /** Length of each dimension; frozen. */
  readonly shape: readonly number[];

  /**
   * @param data the elements; kept, not copied
   * @param shape positive integers whose product is `data.length`
   * @throws ERR_TIMERNN_SHAPE when data is no Float32Array or does not have as many elements as the shape says
   * @throws ERR_TIMERNN_NOT_FINITE when `finite` is asked for and an element is NaN or infinite
   */
  constructor(data: Float32Array, shape: readonly number[], options: TensorOptions = {}) {
    if (!(data instanceof Float32Array)) {
      throw new TimeRNNError('ERR_TIMERNN_SHAPE', `Expected data to be a Float32Array, got ${describe(data)}`);
    }
    const size = sizeOf(shape);
    if (data.length !== size) {
      throw new TimeRNNError(
        'ERR_TIMERNN_SHAPE',
        `Expected data of shape ${formatShape(shape)} to have ${size} elements, got ${data.length}`,
      );
    }
    this.data = data;
    this.shape = Object.freeze([...shape]);
    if (options.finite) expectFinite('data', this);
  }

  /**
   * A new tensor of zeros.
   *
   * @throws ERR_TIMERNN_SHAPE when the shape is not a list of positive integers or is too large to be allocated
   *
   * @example
   * ```ts
   * import { Tensor } from 'timernn/layers';
   * const h = Tensor.zeros([3, 8]); // N = 3, H = 8
   * ```
   */
  static zeros(shape: readonly number[]): Tensor {
    const size = sizeOf(shape);
    return new Tensor(allocate(size, shape), shape);
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }

  /** A copy that shares nothing with this tensor. */
  clone(): Tensor {
    return new Tensor(this.data.slice(), this.shape);
  }

  /**
   * One element.
   *
   * @param index one integer for each dimension, from 0
   * @throws ERR_TIMERNN_SHAPE when the index lies outside the shape
   */
  at(...index: number[]): number {
    const inside =
      index.length === this.shape.length &&
      index.every((i, axis) => Number.isInteger(i) && i >= 0 && i < (this.shape[axis] as number));
    if (!inside) {
      throw new TimeRNNError(
        'ERR_TIMERNN_SHAPE',
        `Expected an index inside ${formatShape(this.shape)}, got [${index.join(', ')}]`,
      );
    }
    const offset = index.reduce((sum, i, axis) => sum * (this.shape[axis] as number) + i, 0);
    return this.data[offset] as number;
  }
}

/** Parameters or gradients of a layer by name: what a loop over `Object.entries(layer.params)` needs. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** `[3, 5, 2]` as `3×5×2`, the way every message prints a shape. */
export function formatShape(shape: readonly (number | string)[]): string {
  return shape.join('×');
}

/** @throws ERR_TIMERNN_NOT_FINITE with the tensor's name and the index of its first NaN or infinite element. */
export function expectFinite(name: string, { data, shape }: Tensor): void {
  if (allFinite(data)) return;
  const flat = data.findIndex((value) => !Number.isFinite(value));
  const index: number[] = [];
  for (let axis = shape.length - 1, rest = flat; axis >= 0; axis--) {
    const length = shape[axis] as number;
    index.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  throw new TimeRNNError(
    'ERR_TIMERNN_NOT_FINITE',
    `Expected ${name} to be finite, got ${data[flat]} at [${index.join(', ')}]`,
  );
}

/**
 * One NaN or infinity makes the sum so, and finite floats cannot: 3.4e38 times any length stays far below the largest
 * double. Four sums side by side, because this reads every input and a single one would wait for each addition.
 */
function allFinite(data: Float32Array): boolean {
  const whole = data.length - (data.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += data[i] as number;
    b += data[i + 1] as number;
    c += data[i + 2] as number;
    d += data[i + 3] as number;
  }
  for (let i = whole; i < data.length; i++) a += data[i] as number;
  return Number.isFinite(a + b + c + d);
}

function sizeOf(shape: readonly number[]): number {
  const valid =
    Array.isArray(shape) && shape.length > 0 && shape.every((length) => Number.isInteger(length) && length > 0);
  if (!valid) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected shape to be a list of positive integers, got ${describe(shape)}`,
    );
  }
  return shape.reduce((product, length) => product * length, 1);
}

function allocate(size: number, shape: readonly number[]): Float32Array {
  try {
    return new Float32Array(size);
  } catch (cause) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected a tensor that fits in memory, got ${formatShape(shape)} (${(size * 4) / 2 ** 30} GiB)`,
      { cause },
    );
  }
}
