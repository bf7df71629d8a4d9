/**
 * RNN: one step of the plain RNN cell.
 */
import { expectTensor } from './checks.js';
import { RECURRENT_NAMES, Recurrence, type RecurrentTensors } from './recurrent.js';
import { type RNNOptions, rnnCell } from './rnn-options.js';
import { Tensor } from './tensor.js';

/** What {@link RNN.backward} returns. */
export interface RNNGradients {
  /** N×D: gradient of the loss at the input. */
  dx: Tensor;
  /** N×H: gradient of the loss at the previous hidden state. */
  dhPrev: Tensor;
}

/**
 * One step of an RNN: h = tanh(hPrev·Wh + x·Wx + b), or relu of it.
 *
 * Wx starts uniform in ±1/√D, Wh orthogonal, b zero. Inputs are copied for the backward pass and what is returned is
 * fresh, so neither can be changed behind your back. `backward` reads the parameters as they are when it is called:
 * update them after it.
 *
 * @example
 * ```ts
 * import { RNN, Tensor } from 'timernn/layers';
 * const rnn = new RNN({ inputSize: 3, hiddenSize: 4, seed: 1 });
 * const x = new Tensor(Float32Array.of(1, 0, 0, 0, 1, 0), [2, 3]); // N = 2, D = 3
 * const h = rnn.forward(x, Tensor.zeros([2, 4])); // 2×4
 * const { dx, dhPrev } = rnn.backward(h); // 2×3, 2×4; rnn.grads now holds dWx, dWh, db
 * console.log(dx.shape, dhPrev.shape, rnn.grads.Wx.shape);
 * ```
 */
export class RNN {
  /** Wx D×H, Wh H×H, b H; may be written in place. */
  readonly params: RecurrentTensors;
  /** Gradients of `params`, overwritten by each `backward`; zeros before the first. */
  readonly grads: RecurrentTensors;
  readonly #recurrence: Recurrence;

  /**
   * @throws ERR_TIMERNN_OPTION when a size is not a positive integer, the seed not an integer in [0, 2⁵³), the
   * activation unknown, or an option does not exist
   */
  constructor(options: RNNOptions) {
    this.#recurrence = new Recurrence('RNN', rnnCell('RNN', options, RECURRENT_NAMES), options);
    this.params = this.#recurrence.params;
    this.grads = this.#recurrence.grads;
  }

  /**
   * @param x N×D
   * @param hPrev N×H
   * @returns h N×H
   * @throws ERR_TIMERNN_SHAPE when a shape does not fit, with tensor, expected and got
   * @throws ERR_TIMERNN_NOT_FINITE when an input holds NaN or an infinity, with its first index
   */
  forward(x: Tensor, hPrev: Tensor): Tensor {
    const { inputSize, hiddenSize } = this.#recurrence;
    const [N] = expectTensor('x', x, ['N', inputSize]) as [number];
    expectTensor('hPrev', hPrev, [N, hiddenSize]);
    return new Tensor(this.#recurrence.forward(x.data, hPrev.data, N, 1).end, [N, hiddenSize]);
  }

  /**
   * Backward through the last `forward`; overwrites `grads`.
   *
   * @param dh N×H, gradient of the loss at h
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `dh` does not fit or is not finite
   */
  backward(dh: Tensor): RNNGradients {
    const { N, D, H } = this.#recurrence.dims;
    expectTensor('dh', dh, [N, H]);
    const { dxs, dstate } = this.#recurrence.backward(dh.data, new Float32Array(N * H));
    return { dx: new Tensor(dxs, [N, D]), dhPrev: new Tensor(dstate, [N, H]) };
  }
}
