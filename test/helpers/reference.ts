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

/** h_t = tanh(x_t·Wx + h_{t−1}·Wh + b), from h0 (N×H). @returns hs N×T×H */
export function rnnForward(
  xs: Float64Array,
  h0: Float64Array,
  Wx: Float64Array,
  Wh: Float64Array,
  b: Float64Array,
  { N, T, D, H }: Dims,
): Float64Array {
  const hs = new Float64Array(N * T * H);
  for (let n = 0; n < N; n++) {
    for (let t = 0; t < T; t++) {
      for (let j = 0; j < H; j++) {
        let sum = b[j]!;
        for (let d = 0; d < D; d++) sum += xs[(n * T + t) * D + d]! * Wx[d * H + j]!;
        for (let i = 0; i < H; i++) {
          const previous = t === 0 ? h0[n * H + i]! : hs[(n * T + t - 1) * H + i]!;
          sum += previous * Wh[i * H + j]!;
        }
        hs[(n * T + t) * H + j] = Math.tanh(sum);
      }
    }
  }
  return hs;
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

/** Sizes of a language model: vocabulary V, embedding D, hidden size of each layer. */
export interface ModelSizes {
  V: number;
  D: number;
  hidden: readonly number[];
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
 * Embedding → L tanh layers → affine → softmax cross-entropy.
 *
 * @param state layers×N×H, the carried state; read only
 * @returns the summed loss in nats over N·steps tokens, and the state after the window
 */
export function modelForward(
  { V, D, hidden }: ModelSizes,
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
    const dims = { N, T, D: size, H };
    const h0 = state.subarray(offset, offset + N * H);
    const name = `layers.${l}`;
    xs = rnnForward(xs, h0, tensor(`${name}.Wx`), tensor(`${name}.Wh`), tensor(`${name}.b`), dims);
    after.set(lastStep(xs, dims), offset);
    offset += N * H;
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
