/**
 * What the Time layers share: a recurrence over windows whose state may be carried from call to call.
 */
import { TimeRNNError } from '../errors.js';
import { expectBoolean, expectTensor } from './checks.js';
import { RECURRENT_NAMES, Recurrence, type RecurrentOptions, type RecurrentTensors } from './recurrent.js';
import { formatShape, Tensor } from './tensor.js';

/** Options of a recurrent layer over windows. */
export interface TimeRecurrentOptions extends RecurrentOptions {
  /**
   * Start each window from the last state of the window before, rather than from zeros.
   * @default false
   */
  stateful?: boolean;
}

/** Names of those options. */
export const TIME_RECURRENT_NAMES: readonly string[] = [
  ...RECURRENT_NAMES,
  'stateful' satisfies keyof TimeRecurrentOptions,
];

/** Names of the state vectors, as errors call them. */
const STATE_NAMES = ['h', 'c'];

/** A {@link Recurrence} with a state. Vectors of the state are told by index: 0 is h, 1 is c. */
export class CarriedRecurrence<Tensors extends object = RecurrentTensors> {
  readonly recurrence: Recurrence<Tensors>;
  readonly stateful: boolean;
  #state: Float32Array | undefined;
  #dstate: Float32Array | undefined;
  /** Whether the next forward starts from #state. */
  #carry = false;

  constructor(layer: string, cell: string, options: TimeRecurrentOptions) {
    this.recurrence = new Recurrence(layer, cell, options);
    this.stateful = expectBoolean('stateful', options.stateful ?? false);
  }

  /** N×H, a copy. */
  state(k: number): Tensor | undefined {
    return this.#state && this.#part(this.#state, k);
  }

  /** N×H, a copy. */
  dstate(k: number): Tensor | undefined {
    return this.#dstate && this.#part(this.#dstate, k);
  }

  setState(...tensors: Tensor[]): void {
    this.#state = this.#joined(tensors, STATE_NAMES, 'N');
    this.#carry = true;
  }

  resetState(): void {
    this.#state = undefined;
    this.#carry = false;
  }

  /** @returns hs N×T×H */
  forward(xs: Tensor): Tensor {
    const { inputSize: D, hiddenSize: H } = this.recurrence;
    const [N, T] = expectTensor('xs', xs, ['N', 'T', D]) as [number, number];
    const { hs, end } = this.recurrence.forward(xs.data, this.#initialState(N), N, T);
    this.#state = end;
    this.#carry = this.stateful;
    return new Tensor(hs.slice(), [N, T, H]);
  }

  /**
   * @param next gradient at each vector of the state after the window; zeros where it is undefined
   * @returns dxs N×T×D, and the gradient at each vector of the state before the window
   */
  backward(dhs: Tensor, ...next: (Tensor | undefined)[]): { dxs: Tensor; previous: Tensor[] } {
    const { N, T, D, H } = this.recurrence.dims;
    expectTensor('dhs', dhs, [N, T, H]);
    const all = next.map((tensor) => tensor ?? Tensor.zeros([N, H]));
    const dnext = this.#joined(
      all,
      STATE_NAMES.map((name) => `d${name}Next`),
      N,
    );
    const { dxs, dstate } = this.recurrence.backward(dhs.data, dnext);
    this.#dstate = dstate;
    return { dxs: new Tensor(dxs, [N, T, D]), previous: all.map((_, k) => this.#part(dstate, k)) };
  }

  #initialState(N: number): Float32Array {
    const { hiddenSize: H, states } = this.recurrence;
    if (!this.#carry || this.#state === undefined) return new Float32Array(states * N * H);
    const rows = this.#state.length / (states * H);
    if (rows !== N) {
      throw new TimeRNNError(
        'ERR_TIMERNN_SHAPE',
        `Expected xs to have ${rows} rows as the carried state h of shape ${formatShape([rows, H])} has, got ${N}; ` +
          'call resetState() before a window with another number of rows',
      );
    }
    return this.#state;
  }

  /** The vectors of a state in one array; each has as many rows as the first. */
  #joined(tensors: readonly Tensor[], names: readonly string[], rows: number | string): Float32Array {
    const H = this.recurrence.hiddenSize;
    let N = rows;
    for (const [k, tensor] of tensors.entries()) N = expectTensor(names[k]!, tensor, [N, H])[0]!;
    const whole = new Float32Array(tensors.length * (N as number) * H);
    for (const [k, { data }] of tensors.entries()) whole.set(data, k * data.length);
    return whole;
  }

  #part(state: Float32Array, k: number): Tensor {
    const { hiddenSize: H, states } = this.recurrence;
    const length = state.length / states;
    return new Tensor(state.slice(k * length, (k + 1) * length), [length / H, H]);
  }
}
