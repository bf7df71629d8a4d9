/** What training passes to the addon and gets back: plain data over shared memory, and one call a round. Part of the contract in `native-types.ts`. */
import type { NativeSpec } from './native-types.js';

export interface RoundResult {
  /** Windows that were finished in this call. */
  windows: number;
  /** Sum of negative log-likelihoods in nats, and how many predicted tokens it counts. */
  lossSum: number;
  tokens: number;
  /** `lossBefore` and these windows, added one by one: the same bits whatever rounds an epoch is made of. */
  lossTotal: number;
  /** Global gradient norm before clipping, of the last window. */
  gradientNorm: number;
  /** True where the run was cancelled at a window edge. */
  stopped: boolean;
  /** Seconds this rank spent in compute, reduce, update and waiting at barriers. */
  seconds: { window: number; reduce: number; update: number; wait: number };
}

/** Plain data; every array is a view of a SharedArrayBuffer. The same object is sent to each worker. */
export interface NativeRun {
  spec: NativeSpec;
  params: Float32Array;
  /** Offset (in floats) of each tensor of the table, in table order, inside params and inside each gradient arena. */
  offsets: number[];
  /** One gradient arena per shard, laid out like params. */
  grads: Float32Array[];
  /** One hidden state per shard. */
  states: Float32Array[];
  /** Rows (streams) of each shard, in stream order. */
  shardRows: number[];
  tokens: Uint32Array;
  /** Start offset of each of the N streams. */
  streamStarts: Uint32Array;
  /** Steps that each stream has in an epoch. */
  streamSteps: number;
  /** Most steps of a window. */
  window: number;
  /** Window w covers steps [edges[w], edges[w + 1]) of every stream. Rewritten between rounds only. */
  edges: Uint32Array;
  /** Learning rate of each window; edges.length − 1 numbers. Rewritten between rounds only. */
  rates: Float64Array;
  /** @default plain SGD */
  optimizer?: NativeOptimizer;
  /** A tensor, in table order: what the learning rate is multiplied by there; finite, at least 0. @default 1 for all */
  rateFactors?: number[];
  /**
   * The optimiser's arenas, laid out like params; as many as `optimizers()` names, and behind them that of the average
   * where `averages`; zero at first.
   */
  slots: Float32Array[];
  /** Whether the parameters are averaged, from the round's `averageFrom` on. @default false */
  averages?: boolean;
  /** @default none */
  regularization?: NativeRegularization;
  /** An arena laid out like params; only where weights drop out of some layer. Scratch of the run. */
  dropped?: Float32Array;
  /** Barrier, poison and cancel words: see native/train/control.h; `controlInts()` says how many. */
  control: Int32Array;
  /** A list per shard of the rows of the embedding that its gradient has; `touchedWords(spec, rows, window)` long, zero at first. */
  touched: Uint32Array[];
  /** All weights as the kernels read them, packed anew each window and shared; `packedFloats(spec)` long, or left out. */
  packed?: Float32Array;
  /**
   * A place a rank, for as many as have shards, where it leaves weight gradients for whoever has time; each `workFloats(spec, rows,
   * steps)` long, for the rows of the largest shard and the shorter of window and stream. Left out: no rank helps another.
   */
  work?: Float32Array[];
  /** Shard losses, norm partials; `scratchDoubles(paramsLength, shards)` says how many. */
  scratch: Float64Array;
}

/** An optimiser by its registry name; numbers that it does not read are left out. Formulas: native/optim/. */
export interface NativeOptimizer {
  name: string;
  momentum?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** RMSprop's α. */
  smoothing?: number;
  /** Averaged SGD: λ and α of its own decay of the learning rate. */
  lambda?: number;
  power?: number;
  /** Decoupled: p ← p − η·weightDecay·p, apart from the gradient's step. */
  weightDecay?: number;
}

/**
 * What training adds to the model: noise and penalties. Rates lie in [0, 1). A mask is a function of (seed, window of
 * the run, place, stream, step, unit) alone, so it is the same for any number of workers.
 */
export interface NativeRegularization {
  seed: bigint;
  /** Share of the embedded inputs that is dropped. */
  input: number;
  /** Share of the vocabulary whose embedding is dropped, one mask a window. */
  words: number;
  /** Of each layer's outputs, the last layer's among them. */
  layers: number[];
  /** Of each layer's recurrent weights Wh (DropConnect), one mask a window. */
  weights: number[];
  /** One mask for all steps of a window (variational dropout) instead of one a step; `input` and `layers`. */
  locked: boolean;
  /** α of the activation penalty: α · mean(h²) of the last layer's outputs after dropout. Not part of the reported loss. */
  activation: number;
  /** β of the temporal penalty: β · mean((h_t − h_{t−1})²) of the last layer's outputs before dropout. */
  temporal: number;
}

export interface RoundCall {
  rank: number;
  workers: number;
  /** Windows of this epoch: [from, to). */
  from: number;
  to: number;
  /** Windows (updates) that the run did before `from`: addresses masks, counts an optimiser's steps. */
  done: number;
  /** Global norm above which gradients are scaled down; 0 = no clipping. */
  clip: number;
  /** Each gradient is cut off at ± this after that; 0 = no clipping. */
  clipValue: number;
  /** Updates of the run after which the average starts; Infinity = not yet. */
  averageFrom: number;
  /** Nats of the epoch's windows before `from`; the round goes on counting from there. */
  lossBefore: number;
}

export interface NativeRunner {
  /** Runs [from, to) in lockstep with the other ranks; blocks this thread. Throws the cause if any rank failed. */
  run(call: RoundCall): RoundResult;
}
