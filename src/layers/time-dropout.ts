/**
 * TimeDropout: sets a share of the numbers to zero while training, anew at each call.
 */
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import { callNative, expectBoolean, expectForward, expectOptions, expectSeed, expectTensor } from './checks.js';
import { Tensor } from './tensor.js';

/** Calls are numbered with 32 bits in the address of a mask. */
const MOST_CALLS = 2 ** 31 - 1;

/** Options of {@link TimeDropout}. */
export interface TimeDropoutOptions {
  /** Share of the numbers that is dropped, in [0, 1). @default 0.5 */
  ratio?: number;
  /**
   * Drops the same units at every step of a window (variational dropout; Gal & Ghahramani 2016), instead of others at
   * each.
   * @default false
   */
  locked?: boolean;
  /**
   * Seed of the masks: an integer in [0, 2⁵³). Give each layer one of its own: layers with the same seed drop the same
   * units at the same call.
   * @default 1
   */
  seed?: number;
}

const NAMES: readonly string[] = ['ratio', 'locked', 'seed'] satisfies (keyof TimeDropoutOptions)[];

/**
 * ys = xs ⊙ mask / (1 − ratio), with a new mask at each forward pass; outside of training ys = xs.
 *
 * Masks are numbered: the same seed gives the same masks in the same order.
 *
 * @example
 * ```ts
 * import { Tensor, TimeDropout } from 'timernn/layers';
 * const dropout = new TimeDropout({ ratio: 0.5, locked: true });
 * const ys = dropout.forward(new Tensor(new Float32Array(24).fill(1), [2, 3, 4])); // zeros and twos
 * const dxs = dropout.backward(ys);
 * dropout.training = false; // from now on forward returns what it is given
 * console.log(ys.shape, dxs.shape);
 * ```
 */
export class TimeDropout {
  /** Whether anything is dropped. Set it to false before a model is asked. @default true */
  training = true;
  /** None: dropout learns nothing. Here so that loops over layers need no exception. */
  readonly params = Object.freeze({});
  /** None. */
  readonly grads = Object.freeze({});
  readonly #ratio: number;
  readonly #locked: boolean;
  readonly #seed: bigint;
  #calls = 0;
  #kept: { keep: Uint8Array | undefined; shape: number[] } | undefined;

  /** @throws ERR_TIMERNN_OPTION when ratio is not in [0, 1), locked not a boolean, the seed not an integer in [0, 2⁵³), or an option does not exist */
  constructor(options: TimeDropoutOptions = {}) {
    expectOptions('TimeDropout', options, NAMES);
    const { ratio = 0.5, locked = false, seed = 1 } = options;
    if (typeof ratio !== 'number' || !(ratio >= 0 && ratio < 1)) {
      throw new TimeRNNError(
        'ERR_TIMERNN_OPTION',
        `Expected ratio to be a number of at least 0 and below 1, got ${describe(ratio)}`,
      );
    }
    this.#ratio = ratio;
    this.#locked = expectBoolean('locked', locked);
    this.#seed = expectSeed(seed);
  }

  /**
   * @param xs N×T×D
   * @returns N×T×D, fresh
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `xs` does not fit or is not finite
   */
  forward(xs: Tensor): Tensor {
    const shape = expectTensor('xs', xs, ['N', 'T', 'D']);
    const [N, T, D] = shape as [number, number, number];
    const ys = Tensor.zeros([N, T, D]);
    if (!expectBoolean('training', this.training)) {
      ys.data.set(xs.data);
      this.#kept = { keep: undefined, shape };
      return ys;
    }
    const call = expectInteger('calls', this.#calls, 0, MOST_CALLS);
    const keep = new Uint8Array(xs.data.length);
    const [ratio, seed, locked] = [this.#ratio, this.#seed, this.#locked];
    callNative(() => native.dropoutForward(ys.data, keep, xs.data, ratio, seed, N, T, D, call, locked));
    this.#calls++;
    this.#kept = { keep, shape };
    return ys;
  }

  /**
   * Backward through the last `forward`.
   *
   * @param dys N×T×D, gradient of the loss at ys
   * @returns dxs N×T×D
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `dys` does not fit or is not finite
   */
  backward(dys: Tensor): Tensor {
    const { keep, shape } = expectForward('TimeDropout', this.#kept);
    expectTensor('dys', dys, shape);
    const dxs = Tensor.zeros(shape);
    if (keep === undefined) dxs.data.set(dys.data);
    else callNative(() => native.dropoutBackward(dxs.data, dys.data, keep, this.#ratio));
    return dxs;
  }
}
