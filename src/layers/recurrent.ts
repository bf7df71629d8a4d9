/**
 * What RNN and TimeRNN share: parameters, gradients, and the tanh recurrence over a window with what backward needs.
 * Refuses to do: carry a state from call to call (TimeRNN does that) and check its arguments (both layers do).
 */
import { expectInteger } from '../errors.js';
import { native } from '../native.js';
import type { WindowDims } from '../native-types.js';
import { callNative, expectForward, expectOptions, expectSeed, keep } from './checks.js';
import { Tensor } from './tensor.js';

/** Options of a tanh RNN layer. */
export interface RNNOptions {
  /** Input size D, a positive integer. */
  inputSize: number;
  /** Hidden size H, a positive integer. */
  hiddenSize: number;
  /**
   * Seed of the initialisation: an integer in [0, 2⁵³).
   * @default 1
   */
  seed?: number;
}

/** Parameters of a tanh RNN, or their gradients. Write to `data` in place to replace them. */
export interface RecurrentTensors {
  /** D×H: input to hidden. */
  readonly Wx: Tensor;
  /** H×H: hidden to hidden. */
  readonly Wh: Tensor;
  /** H: bias. */
  readonly b: Tensor;
}

interface Kept {
  dims: WindowDims;
  xs: Float32Array;
  hs: Float32Array;
  h0: Float32Array;
}

/** The recurrence h_t = tanh(h_{t−1}·Wh + x_t·Wx + b) over N×T×· arrays that are already checked. */
export class Recurrence {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly params: RecurrentTensors;
  readonly grads: RecurrentTensors;
  readonly #layer: string;
  #kept: Kept | undefined;

  constructor(layer: string, options: RNNOptions) {
    expectOptions(layer, options);
    this.#layer = layer;
    this.inputSize = expectInteger('inputSize', options.inputSize);
    this.hiddenSize = expectInteger('hiddenSize', options.hiddenSize);
    const seed = expectSeed(options.seed ?? 1);
    this.params = zeros(this.inputSize, this.hiddenSize);
    this.grads = zeros(this.inputSize, this.hiddenSize);
    const { Wx, Wh, b } = this.params;
    callNative(() => native.initialiseCell(Wx.data, Wh.data, b.data, 'rnn', this.inputSize, this.hiddenSize, seed));
  }

  /** Dims of the last forward pass. @throws ERR_TIMERNN_STATE when there was none */
  get dims(): WindowDims {
    return expectForward(this.#layer, this.#kept).dims;
  }

  /** hs N×T×H, the layer's own array: it is read by backward, so callers hand out copies. xs and h0 are copied. */
  forward(xs: Float32Array, h0: Float32Array, N: number, T: number): Float32Array {
    const dims = { N, T, D: this.inputSize, H: this.hiddenSize };
    const old = this.#kept;
    this.#kept = undefined; // a native error must not leave half of a new pass under the old dims
    const size = N * T * dims.H;
    const kept: Kept = {
      dims,
      xs: keep(old?.xs, xs),
      hs: old?.hs.length === size ? old.hs : new Float32Array(size),
      h0: keep(old?.h0, h0),
    };
    const { Wx, Wh, b } = this.params;
    callNative(() => native.rnnForward(kept.hs, kept.xs, kept.h0, Wx.data, Wh.data, b.data, dims));
    this.#kept = kept;
    return kept.hs;
  }

  /** Overwrites the gradients; returns fresh arrays: dxs N×T×D and dh0 N×H. */
  backward(dhs: Float32Array, dhNext: Float32Array): { dxs: Float32Array; dh0: Float32Array } {
    const { dims, xs, hs, h0 } = expectForward(this.#layer, this.#kept);
    const dxs = new Float32Array(xs.length);
    const dh0 = new Float32Array(h0.length);
    const { Wx, Wh } = this.params;
    const d = this.grads;
    callNative(() =>
      native.rnnBackward(dxs, dh0, d.Wx.data, d.Wh.data, d.b.data, dhs, dhNext, xs, hs, h0, Wx.data, Wh.data, dims),
    );
    return { dxs, dh0 };
  }
}

function zeros(D: number, H: number): RecurrentTensors {
  return Object.freeze({ Wx: Tensor.zeros([D, H]), Wh: Tensor.zeros([H, H]), b: Tensor.zeros([H]) });
}
