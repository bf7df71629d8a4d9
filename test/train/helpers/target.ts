/** What the trainer trains, without the model around it: for tests that put something else in a part's place. */
import type { Corpus, TrainOptions } from 'timernn';
import type { FileSystem } from '#src/checkpoint/atomic-write.js';
import { ReadWriteLock } from '#src/models/lock.js';
import { newParts } from '#src/models/new-model.js';
import { nativeSpec } from '#src/models/spec.js';
import { native } from '#src/native.js';
import { resolveTrainOptions } from '#src/train/options.js';
import type { TrainingTarget } from '#src/train/target.js';
import { runTraining } from '#src/train/trainer.js';

export async function newTarget(corpus: Corpus): Promise<TrainingTarget> {
  const parts = newParts({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 24 }] });
  const { spec, layout, params } = parts;
  await native.initialise(params, nativeSpec(spec), layout.offsets, 1n);
  return { spec: nativeSpec(spec), layout, params, lock: new ReadWriteLock(), parts };
}

/** A run whose files are written by other calls than Node's. */
export function trainWith(fileSystem: FileSystem, target: TrainingTarget, corpus: Corpus, options: TrainOptions) {
  const resolved = resolveTrainOptions(options, corpus.length, target.layout.placements);
  if (resolved.run !== undefined) resolved.run.fileSystem = fileSystem;
  return runTraining(target, corpus, resolved);
}
