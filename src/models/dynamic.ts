/**
 * Dynamic evaluation: the parameters follow the text that is measured. One epoch of plain SGD over one stream of it, on a
 * copy of the parameters. Refuses to do: touching the model.
 */
import type { Corpus } from '../data/corpus.js';
import { expectInteger } from '../errors.js';
import { allocateFloats } from '../memory/arena.js';
import { checkNames } from '../options.js';
import { expectRate, LARGEST_FLOAT } from '../train/checks.js';
import { resolveTrainOptions } from '../train/options.js';
import type { TrainingTarget } from '../train/target.js';
import { runTraining } from '../train/trainer.js';
import { DYNAMIC_DEFAULTS } from './dynamic-defaults.js';
import { expectStreams } from './evaluate.js';
import { ReadWriteLock } from './lock.js';
import { withoutNoise } from './spec.js';
import type { DynamicOptions } from './types.js';

const NAMES: readonly string[] = ['learningRate', 'window', 'clip'] satisfies (keyof DynamicOptions)[];

/** Windows of a round: always as many, since the last bits of a sum depend on where it is cut. */
const ROUND = 1024;

/**
 * Sum of the negative log-likelihoods of tokens 1 … L−1, in nats; each window is measured before it is learned from.
 *
 * @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_CORPUS, ERR_TIMERNN_DIVERGED, or the signal's reason
 */
export async function dynamicLoss(
  target: TrainingTarget,
  corpus: Corpus,
  dynamic: DynamicOptions,
  signal?: AbortSignal,
): Promise<number> {
  checkNames(dynamic, NAMES, 'dynamic');
  const { learningRate = DYNAMIC_DEFAULTS.learningRate, window = DYNAMIC_DEFAULTS.window } = dynamic;
  const { clip = DYNAMIC_DEFAULTS.clip } = dynamic;
  expectRate('dynamic.learningRate', learningRate, LARGEST_FLOAT);
  expectInteger('dynamic.window', window);
  expectRate('dynamic.clip', clip);
  const once = { streams: 1, shards: 1, workers: 1, epochs: 1, reportEvery: ROUND, ...(signal && { signal }) };
  const options = resolveTrainOptions({ learningRate, window, clip, ...once }, corpus.length, target.layout.placements);
  expectStreams(corpus, 1);
  const params = allocateFloats(target.layout.length);
  await target.lock.read(async () => params.set(target.params));
  const parts = { ...target.parts, spec: withoutNoise(target.parts.spec), params };
  const copy: TrainingTarget = { ...target, params, parts, lock: new ReadWriteLock() };
  let mean = Number.NaN;
  for await (const { epochLoss } of runTraining(copy, corpus, options)) mean = epochLoss;
  return mean * (corpus.length - 1);
}
