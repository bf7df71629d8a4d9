/**
 * The contract between TypeScript and the addon: every function that the binding exports, its argument order
 * (outputs, inputs, dims) and shapes. All matrices are row-major float32. The binding rechecks type and length of
 * each array and throws an Error with `code` set; it contains no policy.
 */

import type { NativeEngine, NativePackedWeights } from './native-inference.js';
import type { NativeRun, NativeRunner } from './native-training.js';

/** One tensor of a model, as the native cells declare it. */
export interface NativeTensor {
  /** Dotted name, e.g. `embedding.W`, `layers.0.Wx`, `layers.0.Wh`, `layers.0.b`, `output.W`, `output.b`. */
  name: string;
  shape: number[];
}

export interface WindowDims {
  /** Streams (rows) in the mini-batch. */
  N: number;
  /** Steps in the window. */
  T: number;
  /** Input size. */
  D: number;
  /** Hidden size. */
  H: number;
}

/** Where a replica reads its window: row r reads tokens[starts[r] + t] as input and the token after it as target. */
export interface NativeReplica {
  /**
   * Forward, loss and truncated backward over one window. `state` (a layer: states×rows×H, h first; see `stateSize`) is read as the
   * carried state and overwritten with the final one. `grads` is overwritten.
   * `scale` multiplies every gradient (1 / tokens of the whole mini-batch for the mean).
   * @returns the sum of the negative log-likelihoods in nats over rows·steps predicted tokens
   */
  trainWindow(
    grads: Float32Array,
    state: Float32Array,
    params: Float32Array,
    tokens: Uint32Array,
    starts: Uint32Array,
    steps: number,
    scale: number,
  ): number;
  /** Forward and loss only. */
  forwardWindow(
    state: Float32Array,
    params: Float32Array,
    tokens: Uint32Array,
    starts: Uint32Array,
    steps: number,
  ): number;
  /** Forward-only loss sum over `starts.length` streams × `steps` steps, window after window, on the libuv pool. */
  evaluate(
    state: Float32Array,
    params: Float32Array,
    tokens: Uint32Array,
    starts: Uint32Array,
    steps: number,
  ): Promise<number>;
  readonly workspaceBytes: number;
}

/** One recurrent layer alone, time-major (T×N×·), its workspace allocated once. Forward and backward are one call. */
export interface NativeLayerReplica {
  /** Floats of the packed weights; 0 where nothing is packed. */
  readonly packedFloats: number;
  /** Packs the part-th of `parts` shares, so that threads can divide the work and read one copy. */
  pack(packed: Float32Array, params: readonly Float32Array[], part: number, parts: number): void;
  /**
   * dxs T×N×D and grads overwritten; state (states×N×H, h first) carried; xs T×N×D; dhs T×N×H, the gradient of the
   * outputs; params in table order; packed as `pack` left it.
   */
  window(
    dxs: Float32Array,
    grads: readonly Float32Array[],
    state: Float32Array,
    xs: Float32Array,
    dhs: Float32Array,
    params: readonly Float32Array[],
    packed: Float32Array,
  ): void;
}

export interface NativeStepper {
  /**
   * Feeds `input` tokens one by one, then samples `count` tokens, on a thread of the libuv pool.
   * The stepper keeps the state between calls. @returns the sampled tokens
   */
  generate(options: {
    params: Float32Array;
    input: Uint32Array;
    count: number;
    /** 0 = take the most likely token. */
    temperature: number;
    /** 0 = all. */
    topK: number;
    seed: bigint;
    /** Index of the first sample in the random sequence addressed by (seed, index). */
    position: number;
    /** Tokens that are never sampled. */
    exclude: Uint32Array;
  }): Promise<Uint32Array>;
  /** Sum of log P(tokens[i] | tokens[0..i-1], carried state) for i ≥ 1, in nats, on the libuv pool; carries the state. */
  score(options: { params: Float32Array; tokens: Uint32Array }): Promise<number>;
}

/** The architecture as the addon takes it; `models/spec.ts` makes it from the public spec. */
export interface NativeSpec {
  input: { vocabulary: number; embedding: number };
  /** First one next to the input. `cell` is a name of the native registry. */
  layers: { cell: string; size: number }[];
  /**
   * The output layer's weights are the embedding's, transposed. Where the last layer's size is not the embedding's, its
   * outputs go through `output.projection` (H×D, no bias) first.
   */
  tied?: boolean;
}

export interface SystemInfo {
  /** Instruction set that the kernels use: `generic`, `avx2`, `avx512`, `neon`. */
  isa: string;
  /** Instruction sets that were compiled in and that this CPU can run. */
  isaAvailable: string[];
  /** What multiplies matrices: our own kernel on packed weights, or BLAS. */
  gemm: 'packed' | 'blas';
  cpuFeatures: string[];
  blas: {
    /** e.g. `OpenBLAS 0.3.21 ... DYNAMIC_ARCH`. Empty when the library does not say. */
    config: string;
    /** Kernel family that OpenBLAS chose, e.g. `Cooperlake`. */
    coreType: string;
    /** 0 sequential, 1 pthreads, 2 OpenMP, -1 unknown. */
    parallel: number;
    threads: number;
  };
  compiler: string;
}

export interface Binding {
  systemInfo(): SystemInfo;
  /** Median GFLOP/s of `repeats` sgemm calls m×k·k×n, on the libuv pool. */
  measureSgemm(m: number, n: number, k: number, repeats: number): Promise<number>;
  /** FMA peak of one core in GFLOP/s with registers only, on the libuv pool. */
  measureFma(milliseconds: number): Promise<number>;

  /** Cells in the registry. */
  cells(): string[];
  /** Optimisers in the registry, and the names of their slots (`momentum`; `squares`; `m` and `v`). */
  optimizers(): { name: string; slots: string[] }[];
  tensorTable(spec: NativeSpec): NativeTensor[];
  /** Floats of hidden state for `rows` streams. */
  stateSize(spec: NativeSpec, rows: number): number;
  /** Fills params by each cell's documented initialisation, addressed by (seed, tensor), on the libuv pool; with a `range` above 0, all of them from ± range; `memory` as `initialMemory`. */
  initialise(
    params: Float32Array,
    spec: NativeSpec,
    offsets: number[],
    seed: bigint,
    range?: number,
    memory?: number,
  ): Promise<void>;
  /** Synchronous initialisation of one layer's tensors, in table order, for the layers API. */
  initialiseCell(tensors: readonly Float32Array[], cell: string, D: number, H: number, seed: bigint): void;
  /**
   * Floats to skip from the start of `array`, which is new, to the next 64-byte boundary of its memory. Asks for large
   * pages where it is large.
   */
  misalignment(array: Float32Array): number;
  /** Uniform numbers in [low, high) addressed by (seed, stream). */
  uniform(out: Float32Array, low: number, high: number, seed: bigint, stream: number): void;

  controlInts(): number;
  scratchDoubles(paramsLength: number, shards: number): number;
  /** Words of `NativeRun.touched` for a shard of `rows` streams. */
  touchedWords(spec: NativeSpec, rows: number, window: number): number;
  /** Floats of `NativeRun.packed`; 0 where nothing is packed. */
  packedFloats(spec: NativeSpec): number;
  /** Floats of one of `NativeRun.work`; 0 where nothing can be left to others. */
  workFloats(spec: NativeSpec, rows: number, window: number): number;
  /** Makes every rank leave its barrier with an error; wakes sleepers. Callable from any thread. */
  poison(control: Int32Array): void;
  /** Asks all ranks to stop at the same window edge. */
  cancel(control: Int32Array): void;
  /** Clears barrier, poison and cancel before a new run. */
  resetControl(control: Int32Array): void;

  Replica: new (spec: NativeSpec, offsets: number[], rows: number, window: number, trainable: boolean) => NativeReplica;
  Runner: new (run: NativeRun) => NativeRunner;
  PackedWeights: new (spec: NativeSpec, offsets: number[], precision: string) => NativePackedWeights;
  Engine: new (weights: NativePackedWeights, rows: number, threads: number) => NativeEngine;
  Stepper: new (spec: NativeSpec, offsets: number[]) => NativeStepper;

  LayerReplica: new (cell: string, dims: WindowDims) => NativeLayerReplica;
  /** parts[0][i] += parts[s][i] for i in [from, to), in order of s. */
  sumRange(parts: readonly Float32Array[], from: number, to: number): void;
  /** Between two steps of threads in lockstep: moves this one to a free core if a lower rank is on the same one. */
  settle(control: Int32Array, rank: number, workers: number): void;

  // ---- the book's layers; arrays are N×T×· outside (batch first), everything synchronous, outputs overwritten ----
  /** A cell's tensor table, and how many state vectors a row has: 1 (h) or 2 (h and c). */
  cellInfo(cell: string, D: number, H: number): { states: number; tensors: NativeTensor[] };
  /** Floats that `cellForward` leaves for `cellBackward`. */
  cellWorkspace(cell: string, dims: WindowDims): number;
  /** hs N×T×H; `end` and `state` states×N×H, h first; params in table order. */
  cellForward(
    cell: string,
    hs: Float32Array,
    end: Float32Array,
    ws: Float32Array,
    xs: Float32Array,
    state: Float32Array,
    params: readonly Float32Array[],
    dims: WindowDims,
  ): void;
  /**
   * dnext (states×N×H) is the gradient that arrives at the state after the last step (zeros in truncated BPTT), dstate
   * the one at the state before the first. xs, hs, ws and state are those of the forward pass; none is changed.
   */
  cellBackward(
    cell: string,
    dxs: Float32Array,
    dstate: Float32Array,
    grads: readonly Float32Array[],
    dhs: Float32Array,
    dnext: Float32Array,
    ws: Float32Array,
    xs: Float32Array,
    hs: Float32Array,
    state: Float32Array,
    params: readonly Float32Array[],
    dims: WindowDims,
  ): void;
  /**
   * out and keep N×T×D, overwritten; xs N×T×D; rate in [0, 1). The mask is a function of (seed, call, stream, step, unit);
   * `locked`: of the same for all steps.
   */
  dropoutForward(
    out: Float32Array,
    keep: Uint8Array,
    xs: Float32Array,
    rate: number,
    seed: bigint,
    N: number,
    T: number,
    D: number,
    call: number,
    locked: boolean,
  ): void;
  /** dxs = dout where kept, scaled as forward did; all of one length. */
  dropoutBackward(dxs: Float32Array, dout: Float32Array, keep: Uint8Array, rate: number): void;
  /** out count×D; ids count; W V×D. Throws ERR_TIMERNN_TOKEN for an id outside [0, V). */
  embeddingForward(out: Float32Array, ids: Int32Array, W: Float32Array, V: number, D: number): void;
  /** dW V×D overwritten: zero, then rows added up. */
  embeddingBackward(dW: Float32Array, dout: Float32Array, ids: Int32Array, V: number, D: number): void;
  /** y M×O; x M×I; W I×O; b O. */
  affineForward(
    y: Float32Array,
    x: Float32Array,
    W: Float32Array,
    b: Float32Array,
    M: number,
    I: number,
    O: number,
  ): void;
  affineBackward(
    dx: Float32Array,
    dW: Float32Array,
    db: Float32Array,
    dy: Float32Array,
    x: Float32Array,
    W: Float32Array,
    M: number,
    I: number,
    O: number,
  ): void;
  /**
   * probs M×V overwritten with softmax(logits). Labels equal to ignoreLabel do not count.
   * @returns the mean negative log-likelihood in nats over the counted rows; 0 where none counts
   */
  softmaxLossForward(
    probs: Float32Array,
    logits: Float32Array,
    labels: Int32Array,
    ignoreLabel: number,
    M: number,
    V: number,
  ): number;
  /** dlogits M×V = dout · (probs − onehot) / counted rows; 0 in ignored rows. */
  softmaxLossBackward(
    dlogits: Float32Array,
    probs: Float32Array,
    labels: Int32Array,
    ignoreLabel: number,
    dout: number,
    M: number,
    V: number,
  ): void;
}
