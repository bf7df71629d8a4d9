/** A run of a tiny model, laid out as the trainer does, for tests that look at the pool alone. */
import { LanguageModel, type TrainOptions } from 'timernn';
import { allocateFloats } from '#src/memory/arena.js';
import { planLayout } from '#src/memory/layout.js';
import { ReadWriteLock } from '#src/models/lock.js';
import { native } from '#src/native.js';
import type { NativeRun } from '#src/native-types.js';
import { resolveTrainOptions } from '#src/train/options.js';
import { planRun } from '#src/train/trainer.js';
import { charCorpus } from '../../models/helpers/models.js';

/** The worker that misbehaves, as compiled. */
export const dyingWorker = new URL('./dying-worker.js', import.meta.url).href;

/** @param mode how rank 1 of `dyingWorker` dies; unknown to the real worker */
export async function tinyRun(mode = '', options: TrainOptions = {}): Promise<NativeRun & { mode: string }> {
  const corpus = charCorpus(20_000);
  const layers = [{ cell: 'rnn' as const, size: 24 }];
  const { spec } = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers });
  const layout = planLayout(native.tensorTable(spec));
  const params = allocateFloats(layout.length);
  await native.initialise(params, spec, layout.offsets, 1n);
  const target = { spec, layout, params, lock: new ReadWriteLock() };
  const { windows: _, ...run } = planRun(
    target,
    corpus,
    resolveTrainOptions({ streams: 4, window: 8, workers: 2, ...options }, corpus.length),
  );
  return { ...run, mode };
}
