/**
 * An independent reference in double precision: plain loops over plain arrays, written from the equations, sharing
 * nothing with the addon. It has no backward pass: gradients are central differences of its forward pass.
 * All arrays are row-major and batch first (N×T×·).
 */

/** Rows N, steps T, input size D, hidden size H. */
export interface Dims {
  N: number;
  T: number;
  D: number;
  H: number;
}

/** Native cells: the variants of the plain RNN, the LSTM and the GRU. */
export type Cell = 'rnn' | 'rnn-relu' | 'lstm' | 'gru' | 'gru-reset-before';

/** Gates G (Wx is D×G·H) and state vectors of each cell. */
export const CELLS: Readonly<Record<Cell, { gates: number; states: number }>> = {
  rnn: { gates: 1, states: 1 },
  'rnn-relu': { gates: 1, states: 1 },
  lstm: { gates: 4, states: 2 },
  gru: { gates: 3, states: 1 },
  'gru-reset-before': { gates: 3, states: 1 },
};

/** A cell's tensors: Wx D×G·H, Wh H×G·H, b G·H, and bn H for `gru`. */
export interface CellTensors {
  Wx: Float64Array;
  Wh: Float64Array;
  b: Float64Array;
  bn?: Float64Array;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** v·W's column, where W has `columns`. */
function column(v: ArrayLike<number>, W: Float64Array, columns: number, at: number): number {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i]! * W[i * columns + at]!;
  return sum;
}

/** One step of one row: h (and c) before it to h (and c) after it. */
function cellStep(cell: Cell, x: Float64Array, state: Float64Array[], { Wx, Wh, b, bn }: CellTensors): Float64Array[] {
  const h = state[0]!;
  const H = h.length;
  const G = CELLS[cell].gates * H;
  const input = (at: number) => column(x, Wx, G, at) + b[at]!;
  const sum = (at: number) => input(at) + column(h, Wh, G, at);
  if (cell === 'rnn') return [h.map((_, j) => Math.tanh(sum(j)))];
  if (cell === 'rnn-relu') return [h.map((_, j) => Math.max(0, sum(j)))];
  if (cell === 'lstm') {
    const [i, f, g, o] = [0, 1, 2, 3].map((gate) => (j: number) => sum(gate * H + j)) as ((j: number) => number)[];
    const c = state[1]!.map((previous, j) => sigmoid(f!(j)) * previous + sigmoid(i!(j)) * Math.tanh(g!(j)));
    return [c.map((value, j) => sigmoid(o!(j)) * Math.tanh(value)), c];
  }
  const r = h.map((_, j) => sigmoid(sum(j)));
  const reset = h.map((value, j) => value * r[j]!);
  const recurrent = (j: number) =>
    cell === 'gru' ? r[j]! * (column(h, Wh, G, 2 * H + j) + bn![j]!) : column(reset, Wh, G, 2 * H + j);
  return [
    h.map((previous, j) => {
      const z = sigmoid(sum(H + j));
      return (1 - z) * Math.tanh(input(2 * H + j) + recurrent(j)) + z * previous;
    }),
  ];
}

/**
 * A cell over a window.
 *
 * @param state states×N×H, h first; read only
 * @returns hs N×T×H and the state after the window
 */
export function cellForward(
  cell: Cell,
  xs: Float64Array,
  state: Float64Array,
  tensors: CellTensors,
  { N, T, D, H }: Dims,
): { hs: Float64Array; end: Float64Array } {
  const hs = new Float64Array(N * T * H);
  const end = state.slice();
  for (let n = 0; n < N; n++) {
    const at = (k: number) => (k * N + n) * H;
    let row: Float64Array[] = Array.from({ length: CELLS[cell].states }, (_, k) => state.slice(at(k), at(k) + H));
    for (let t = 0; t < T; t++) {
      row = cellStep(cell, xs.subarray((n * T + t) * D, (n * T + t + 1) * D), row, tensors);
      hs.set(row[0]!, (n * T + t) * H);
    }
    for (const [k, vector] of row.entries()) end.set(vector, at(k));
  }
  return { hs, end };
}

/** h_t = tanh(x_t·Wx + h_{t−1}·Wh + b), from h0 (N×H). @returns hs N×T×H */
export function rnnForward(
  xs: Float64Array,
  h0: Float64Array,
  Wx: Float64Array,
  Wh: Float64Array,
  b: Float64Array,
  dims: Dims,
): Float64Array {
  return cellForward('rnn', xs, h0, { Wx, Wh, b }, dims).hs;
}

/** hs[:, T−1], N×H. */
export function lastStep(hs: Float64Array, { N, T, H }: Dims): Float64Array {
  const last = new Float64Array(N * H);
  for (let n = 0; n < N; n++) {
    for (let j = 0; j < H; j++) last[n * H + j] = hs[(n * T + T - 1) * H + j]!;
  }
  return last;
}

/** out[m] = W[ids[m]]. @returns count×D */
export function embeddingForward(ids: ArrayLike<number>, W: Float64Array, D: number): Float64Array {
  const out = new Float64Array(ids.length * D);
  for (let m = 0; m < ids.length; m++) {
    for (let d = 0; d < D; d++) out[m * D + d] = W[ids[m]! * D + d]!;
  }
  return out;
}

/** y[m] = x[m]·W + b. @returns M×O */
export function affineForward(
  x: Float64Array,
  W: Float64Array,
  b: Float64Array,
  M: number,
  I: number,
  O: number,
): Float64Array {
  const y = new Float64Array(M * O);
  for (let m = 0; m < M; m++) {
    for (let o = 0; o < O; o++) {
      let sum = b[o]!;
      for (let i = 0; i < I; i++) sum += x[m * I + i]! * W[i * O + o]!;
      y[m * O + o] = sum;
    }
  }
  return y;
}

/** Σ_m −log softmax(logits[m])[label[m]] in nats, over the rows whose label is not `ignored`; and how many those are. */
export function crossEntropy(
  logits: Float64Array,
  labels: ArrayLike<number>,
  V: number,
  ignored = -1,
): { sum: number; counted: number } {
  let sum = 0;
  let counted = 0;
  for (let m = 0; m < labels.length; m++) {
    const label = labels[m]!;
    if (label === ignored) continue;
    // log Σ exp(z) = max + log Σ exp(z − max): no overflow, and never the log of 0.
    let max = -Infinity;
    for (let v = 0; v < V; v++) max = Math.max(max, logits[m * V + v]!);
    let total = 0;
    for (let v = 0; v < V; v++) total += Math.exp(logits[m * V + v]! - max);
    sum += max + Math.log(total) - logits[m * V + label]!;
    counted++;
  }
  return { sum, counted };
}

/** Sizes of a language model: vocabulary V, embedding D, hidden size of each layer, and its cell where it is no `rnn`. */
export interface ModelSizes {
  V: number;
  D: number;
  hidden: readonly number[];
  cells?: readonly Cell[];
}

/** Tensors by the names that the native cells give them. */
export type ModelTensors = ReadonlyMap<string, Float64Array>;

/** A window: row r reads tokens[starts[r] + t] and is to predict the token after it. */
export interface Window {
  tokens: ArrayLike<number>;
  starts: ArrayLike<number>;
  steps: number;
}

/**
 * Embedding → L recurrent layers → affine → softmax cross-entropy.
 *
 * @param state of each layer states×N×H, the carried state; read only
 * @returns the summed loss in nats over N·steps tokens, and the state after the window
 */
export function modelForward(
  { V, D, hidden, cells }: ModelSizes,
  tensors: ModelTensors,
  state: Float64Array,
  { tokens, starts, steps: T }: Window,
): { lossSum: number; state: Float64Array } {
  const tensor = (name: string) => tensors.get(name)!;
  const N = starts.length;
  const inputs = new Int32Array(N * T);
  const labels = new Int32Array(N * T);
  for (let n = 0; n < N; n++) {
    for (let t = 0; t < T; t++) {
      inputs[n * T + t] = tokens[starts[n]! + t]!;
      labels[n * T + t] = tokens[starts[n]! + t + 1]!;
    }
  }
  const after = new Float64Array(state.length);
  let xs = embeddingForward(inputs, tensor('embedding.W'), D);
  let size = D;
  let offset = 0;
  for (const [l, H] of hidden.entries()) {
    const cell = cells?.[l] ?? 'rnn';
    const length = CELLS[cell].states * N * H;
    const [Wx, Wh, b] = ['Wx', 'Wh', 'b'].map((name) => tensor(`layers.${l}.${name}`)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const bn = tensors.get(`layers.${l}.bn`);
    const own = { Wx, Wh, b, ...(bn === undefined ? {} : { bn }) };
    const { hs, end } = cellForward(cell, xs, state.subarray(offset, offset + length), own, { N, T, D: size, H });
    xs = hs;
    after.set(end, offset);
    offset += length;
    size = H;
  }
  const logits = affineForward(xs, tensor('output.W'), tensor('output.b'), N * T, size, V);
  return { lossSum: crossEntropy(logits, labels, V, -1).sum, state: after };
}

/**
 * df/dx by central differences: (f(x+ε) − f(x−ε)) / 2ε, element by element; `x` is changed and put back.
 * With ε = 1e-5 in double precision the truncation error (ε²·f‴/6) and the rounding error (1e-16·f/ε) both stay near
 * 1e-11, far below what is asked of 32-bit floats.
 */
export function centralDifference(f: () => number, x: Float64Array, epsilon = 1e-5): Float64Array {
  return x.map((value, i) => {
    x[i] = value + epsilon;
    const up = f();
    x[i] = value - epsilon;
    const down = f();
    x[i] = value;
    return (up - down) / (2 * epsilon);
  });
}
