/**
 * What sessions of one predictor share: the packed weights, the batcher, and an engine for the calling thread.
 * Refuses to do: options (see `predictor.ts`).
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Vocabulary } from '../data/vocabulary.js';
import { TimeRNNError } from '../errors.js';
import type { ModelParts } from '../models/model-file.js';
import { nativeSpec, withoutNoise } from '../models/spec.js';
import { native } from '../native.js';
import type { NativeEngine, NativePackedWeights } from '../native-inference.js';
import type { QuestionTarget } from '../train/target.js';
import { Batcher, notFinite } from './batcher.js';
import { type Answer, accept, makeBatch, type Request, readBatch } from './request.js';
import type { PredictorOptions } from './types.js';

export type ResolvedOptions = Required<PredictorOptions>;

/** Bytes that are hashed in one turn of the event loop: a few milliseconds. */
const HASH_TURN = 1 << 22;

/** SHA-256 of architecture, vocabulary and weights. */
async function hashModel({ spec, vocabulary, params }: ModelParts): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(withoutNoise(spec))).update(vocabulary.hash);
  const bytes = new Uint8Array(params.buffer, params.byteOffset, params.byteLength);
  for (let at = 0; at < bytes.length; at += HASH_TURN) {
    hash.update(bytes.subarray(at, at + HASH_TURN));
    await setImmediate();
  }
  return hash.digest('hex');
}

/** See the file's header. */
export class Core {
  readonly options: ResolvedOptions;
  readonly modelHash: string;
  readonly vocabulary: Vocabulary;
  readonly weightBytes: number;
  /** Floats of a session's state. */
  readonly stateLength: number;
  readonly batcher: Batcher;
  readonly #weights: NativePackedWeights;
  #own: NativeEngine | undefined;
  #closed = false;
  /** Requests of sessions under way, with those that wait behind them, and measurements. */
  #open = 0;
  #idle: (() => void)[] = [];

  private constructor(parts: ModelParts, weights: NativePackedWeights, modelHash: string, options: ResolvedOptions) {
    const { lanes, threads, maxBatch } = options;
    this.options = options;
    this.modelHash = modelHash;
    this.vocabulary = parts.vocabulary;
    this.weightBytes = weights.bytes;
    this.stateLength = native.stateSize(nativeSpec(parts.spec), 1);
    this.#weights = weights;
    const engines = Array.from({ length: lanes }, () => new native.Engine(weights, maxBatch, threads));
    this.batcher = new Batcher(engines, { ...options, vocabulary: parts.vocabulary.size });
  }

  /** Packs a model's weights as they are now, off the calling thread. */
  static async make(target: QuestionTarget, parts: ModelParts, options: ResolvedOptions): Promise<Core> {
    const weights = new native.PackedWeights(target.spec, target.layout.offsets, options.precision);
    const hash = await target.lock.read(async () => {
      await weights.pack(parts.params);
      return hashModel(parts);
    });
    return new Core(parts, weights, hash, options);
  }

  /** An engine of its own for as many rows, e.g. to measure a corpus. */
  engine(rows: number): NativeEngine {
    return new native.Engine(this.#weights, rows, this.options.threads);
  }

  /** Runs a request on the calling thread. @throws ERR_TIMERNN_CLOSED, ERR_TIMERNN_NOT_FINITE */
  askSync(request: Request): Answer {
    this.expectOpen();
    this.#own ??= this.engine(1);
    const batch = makeBatch([request], this.vocabulary.size);
    this.#own.runSync(batch);
    const [outcome] = readBatch(batch, [request], this.vocabulary.size);
    const answer = accept(request, outcome!);
    if (answer === undefined) throw notFinite();
    return answer;
  }

  /** @throws ERR_TIMERNN_CLOSED */
  expectOpen(): void {
    if (!this.#closed) return;
    throw new TimeRNNError('ERR_TIMERNN_CLOSED', 'Expected the predictor to be open, got one that was closed');
  }

  /** `close` waits for the {@link leave} to it. @throws ERR_TIMERNN_CLOSED */
  enter(): void {
    this.expectOpen();
    this.#open++;
  }

  /** What was begun with {@link enter} is over. */
  leave(): void {
    if (--this.#open === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.batcher.hurry();
    if (this.#open > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#own = undefined;
  }
}
