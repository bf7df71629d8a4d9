/**
 * What all recurrent layers share: parameters, gradients, and a cell's recurrence over a window with what backward needs.
 * Refuses to do: carry a state from call to call (`carried.ts` does that) and check its arguments (the layers do).
 */
import { expectInteger } from '../errors.js';
import { native } from '../native.js';
import type { WindowDims } from '../native-types.js';
import { callNative, expectForward, expectSeed, keep } from './checks.js';
import { type NamedTensors, Tensor } from './tensor.js';

/** Options of a recurrent layer. */
export interface RecurrentOptions {
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

/** Names of those options. */
export const RECURRENT_NAMES: readonly string[] = [
  'inputSize',
  'hiddenSize',
  'seed',
] satisfies (keyof RecurrentOptions)[];

/** Parameters of a recurrent layer with G gates, or their gradients. Write to `data` in place to replace them. */
export interface RecurrentTensors extends NamedTensors {
  /** D×G·H: input to hidden. */
  readonly Wx: Tensor;
  /** H×G·H: hidden to hidden. */
  readonly Wh: Tensor;
  /** G·H: bias. */
  readonly b: Tensor;
}

interface Kept {
  dims: WindowDims;
  xs: Float32Array;
  hs: Float32Array;
  state: Float32Array;
  ws: Float32Array;
}

/** A cell's recurrence over N×T×· arrays that are already checked. States are states×N×H, h first. */
export class Recurrence<Tensors extends object = RecurrentTensors> {
  readonly layer: string;
  readonly inputSize: number;
  readonly hiddenSize: number;
  /** State vectors a row: 1 (h) or 2 (h and c). */
  readonly states: number;
  readonly params: Tensors;
  readonly grads: Tensors;
  readonly #cell: string;
  readonly #params: Tensor[];
  readonly #grads: Tensor[];
  #kept: Kept | undefined;

  constructor(layer: string, cell: string, options: RecurrentOptions) {
    this.layer = layer;
    this.#cell = cell;
    this.inputSize = expectInteger('inputSize', options.inputSize);
    this.hiddenSize = expectInteger('hiddenSize', options.hiddenSize);
    const seed = expectSeed(options.seed ?? 1);
    const [D, H] = [this.inputSize, this.hiddenSize];
    const { states, tensors } = callNative(() => native.cellInfo(cell, D, H));
    this.states = states;
    const names = tensors.map(({ name }) => name);
    this.#params = tensors.map(({ shape }) => Tensor.zeros(shape));
    this.#grads = tensors.map(({ shape }) => Tensor.zeros(shape));
    const named = (list: Tensor[]) => Object.freeze(Object.fromEntries(names.map((name, i) => [name, list[i]!])));
    this.params = named(this.#params) as Tensors;
    this.grads = named(this.#grads) as Tensors;
    callNative(() => native.initialiseCell(dataOf(this.#params), cell, D, H, seed));
  }

  /** Dims of the last forward pass. @throws ERR_TIMERNN_STATE when there was none */
  get dims(): WindowDims {
    return expectForward(this.layer, this.#kept).dims;
  }

  /**
   * @returns hs N×T×H, the layer's own array: it is read by backward, so callers hand out copies; and the state after
   * the window, a fresh array. xs and state are copied.
   */
  forward(xs: Float32Array, state: Float32Array, N: number, T: number): { hs: Float32Array; end: Float32Array } {
    const dims = { N, T, D: this.inputSize, H: this.hiddenSize };
    const old = this.#kept;
    this.#kept = undefined; // a native error must not leave half of a new pass under the old dims
    const kept: Kept = {
      dims,
      xs: keep(old?.xs, xs),
      hs: sized(old?.hs, N * T * dims.H),
      state: keep(old?.state, state),
      ws: sized(
        old?.ws,
        callNative(() => native.cellWorkspace(this.#cell, dims)),
      ),
    };
    const end = new Float32Array(state.length);
    const params = dataOf(this.#params);
    callNative(() => native.cellForward(this.#cell, kept.hs, end, kept.ws, kept.xs, kept.state, params, dims));
    this.#kept = kept;
    return { hs: kept.hs, end };
  }

  /**
   * Overwrites the gradients.
   *
   * @param dnext gradient at the state after the window
   * @returns fresh arrays: dxs N×T×D, and the gradient at the state before the window
   */
  backward(dhs: Float32Array, dnext: Float32Array): { dxs: Float32Array; dstate: Float32Array } {
    const { dims, xs, hs, state, ws } = expectForward(this.layer, this.#kept);
    const dxs = new Float32Array(xs.length);
    const dstate = new Float32Array(state.length);
    const [params, grads] = [dataOf(this.#params), dataOf(this.#grads)];
    callNative(() => native.cellBackward(this.#cell, dxs, dstate, grads, dhs, dnext, ws, xs, hs, state, params, dims));
    return { dxs, dstate };
  }
}

function dataOf(tensors: readonly Tensor[]): Float32Array[] {
  return tensors.map(({ data }) => data);
}

/** A fresh large array costs page faults each call, so the old one serves where it has the right length. */
function sized(old: Float32Array | undefined, length: number): Float32Array {
  return old?.length === length ? old : new Float32Array(length);
}
