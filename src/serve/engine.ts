/**
 * What the service asks of a predictor and of a session: the part of their public surface that it uses. A test can bring
 * its own. Refuses to do: anything; these are types alone.
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
  topK: number;
}

/** A session, as far as the service uses it. */
export interface ServedSession {
  readonly position: number;
  state: Uint8Array;
  step(token: number, options: ServedStepOptions): Promise<TokenProbability[]>;
  probabilities(options: ServedStepOptions): Promise<TokenProbability[]>;
  observe(tokens: Uint32Array, options?: RequestOptions): Promise<void>;
  score(tokens: Uint32Array, options?: RequestOptions): Promise<Float64Array>;
  generate(options?: SessionGenerateOptions): AsyncGenerator<number>;
  fork(): ServedSession;
}

/** A predictor, as far as the service uses it. */
export interface ServedPredictor {
  readonly spec: ModelSpec;
  readonly vocabulary: Vocabulary;
  readonly precision: Precision;
  readonly modelHash: string;
  readonly weightBytes: number;
  readonly stats: PredictorStats;
  session(options?: SessionOptions): ServedSession;
  close(): Promise<void>;
}

/** A model, as far as the service uses it. */
export interface ServedModel {
  predictor(options?: PredictorOptions): Promise<ServedPredictor>;
}
