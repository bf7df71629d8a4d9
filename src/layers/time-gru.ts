/**
 * TimeGRU: the GRU over a window of T steps, with a state that may be carried from window to window.
 */
import { nativeCell } from '../models/spec.js';
import { CarriedRecurrence, TIME_RECURRENT_NAMES, type TimeRecurrentOptions } from './carried.js';
import { expectBoolean, expectOptions } from './checks.js';
import type { RecurrentTensors } from './recurrent.js';
import type { Tensor } from './tensor.js';

/** Options of {@link TimeGRU}. */
export interface TimeGRUOptions extends TimeRecurrentOptions {
  /**
   * Where the reset gate acts: after the recurrent product (PyTorch's form) or before it (the book's).
   * @default true
   */
  resetAfter?: boolean;
}

/** Parameters of a {@link TimeGRU}, or their gradients. */
export type GRUTensors = RecurrentTensors & {
  /** H: bias of the recurrent product of n, inside the reset gate. There with `resetAfter` only. */
  readonly bn?: Tensor;
};

/** What {@link TimeGRU.backward} returns. */
export interface TimeGRUGradients {
  /** N×T×D: gradient of the loss at the inputs. */
  dxs: Tensor;
  /** N×H: gradient of the loss at the state before the window's first step. */
  dhPrev: Tensor;
}

/**
 * A GRU unrolled over a window of T steps.
 *
 * r = σ(x·Wxr + h·Whr + br), z = σ(x·Wxz + h·Whz + bz), n = tanh(x·Wxn + bxn + r ⊙ (h·Whn + bn)),
 * h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}. With `resetAfter: false`, n = tanh(x·Wxn + bn + (r ⊙ h)·Whn). The gates stand in
 * PyTorch's order r, z, n, so weights move to and from PyTorch by transposition: of its two biases, those of r and z add
 * up to b's; n keeps the input's in b and the recurrent one in bn. The book writes 1 − z where this writes z: turn the
 * sign of its z columns.
 *
 * The forward pass of a stateful layer carries h from call to call and never cuts it; the backward pass stops at the
 * window's edge (truncated BPTT).
 *
 * Wx starts uniform in ±1/√D, Wh in ±1/√H, the biases zero. Inputs are copied for the backward pass and what is
 * returned is fresh, so neither can be changed behind your back. `backward` reads the parameters as they are when it is
 * called: update them after it.
 *
 * @example
 * ```ts
 * import { Tensor, TimeGRU } from 'timernn/layers';
 * const gru = new TimeGRU({ inputSize: 3, hiddenSize: 4, stateful: true, seed: 1 });
 * const xs = Tensor.zeros([2, 5, 3]); // N = 2, T = 5, D = 3
 * const hs = gru.forward(xs); // 2×5×4; the next call goes on from gru.h
 * const { dxs } = gru.backward(hs); // gru.grads now holds dWx, dWh, db, dbn
 * console.log(dxs.shape, gru.params.Wx.shape); // 2×5×3, 3×12
 * ```
 */
export class TimeGRU {
  /** Wx D×3H, Wh H×3H, b 3H, bn H; may be written in place. */
  readonly params: GRUTensors;
  /** Gradients of `params`, overwritten by each `backward`; zeros before the first. */
  readonly grads: GRUTensors;
  /** Whether the state is carried from call to call. */
  readonly stateful: boolean;
  readonly #carried: CarriedRecurrence<GRUTensors>;

  /**
   * @throws ERR_TIMERNN_OPTION when a size is not a positive integer, `stateful` or `resetAfter` not a boolean or the
   * seed not an integer in [0, 2⁵³)
   */
  constructor(options: TimeGRUOptions) {
    this.#carried = new CarriedRecurrence('TimeGRU', gruCell(options), options);
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
   * @param dhs N×T×H, gradient of the loss at hs
   * @param dhNext N×H, gradient that reaches the state after the last step from beyond the window, e.g. from a decoder
   * that starts from it. Zeros if left out, as truncated BPTT has it.
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when a gradient does not fit or is not finite
   */
  backward(dhs: Tensor, dhNext?: Tensor): TimeGRUGradients {
    const { dxs, previous } = this.#carried.backward(dhs, dhNext);
    return { dxs, dhPrev: previous[0]! };
  }
}

function gruCell(options: TimeGRUOptions): string {
  expectOptions('TimeGRU', options, [...TIME_RECURRENT_NAMES, 'resetAfter' satisfies keyof TimeGRUOptions]);
  return nativeCell({ cell: 'gru', size: 1, resetAfter: expectBoolean('resetAfter', options.resetAfter ?? true) });
}
