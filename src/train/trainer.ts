/**
 * The trainer: cuts epochs into rounds, hands them to the pool, and reports between them.
 * Refuses to do: what happens at the end of an epoch (see `training.ts`), and files (see `run-directory.ts`).
 */
import type { Corpus } from '../data/corpus.js';
import { RoundPool } from '../pool/round-pool.js';
import { onAbort } from './on-abort.js';
import type { ResolvedOptions } from './options.js';
import { planRun } from './plan-run.js';
import type { RunRecord } from './record.js';
import { RoundLength } from './round-length.js';
import { openRun } from './run-directory.js';
import { initialState } from './state.js';
import type { TrainingTarget } from './target.js';
import { Training } from './training.js';
import type { TrainProgress } from './types.js';

/** Everything that happens up to the next report. */
async function nextReport(
  training: Training,
  pool: RoundPool,
  length: RoundLength,
  record: RunRecord | undefined,
): Promise<TrainProgress> {
  if (!training.epochOver) {
    const most = Math.min(length.windows, record?.windowsLeft() ?? Number.POSITIVE_INFINITY);
    const { windows, seconds } = await training.round(pool, most);
    length.add(windows, seconds);
  }
  if (!training.epochOver) {
    await record?.round();
    return training.report();
  }
  const { report, metrics, best } = await training.endEpoch();
  await record?.epoch(metrics, best);
  return report;
}

/** Every epoch that is left. */
async function* runEpochs(
  training: Training,
  pool: RoundPool,
  options: ResolvedOptions,
  record: RunRecord | undefined,
): AsyncGenerator<TrainProgress, void, undefined> {
  const { signal, onProgress } = options;
  const length = new RoundLength(options.reportEvery);
  while (!training.over) {
    training.startEpoch();
    for (let ended = false; !ended; ) {
      signal?.throwIfAborted();
      // What a cancelled round finished is reported too, before the next turn of the loop throws.
      const report = await nextReport(training, pool, length, record);
      ended = report.epochEnd;
      await onProgress?.(report);
      yield report;
    }
  }
}

/**
 * Trains and yields after every round. Between two `next()` calls no worker runs, so the caller may save, evaluate or
 * generate in the loop's body.
 *
 * @throws the signal's reason when it aborts; ERR_TIMERNN_DIVERGED, ERR_TIMERNN_TOKEN or ERR_TIMERNN_WORKER where a rank
 * failed; what `openRun` throws, and ERR_TIMERNN_FILE where a run cannot be recorded
 */
export async function* runTraining(
  target: TrainingTarget,
  corpus: Corpus,
  options: ResolvedOptions,
): AsyncGenerator<TrainProgress, void, undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const plan = planRun(target, corpus, options);
  const state = initialState();
  const { averageFrom } = options.optimizer;
  if (averageFrom !== undefined && 'step' in averageFrom) state.averageFrom = averageFrom.step;
  const training = new Training(target, options, plan, state);
  const record = options.run && (await openRun(options.run, { target, plan, state }, corpus, options));
  // From here on the directory is locked: whatever fails has to give it back.
  try {
    // A worker without a shard would hold a workspace and only help others with theirs.
    const pool = new RoundPool({ run: plan.run, workers: Math.min(options.workers, plan.run.shardRows.length) });
    const forget = onAbort(signal, () => pool.cancel());
    try {
      if (!training.over) await pool.prepare();
      yield* runEpochs(training, pool, options, record);
      await training.finish();
    } finally {
      forget();
      await pool.close();
    }
  } finally {
    // A run that is stopped or left has a checkpoint of where it was; one that failed has the ones before.
    await record?.close(training.sound);
  }
}
