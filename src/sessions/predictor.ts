/**
 * A predictor: a model's weights packed for inference, and the sessions that share them.
 * Refuses to do: following a training; a predictor keeps the weights of the moment when it was made.
 */
import type { Corpus } from '../data/corpus.js';
import type { Vocabulary } from '../data/vocabulary.js';
import { describe, expectInteger, fromForeign, TimeRNNError } from '../errors.js';
import { finitePerplexity } from '../models/evaluate.js';
import type { ModelSpec } from '../models/types.js';
import { checkNames, checkSignal } from '../options.js';
import type { Core, ResolvedOptions } from './core.js';
import { corpusScore } from './corpus-score.js';
import { defaultLanes } from './lanes.js';
import { PRECISIONS } from './precisions.js';
import { Session } from './session.js';
import { stateBytes } from './state-blob.js';
import type { Precision, PredictorOptions, PredictorStats, SessionOptions } from './types.js';

const NAMES: readonly string[] = [
  'precision',
  'lanes',
  'threads',
  'maxBatch',
  'maxWait',
  'maxQueue',
] satisfies (keyof PredictorOptions)[];
const MOST_THREADS = 64;
const LONGEST_WAIT = 60_000;

/** @throws ERR_TIMERNN_OPTION */
export function resolvePredictorOptions(options: PredictorOptions = {}): ResolvedOptions {
  checkNames(options, NAMES, 'predictor');
  const { precision = 'float32', maxWait = 0 } = options;
  if (!PRECISIONS.includes(precision)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected precision to be one of ${PRECISIONS.join(', ')}, got ${describe(precision)}`,
    );
  }
  if (typeof maxWait !== 'number' || !(maxWait >= 0 && maxWait <= LONGEST_WAIT)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected maxWait to be a number of milliseconds in [0, ${LONGEST_WAIT}], got ${describe(maxWait)}`,
    );
  }
  const lanes = expectInteger('lanes', options.lanes ?? defaultLanes(), 1, MOST_THREADS);
  const threads = expectInteger('threads', options.threads ?? 1, 1, MOST_THREADS);
  if (lanes * threads > MOST_THREADS) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected lanes times threads to be at most ${MOST_THREADS}, got ${lanes} times ${threads}`,
    );
  }
  return {
    precision,
    maxWait,
    lanes,
    threads,
    maxBatch: expectInteger('maxBatch', options.maxBatch ?? 64, 1, 65_536),
    maxQueue: expectInteger('maxQueue', options.maxQueue ?? 16_384),
  };
}

/**
 * A model's weights as they were when it was made, packed for inference, with the sessions that use them. Made by
 * {@link LanguageModel.predictor}. Steps of sessions that run at the same time are gathered into batches; a session's results
 * have the same bits whatever else runs.
 *
 * @example
 * ```ts
 * import { Corpus, LanguageModel } from 'timernn';
 * const corpus = Corpus.fromText('the cat sat on the mat\n'.repeat(50), { unit: 'char' });
 * const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'gru', size: 32 }] });
 * const predictor = await model.predictor({ precision: 'int8' });
 * const [likeliest] = await predictor.session().step('t', { topK: 1 });
 * console.log(likeliest);
 * await predictor.close();
 * ```
 */
export class Predictor {
  readonly #core: Core;
  readonly #spec: ModelSpec;

  /** For {@link LanguageModel.predictor} alone. */
  constructor(core: Core, spec: ModelSpec) {
    this.#core = core;
    this.#spec = spec;
  }

  /** The architecture. A copy. */
  get spec(): ModelSpec {
    return structuredClone(this.#spec);
  }

  /** The vocabulary that tokens are numbered by. */
  get vocabulary(): Vocabulary {
    return this.#core.vocabulary;
  }

  /** How the weights are kept. */
  get precision(): Precision {
    return this.#core.options.precision;
  }

  /** SHA-256 of architecture, vocabulary and float32 weights, 64 hexadecimal digits: the same for every precision. */
  get modelHash(): string {
    return this.#core.modelHash;
  }

  /** Bytes of the packed weights, which every step reads. */
  get weightBytes(): number {
    return this.#core.weightBytes;
  }

  /** Bytes of a session's exported state. */
  get stateBytes(): number {
    return stateBytes(this.#core.stateLength);
  }

  /** What it did so far. */
  get stats(): PredictorStats {
    return this.#core.batcher.stats;
  }

  /**
   * A stream of its own.
   *
   * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_STATE for a state that is none of this model
   */
  session(options: SessionOptions = {}): Session {
    return new Session(this.#core, options);
  }

  /**
   * As {@link LanguageModel.perplexity}, with these weights: what a precision costs.
   *
   * @param options - `streams`: read side by side, each from an empty state (default 1)
   * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_CORPUS, ERR_TIMERNN_VOCABULARY, ERR_TIMERNN_NOT_FINITE, or the signal's reason
   */
  async perplexity(corpus: Corpus, options: { streams?: number; signal?: AbortSignal } = {}): Promise<number> {
    checkNames(options, ['streams', 'signal'], 'perplexity');
    const streams = expectInteger('streams', options.streams ?? 1);
    const signal = checkSignal(options.signal);
    this.#core.enter();
    try {
      const loss = await corpusScore(this.#core, corpus, streams, signal);
      return finitePerplexity(loss / (corpus.length - 1), false);
    } catch (error) {
      throw fromForeign(error);
    } finally {
      this.#core.leave();
    }
  }

  /** Refuses new requests, waits for those that are there. */
  close(): Promise<void> {
    return this.#core.close();
  }
}
