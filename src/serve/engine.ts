/**
 * What the service asks of a model, a predictor and a session: the part of their public surface that it uses. A `LanguageModel` is a
 * `ServedModel`, a `Predictor` a `ServedPredictor`; something that wraps one, or stands in for it in a test, is too.
 * Refuses to do: anything; these are types alone.
 */
import type { Vocabulary } from '../data/vocabulary.js';
import type { ModelSpec } from '../models/types.js';
import type {
  Precision,
  PredictorOptions,
  PredictorStats,
  RequestOptions,
  SessionGenerateOptions,
  SessionOptions,
  TokenProbability,
} from '../sessions/types.js';

/** A step that asks for the most likely tokens only: the service never answers with a probability for each token. */
export interface ServedStepOptions extends RequestOptions {
  /** How many. */
  topK: number;
}

/** What the service uses of a `Session`; see there. */
export interface ServedSession {
  /** Tokens read so far. */
  readonly position: number;
  /** What was read, as a blob. */
  state: Uint8Array;
  /** Reads a token; the most likely next ones. */
  step(token: number, options: ServedStepOptions): Promise<TokenProbability[]>;
  /** The most likely next tokens; reads nothing. */
  probabilities(options: ServedStepOptions): Promise<TokenProbability[]>;
  /** Reads tokens. */
  observe(tokens: Uint32Array, options?: RequestOptions): Promise<void>;
  /** log P of each token in turn, in nats; reads them. */
  score(tokens: Uint32Array, options?: RequestOptions): Promise<Float64Array>;
  /** Draws tokens and reads them. */
  generate(options?: SessionGenerateOptions): AsyncGenerator<number>;
  /** Another session with the same past. */
  fork(): ServedSession;
}

/** What the service uses of a `Predictor`; see there. */
export interface ServedPredictor {
  /** The architecture. */
  readonly spec: ModelSpec;
  /** What the tokens are. */
  readonly vocabulary: Vocabulary;
  /** How the weights are kept. */
  readonly precision: Precision;
  /** Which model it is, as 64 hexadecimal digits. */
  readonly modelHash: string;
  /** Bytes that every step reads. */
  readonly weightBytes: number;
  /** What it did so far. */
  readonly stats: PredictorStats;
  /** A stream of its own. */
  session(options?: SessionOptions): ServedSession;
  /** Ends it. */
  close(): Promise<void>;
}

/** What the service uses of a `LanguageModel`; see there. */
export interface ServedModel {
  /** Packs the weights. */
  predictor(options?: PredictorOptions): Promise<ServedPredictor>;
}
