/** The public types of serving: predictors and sessions. */

/** How a predictor keeps its weights. Biases, states and sums stay float32. */
export type Precision = 'float32' | 'bfloat16' | 'int8';

/** A token by its number, or by its text as the vocabulary has it. */
export type TokenLike = number | string;

/** How a predictor works. */
export interface PredictorOptions {
  /**
   * `bfloat16` halves the memory that a step reads, `int8` (a scale for each output unit) quarters it. What it costs in perplexity
   * says `timernn evaluate --precision`.
   * @default 'float32'
   */
  precision?: Precision;
  /**
   * Batches that run at the same time, each on a thread of the libuv pool (which has 4 threads unless UV_THREADPOOL_SIZE says
   * otherwise, shared with file access and DNS).
   * @default the cores of this process, at most 3
   */
  lanes?: number;
  /**
   * Threads that share one batch or one `stepSync`: a large model (tens of megabytes) answers a single stream sooner.
   * More than 1 spins for a while on the other cores.
   * @default 1
   */
  threads?: number;
  /** Sessions that one batch has at most. @default 64 */
  maxBatch?: number;
  /**
   * Milliseconds that a request waits for others to join it while a lane is free. Each token of `generate`, and each 64 tokens
   * that are read, wait anew.
   * @default 0
   */
  maxWait?: number;
  /** Requests that may wait, of all sessions for a batch, and of one session for its own turn; one more is refused with ERR_TIMERNN_OVERLOADED. @default 16,384 */
  maxQueue?: number;
}

/** A token and its probability. */
export interface TokenProbability {
  token: number;
  probability: number;
}

/** What a request may say besides its tokens. */
export interface RequestOptions {
  /** Takes the request out of the queue; it then rejects with the signal's reason and the session is as it was before it. */
  signal?: AbortSignal;
}

export interface StepOptions extends RequestOptions {
  /** Only the k most likely tokens, most likely first; the array of all is then never made. */
  topK?: number | undefined;
}

/** How a session generates. */
export interface SessionGenerateOptions extends RequestOptions {
  /** Tokens at most. @default 200 */
  length?: number;
  /** 1 samples the model's distribution; below sharpens, above flattens; 0 takes the most likely token. @default 1 */
  temperature?: number;
  /** Sample among the k most likely tokens only; 0 = all. @default 0 */
  topK?: number | undefined;
  /** Same seed, same state, same tokens. An integer in [0, 2⁵³). @default 1 */
  seed?: number;
  /** Whether `<unk>` may be sampled. @default false */
  allowUnknown?: boolean;
}

/** How a session starts. */
export interface SessionOptions {
  /** A state that `session.state` gave, of the same model. @default nothing read yet */
  state?: Uint8Array;
}

/** What a predictor did so far, for dashboards. */
export interface PredictorStats {
  /** Requests that wait. */
  queued: number;
  /** Requests in batches that run now. */
  running: number;
  /** Requests answered since the start. */
  requests: number;
  /** Batches run since the start. */
  batches: number;
  /** Tokens read or sampled since the start. */
  tokens: number;
  /** Requests refused because the queue was full. */
  refused: number;
  /** Requests that their signal took back. */
  cancelled: number;
}
