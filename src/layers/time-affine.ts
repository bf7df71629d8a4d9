/**
 * TimeAffine: one affine map, applied at every step.
 */
import { expectInteger } from '../errors.js';
import { native } from '../native.js';
import { callNative, expectForward, expectOptions, expectSeed, expectTensor, keep } from './checks.js';
import { type NamedTensors, Tensor } from './tensor.js';

/** Options of {@link TimeAffine}. */
export interface TimeAffineOptions {
  /** Input size I. */
  inputSize: number;
  /** Output size O. */
  outputSize: number;
  /**
   * Seed of the initialisation: an integer in [0, 2⁵³).
   * @default 1
   */
  seed?: number;
}

const NAMES: readonly string[] = ['inputSize', 'outputSize', 'seed'] satisfies (keyof TimeAffineOptions)[];

/** Parameters of a {@link TimeAffine}, or their gradients. */
export interface AffineTensors extends NamedTensors {
  /** I×O. */
  readonly W: Tensor;
  /** O. */
  readonly b: Tensor;
}

/**
 * ys[n, t] = xs[n, t]·W + b, all N·T rows in one product.
 *
 * W starts uniform in ±1/√I, b zero. Inputs are copied for the backward pass and what is returned is fresh. `backward`
 * reads W as it is when it is called: update it after that.
 *
 * @example
 * ```ts
 * import { Tensor, TimeAffine } from 'timernn/layers';
 * const affine = new TimeAffine({ inputSize: 4, outputSize: 10, seed: 1 });
 * const ys = affine.forward(Tensor.zeros([2, 3, 4])); // 2×3×10
 * const dxs = affine.backward(ys); // 2×3×4; affine.grads now holds dW, db
 * console.log(dxs.shape, affine.grads.W.shape);
 * ```
 */
export class TimeAffine {
  /** W I×O, b O; may be written in place. */
  readonly params: AffineTensors;
  /** Gradients of `params`, overwritten by each `backward`; zeros before the first. */
  readonly grads: AffineTensors;
  readonly #I: number;
  readonly #O: number;
  #kept: { xs: Float32Array; N: number; T: number } | undefined;

  /** @throws ERR_TIMERNN_OPTION when a size is not a positive integer, the seed not an integer in [0, 2⁵³), or an option does not exist */
  constructor(options: TimeAffineOptions) {
    expectOptions('TimeAffine', options, NAMES);
    this.#I = expectInteger('inputSize', options.inputSize);
    this.#O = expectInteger('outputSize', options.outputSize);
    const seed = expectSeed(options.seed ?? 1);
    const range = 1 / Math.sqrt(this.#I);
    this.params = Object.freeze({ W: Tensor.zeros([this.#I, this.#O]), b: Tensor.zeros([this.#O]) });
    this.grads = Object.freeze({ W: Tensor.zeros([this.#I, this.#O]), b: Tensor.zeros([this.#O]) });
    callNative(() => native.uniform(this.params.W.data, -range, range, seed, 0));
  }

  /**
   * @param xs N×T×I
   * @returns ys N×T×O
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `xs` does not fit or is not finite
   */
  forward(xs: Tensor): Tensor {
    const [N, T] = expectTensor('xs', xs, ['N', 'T', this.#I]) as [number, number];
    const ys = Tensor.zeros([N, T, this.#O]);
    const { W, b } = this.params;
    callNative(() => native.affineForward(ys.data, xs.data, W.data, b.data, N * T, this.#I, this.#O));
    this.#kept = { xs: keep(this.#kept?.xs, xs.data), N, T };
    return ys;
  }

  /**
   * Backward through the last `forward`; overwrites `grads`.
   *
   * @param dys N×T×O, gradient of the loss at ys
   * @returns dxs N×T×I
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `dys` does not fit or is not finite
   */
  backward(dys: Tensor): Tensor {
    const { xs, N, T } = expectForward('TimeAffine', this.#kept);
    expectTensor('dys', dys, [N, T, this.#O]);
    const dxs = Tensor.zeros([N, T, this.#I]);
    const { W } = this.params;
    const d = this.grads;
    callNative(() =>
      native.affineBackward(dxs.data, d.W.data, d.b.data, dys.data, xs, W.data, N * T, this.#I, this.#O),
    );
    return dxs;
  }
}
