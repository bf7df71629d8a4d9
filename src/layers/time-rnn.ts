/**
 * TimeRNN: the plain RNN over a window of T steps, with a state that may be carried from window to window.
 */
import { CarriedRecurrence, TIME_RECURRENT_NAMES, type TimeRecurrentOptions } from './carried.js';
import type { RecurrentTensors } from './recurrent.js';
import { type RNNOptions, rnnCell } from './rnn-options.js';
import type { Tensor } from './tensor.js';

/** Options of {@link TimeRNN}. */
export interface TimeRNNOptions extends RNNOptions, TimeRecurrentOptions {}

/** What {@link TimeRNN.backward} returns. */
export interface TimeRNNGradients {
  /** N×T×D: gradient of the loss at the inputs. */
  dxs: Tensor;
  /** N×H: gradient of the loss at the state before the window's first step. */
  dhPrev: Tensor;
}

/**
 * An RNN unrolled over a window of T steps: h_t = tanh(h_{t−1}·Wh + x_t·Wx + b), or relu of it.
 *
 * The forward pass of a stateful layer carries h from call to call and never cuts it; the backward pass stops at the
 * window's edge (truncated BPTT): no gradient of one window flows into the window before.
 *
 * Wx starts uniform in ±1/√D, Wh orthogonal, b zero. Inputs are copied for the backward pass and what is returned is
 * fresh, so neither can be changed behind your back. `backward` reads the parameters as they are when it is called:
 * update them after it.
 *
 * @example
 * ```ts
 * import { Tensor, TimeRNN } from 'timernn/layers';
 * const rnn = new TimeRNN({ inputSize: 3, hiddenSize: 4, stateful: true, seed: 1 });
 * const xs = Tensor.zeros([2, 5, 3]); // N = 2, T = 5, D = 3
 * const hs = rnn.forward(xs); // 2×5×4; the next call goes on from hs[:, 4]
 * const { dxs } = rnn.backward(hs); // 2×5×3; rnn.grads now holds dWx, dWh, db
 * rnn.resetState(); // the next window starts from zeros
 * console.log(dxs.shape, rnn.dh?.shape);
 * ```
 */
export class TimeRNN {
  /** Wx D×H, Wh H×H, b H; may be written in place. */
  readonly params: RecurrentTensors;
  /** Gradients of `params`, overwritten by each `backward`; zeros before the first. */
  readonly grads: RecurrentTensors;
  /** Whether the state is carried from call to call. */
  readonly stateful: boolean;
  readonly #carried: CarriedRecurrence<RecurrentTensors>;

  /**
   * @throws ERR_TIMERNN_OPTION when a size is not a positive integer, `stateful` not a boolean, the seed not an integer
   * in [0, 2⁵³), the activation unknown, or an option does not exist
   */
  constructor(options: TimeRNNOptions) {
    const cell = rnnCell('TimeRNN', options, TIME_RECURRENT_NAMES);
    this.#carried = new CarriedRecurrence('TimeRNN', cell, options);
    this.stateful = this.#carried.stateful;
    this.params = this.#carried.recurrence.params;
    this.grads = this.#carried.recurrence.grads;
  }

  /** N×H, a copy: the state after the last step, or the one that was set; undefined before the first and after a reset. */
  get h(): Tensor | undefined {
    return this.#carried.state(0);
  }

  /** N×H, a copy: dhPrev of the last `backward`, for the encoder of a sequence-to-sequence model; undefined before it. */
  get dh(): Tensor | undefined {
    return this.#carried.dstate(0);
  }

  /**
   * Sets the state that the next `forward` starts from, in a stateful layer or not. A layer that is not stateful uses
   * it once and then starts from zeros again.
   *
   * @param h N×H, copied
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `h` does not fit or is not finite
   */
  setState(h: Tensor): void {
    this.#carried.setState(h);
  }

  /** Forgets the state: the next `forward` starts from zeros, with any number of rows. */
  resetState(): void {
    this.#carried.resetState();
  }

  /**
   * @param xs N×T×D
   * @returns hs N×T×H
   * @throws ERR_TIMERNN_SHAPE when xs is not N×T×D, or has not as many rows as the state that is carried
   * @throws ERR_TIMERNN_NOT_FINITE when xs holds NaN or an infinity, with its first index
   */
  forward(xs: Tensor): Tensor {
    return this.#carried.forward(xs);
  }

  /**
   * Backward through the window of the last `forward`; overwrites `grads` and `dh`.
   *
   * It returns both gradients, as the one-step {@link RNN} does; a layer stack that needs the first alone writes
   * `const { dxs } = rnn.backward(dhs)`.
   *
   * @param dhs N×T×H, gradient of the loss at hs
   * @param dhNext N×H, gradient that reaches the state after the last step from beyond the window, e.g. from a decoder
   * that starts from it. Zeros if left out, as truncated BPTT has it.
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when a gradient does not fit or is not finite
   */
  backward(dhs: Tensor, dhNext?: Tensor): TimeRNNGradients {
    const { dxs, previous } = this.#carried.backward(dhs, dhNext);
    return { dxs, dhPrev: previous[0]! };
  }
}
