/**
 * The part of the addon's contract that inference uses: packed weights, engines and their batches. The functions themselves are
 * in `native-types.ts`. Refuses to do: anything; types, and the two numbers that both sides must know.
 */

/** A model's weights packed for inference, in one precision; read-only once `pack` is done. */
export interface NativePackedWeights {
  /** Copies and packs, on the libuv pool. */
  pack(params: Float32Array): Promise<void>;
  /** Of all that a step reads, the embedding's table aside. */
  readonly bytes: number;
}

/** What a request of a batch asks for; `native/infer/engine.h` says more. */
export const ASK = { nothing: 0, probabilities: 1, top: 2, score: 3, sample: 4 } as const;

/** Columns of {@link NativeBatch.numbers}. */
export const NUMBERS = 8;

/** n requests, at most the engine's rows. Where arrays are divided among requests, that is in order, without gaps. */
export interface NativeBatch {
  /** n × the floats of a state; in and out. What a request leaves whose scores are not finite is worth nothing. */
  states: Float32Array;
  /** n × 8: ask, tokens, peek (0 or 1), k, length, temperature, position, excluded (−1: none). */
  numbers: Float64Array;
  /** n. */
  seeds: BigUint64Array;
  /** As many as a request reads or scores. */
  tokens: Uint32Array;
  /** V for `probabilities`, k for `top`. */
  probabilities: Float32Array;
  /** k for `top`, length for `sample`. */
  ids: Uint32Array;
  /** As many as tokens, for `score`: nats. */
  scores: Float64Array;
  /** n, out: 1 where all scores were finite. */
  finite: Uint8Array;
}

/** Runs batches on packed weights, one at a time; several engines may share the weights. */
export interface NativeEngine {
  /** On the libuv pool. */
  run(batch: NativeBatch): Promise<void>;
  /** On the calling thread. */
  runSync(batch: NativeBatch): void;
}
