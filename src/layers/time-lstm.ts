/**
 * TimeLSTM: the LSTM over a window of T steps, with a state (h and c) that may be carried from window to window.
 */
import { CarriedRecurrence, TIME_RECURRENT_NAMES, type TimeRecurrentOptions } from './carried.js';
import { expectOptions } from './checks.js';
import type { RecurrentTensors } from './recurrent.js';
import type { Tensor } from './tensor.js';

/** Options of {@link TimeLSTM}. */
export interface TimeLSTMOptions extends TimeRecurrentOptions {}

/** What {@link TimeLSTM.backward} returns. */
export interface TimeLSTMGradients {
  /** N×T×D: gradient of the loss at the inputs. */
  dxs: Tensor;
  /** N×H: gradient of the loss at the hidden state before the window's first step. */
  dhPrev: Tensor;
  /** N×H: gradient of the loss at the cell state before the window's first step. */
  dcPrev: Tensor;
}

/**
 * An LSTM unrolled over a window of T steps.
 *
 * [i f g o] = h_{t−1}·Wh + x_t·Wx + b, i, f and o through the sigmoid, g through tanh;
 * c_t = f ⊙ c_{t−1} + i ⊙ g; h_t = o ⊙ tanh(c_t). The gates stand in PyTorch's order i, f, g, o (the book's is
 * f, g, i, o), so weights move to and from PyTorch by transposition; its two biases add up to b.
 *
 * The forward pass of a stateful layer carries h and c from call to call and never cuts them; the backward pass stops at
 * the window's edge (truncated BPTT).
 *
 * Wx starts uniform in ±1/√D, Wh in ±1/√H, b zero but for the forget gate's quarter, which is 1. Inputs are copied for
 * the backward pass and what is returned is fresh, so neither can be changed behind your back. `backward` reads the
 * parameters as they are when it is called: update them after it.
 *
 * @example
 * ```ts
 * import { Tensor, TimeLSTM } from 'timernn/layers';
 * const lstm = new TimeLSTM({ inputSize: 3, hiddenSize: 4, stateful: true, seed: 1 });
 * const xs = Tensor.zeros([2, 5, 3]); // N = 2, T = 5, D = 3
 * const hs = lstm.forward(xs); // 2×5×4; the next call goes on from lstm.h and lstm.c
 * const { dxs, dhPrev, dcPrev } = lstm.backward(hs); // lstm.grads now holds dWx, dWh, db
 * lstm.setState(dhPrev, dcPrev); // any two 2×4 tensors
 * console.log(dxs.shape, lstm.params.Wx.shape); // 2×5×3, 3×16
 * ```
 */
export class TimeLSTM {
  /** Wx D×4H, Wh H×4H, b 4H; may be written in place. */
  readonly params: RecurrentTensors;
  /** Gradients of `params`, overwritten by each `backward`; zeros before the first. */
  readonly grads: RecurrentTensors;
  /** Whether the state is carried from call to call. */
  readonly stateful: boolean;
  readonly #carried: CarriedRecurrence<RecurrentTensors>;

  /**
   * @throws ERR_TIMERNN_OPTION when a size is not a positive integer, `stateful` not a boolean, the seed not an
   * integer in [0, 2⁵³), or an option does not exist
   */
  constructor(options: TimeLSTMOptions) {
    expectOptions('TimeLSTM', options, TIME_RECURRENT_NAMES);
    this.#carried = new CarriedRecurrence('TimeLSTM', 'lstm', options);
    this.stateful = this.#carried.stateful;
    this.params = this.#carried.recurrence.params;
    this.grads = this.#carried.recurrence.grads;
  }

  /** N×H, a copy: the state after the last step, or the one that was set; undefined before the first and after a reset. */
  get h(): Tensor | undefined {
    return this.#carried.state(0);
  }

  /** N×H, a copy: the cell state, as `h`. */
  get c(): Tensor | undefined {
    return this.#carried.state(1);
  }

  /** N×H, a copy: dhPrev of the last `backward`, for the encoder of a sequence-to-sequence model; undefined before it. */
  get dh(): Tensor | undefined {
    return this.#carried.dstate(0);
  }

  /** N×H, a copy: dcPrev of the last `backward`; undefined before it. */
  get dc(): Tensor | undefined {
    return this.#carried.dstate(1);
  }

  /**
   * Sets the state that the next `forward` starts from, in a stateful layer or not. A layer that is not stateful uses
   * it once and then starts from zeros again.
   *
   * @param h N×H, copied
   * @param c N×H, copied
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `h` or `c` does not fit or is not finite
   */
  setState(h: Tensor, c: Tensor): void {
    this.#carried.setState(h, c);
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
   * Backward through the window of the last `forward`; overwrites `grads`, `dh` and `dc`.
   *
   * @param dhs N×T×H, gradient of the loss at hs
   * @param dhNext N×H, gradient that reaches the state after the last step from beyond the window, e.g. from a decoder
   * that starts from it. Zeros if left out, as truncated BPTT has it.
   * @param dcNext N×H, the same for the cell state
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when a gradient does not fit or is not finite
   */
  backward(dhs: Tensor, dhNext?: Tensor, dcNext?: Tensor): TimeLSTMGradients {
    const { dxs, previous } = this.#carried.backward(dhs, dhNext, dcNext);
    return { dxs, dhPrev: previous[0]!, dcPrev: previous[1]! };
  }
}
