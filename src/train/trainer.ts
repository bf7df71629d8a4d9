/**
 * The trainer: cuts epochs into rounds, hands them to the pool, and reports between them.
 * Refuses to do: mathematics, and choosing anything that changes the result by the number of workers.
 */
import type { Corpus } from '../data/corpus.js';
import { planShards, planStreams } from '../data/streams.js';
import { allocateFloats, expectRoom } from '../memory/arena.js';
import type { Layout } from '../memory/layout.js';
import type { ReadWriteLock } from '../models/lock.js';
import type { TrainProgress } from '../models/types.js';
import { native } from '../native.js';
import type { NativeRun, NativeSpec, RoundResult } from '../native-types.js';
import { RoundPool } from '../pool/round-pool.js';
import { onAbort } from './on-abort.js';
import type { ResolvedOptions } from './options.js';

/** How long a round lasts where `reportEvery` is not given. */
const ROUND_SECONDS = 0.25;

/** What a run trains. */
export interface TrainingTarget {
  spec: NativeSpec;
  layout: Layout;
  params: Float32Array<SharedArrayBuffer>;
  lock: ReadWriteLock;
}

function sharedWords<T>(make: new (buffer: SharedArrayBuffer) => T, bytes: number): T {
  return new make(new SharedArrayBuffer(bytes));
}

/** Lays out the shared memory of a run; everything that a worker touches is in here. */
export function planRun(
  target: TrainingTarget,
  corpus: Corpus,
  options: ResolvedOptions,
): NativeRun & { windows: number } {
  const { spec, layout, params } = target;
  const plan = planStreams(corpus.length, options.streams, options.window);
  const shardRows = planShards(options.streams, options.shards);
  // All of them together: each alone may fit where a thousand do not.
  expectRoom(shardRows.length * layout.length + native.stateSize(spec, options.streams), 'gradients of all shards');
  const starts = sharedWords(Uint32Array, plan.starts.byteLength);
  starts.set(plan.starts);
  const packed = native.packedFloats(spec);
  return {
    ...(packed > 0 && { packed: allocateFloats(packed) }),
    spec,
    params,
    offsets: layout.offsets,
    grads: shardRows.map(() => allocateFloats(layout.length)),
    states: shardRows.map((rows) => allocateFloats(native.stateSize(spec, rows))),
    touched: shardRows.map((rows) =>
      sharedWords(Uint32Array, native.touchedWords(spec, rows, options.window) * Uint32Array.BYTES_PER_ELEMENT),
    ),
    shardRows,
    tokens: corpus.tokens,
    streamStarts: starts,
    streamSteps: plan.steps,
    window: options.window,
    control: sharedWords(Int32Array, native.controlInts() * Int32Array.BYTES_PER_ELEMENT),
    scratch: sharedWords(
      Float64Array,
      native.scratchDoubles(layout.length, shardRows.length) * Float64Array.BYTES_PER_ELEMENT,
    ),
    windows: plan.windows,
  };
}

async function timed(body: () => Promise<RoundResult>): Promise<{ result: RoundResult; seconds: number }> {
  const started = performance.now();
  const result = await body();
  return { result, seconds: Math.max(performance.now() - started, 1e-3) / 1000 };
}

/** Sums over an epoch and over the run, and the next round's length. */
class Account {
  tokens = 0;
  epochLoss = 0;
  epochTokens = 0;
  #roundWindows: number;
  readonly #fixed: boolean;

  constructor(reportEvery: number | undefined) {
    this.#fixed = reportEvery !== undefined;
    this.#roundWindows = reportEvery ?? 1;
  }

  get roundWindows(): number {
    return this.#roundWindows;
  }

  startEpoch(): void {
    this.epochLoss = 0;
    this.epochTokens = 0;
  }

  add(result: RoundResult, seconds: number): void {
    this.tokens += result.tokens;
    this.epochLoss += result.lossSum;
    this.epochTokens += result.tokens;
    if (this.#fixed) return;
    // Grows at most fourfold at once: the first rounds may be slow for reasons that pass.
    const fit = Math.round((result.windows * ROUND_SECONDS) / seconds);
    this.#roundWindows = Math.max(1, Math.min(fit, this.#roundWindows * 4));
  }
}

/**
 * Trains and yields after every round. Between two `next()` calls no worker runs, so the caller may save, evaluate or
 * generate in the loop's body.
 *
 * @throws the signal's reason when it aborts; ERR_TIMERNN_DIVERGED, ERR_TIMERNN_TOKEN or ERR_TIMERNN_WORKER where a rank failed
 */
export async function* runTraining(
  target: TrainingTarget,
  corpus: Corpus,
  options: ResolvedOptions,
): AsyncGenerator<TrainProgress, void, undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { windows, ...run } = planRun(target, corpus, options);
  // A worker without a shard would hold a workspace and compute nothing.
  const pool = new RoundPool({ run, workers: Math.min(options.workers, run.shardRows.length) });
  const forget = onAbort(signal, () => pool.cancel());
  const account = new Account(options.reportEvery);
  try {
    await pool.prepare();
    for (let epoch = 0; epoch < options.epochs; epoch++) {
      account.startEpoch();
      for (const state of run.states) state.fill(0);
      const learningRate = options.learningRate(epoch);
      for (let from = 0; from < windows; ) {
        signal?.throwIfAborted();
        const to = Math.min(windows, from + account.roundWindows);
        // Timed inside the lock: waiting for a save or an evaluation is not the speed of training.
        const { result, seconds } = await target.lock.write(() =>
          timed(() => pool.round({ from, to, learningRate, clip: options.clip })),
        );
        from += result.windows;
        account.add(result, seconds);
        // What a cancelled round finished is reported too, before the next turn of the loop throws.
        const loss = result.lossSum / result.tokens;
        yield {
          epoch,
          epochs: options.epochs,
          window: from,
          windows,
          epochEnd: from === windows,
          tokens: account.tokens,
          loss,
          perplexity: Math.exp(loss),
          epochLoss: account.epochLoss / account.epochTokens,
          tokensPerSecond: result.tokens / seconds,
          gradientNorm: result.gradientNorm,
          learningRate,
        };
      }
    }
  } finally {
    forget();
    await pool.close();
  }
}
