/** A run of a tiny model, laid out as the trainer does, for tests that look at the pool alone. */
import { LanguageModel, type TrainOptions } from 'timernn';
import { allocateFloats } from '#src/memory/arena.js';
import { planLayout } from '#src/memory/layout.js';
import { ReadWriteLock } from '#src/models/lock.js';
import { nativeSpec } from '#src/models/spec.js';
import { native } from '#src/native.js';
import type { NativeRun } from '#src/native-training.js';
import { resolveTrainOptions } from '#src/train/options.js';
import { planRun } from '#src/train/plan-run.js';
import { charCorpus } from '../../models/helpers/models.js';

/** The worker that misbehaves, as compiled. */
export const dyingWorker = new URL('./dying-worker.js', import.meta.url).href;

/** A round of that run, at its start. */
export const call = {
  from: 0,
  to: 20,
  done: 0,
  clip: 5,
  clipValue: 0,
  averageFrom: Number.POSITIVE_INFINITY,
  lossBefore: 0,
};

/** @param mode how rank 1 of `dyingWorker` dies; unknown to the real worker */
export async function tinyRun(mode = '', options: TrainOptions = {}): Promise<NativeRun & { mode: string }> {
  const corpus = charCorpus(20_000);
  const { vocabulary } = corpus;
  const { spec } = new LanguageModel({ vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 24 }] });
  const own = nativeSpec(spec);
  const layout = planLayout(native.tensorTable(own));
  const params = allocateFloats(layout.length);
  await native.initialise(params, own, layout.offsets, 1n);
  const parts = { spec, vocabulary, layout, params, origin: { kind: 'loaded' } as const };
  const target = { spec: own, layout, params, lock: new ReadWriteLock(), parts };
  const resolved = resolveTrainOptions(
    { streams: 4, window: 8, workers: 2, ...options },
    corpus.length,
    layout.placements,
  );
  const { run } = planRun(target, corpus, resolved);
  run.rates.fill(0.5);
  return { ...run, mode };
}
