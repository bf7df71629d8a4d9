/**
 * TimeSoftmaxWithLoss: softmax and mean cross-entropy over a window.
 */
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import {
  callNative,
  expectForward,
  expectIds,
  expectOptions,
  expectTensor,
  type Grid,
  type IntegerGrid,
} from './checks.js';
import { Tensor } from './tensor.js';

/** Options of {@link TimeSoftmaxWithLoss}. */
export interface TimeSoftmaxWithLossOptions {
  /**
   * Label of the steps that do not count: they add nothing to the loss, and their gradient is zero. Any 32-bit integer.
   * @default -1
   */
  ignoreLabel?: number;
}

const NAMES: readonly string[] = ['ignoreLabel'] satisfies (keyof TimeSoftmaxWithLossOptions)[];

/**
 * Softmax over V scores a step, and the mean negative log-likelihood of the labels in nats, over the steps that count.
 *
 * It is finite for any finite scores, also where probabilities underflow; where no step counts, loss and gradient are 0.
 * The perplexity is exp(loss). What is returned is fresh, and no input is read after the call.
 *
 * @example
 * ```ts
 * import { Tensor, TimeSoftmaxWithLoss } from 'timernn/layers';
 * const criterion = new TimeSoftmaxWithLoss();
 * const loss = criterion.forward(Tensor.zeros([1, 2, 10]), [[3, -1]]); // ln 10: one step counts
 * const dxs = criterion.backward(); // 1×2×10, zeros at the step that is ignored
 * console.log(Math.exp(loss), dxs.shape); // perplexity 10
 * ```
 */
export class TimeSoftmaxWithLoss {
  /** Label of the steps that do not count. */
  readonly ignoreLabel: number;
  #kept: { probs: Float32Array; labels: Grid; V: number } | undefined;

  /** @throws ERR_TIMERNN_OPTION when `ignoreLabel` is not a 32-bit integer, or an option does not exist */
  constructor(options: TimeSoftmaxWithLossOptions = {}) {
    expectOptions('TimeSoftmaxWithLoss', options, NAMES);
    this.ignoreLabel = expectInteger('ignoreLabel', options.ignoreLabel ?? -1, -(2 ** 31));
  }

  /**
   * @param xs N×T×V scores (logits)
   * @param labels N×T integers in [0, V), or `ignoreLabel`
   * @returns mean negative log-likelihood in nats over the steps that count; 0 where none does
   * @throws ERR_TIMERNN_SHAPE when xs is not N×T×V or labels not N×T
   * @throws ERR_TIMERNN_NOT_FINITE when xs holds NaN or an infinity, with its first index
   * @throws ERR_TIMERNN_TOKEN when a label is neither an integer in [0, V) nor `ignoreLabel`, with its position
   */
  forward(xs: Tensor, labels: IntegerGrid): number {
    const [N, T, V] = expectTensor('xs', xs, ['N', 'T', 'V']) as [number, number, number];
    const grid = expectIds('labels', labels, V, this.ignoreLabel, [N, T]);
    const old = this.#kept;
    this.#kept = undefined; // a native error must not leave new probabilities beside old labels
    const probs = old?.probs.length === xs.size ? old.probs : new Float32Array(xs.size);
    const loss = callNative(() => native.softmaxLossForward(probs, xs.data, grid.data, this.ignoreLabel, N * T, V));
    this.#kept = { probs, labels: grid, V };
    return loss;
  }

  /**
   * Backward through the last `forward`.
   *
   * @param dout gradient at the loss
   * @returns dxs N×T×V: dout·(softmax − onehot)/count, zeros at the steps that are ignored
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_NOT_FINITE when `dout` is not a finite number
   */
  backward(dout = 1): Tensor {
    const { probs, labels, V } = expectForward('TimeSoftmaxWithLoss', this.#kept);
    if (!Number.isFinite(dout)) {
      throw new TimeRNNError('ERR_TIMERNN_NOT_FINITE', `Expected dout to be a finite number, got ${describe(dout)}`);
    }
    const { N, T } = labels;
    const dxs = Tensor.zeros([N, T, V]);
    callNative(() => native.softmaxLossBackward(dxs.data, probs, labels.data, this.ignoreLabel, dout, N * T, V));
    return dxs;
  }
}
