/** Checks and defaults of the training options. Refuses to do: anything with a corpus. */
import { availableParallelism } from 'node:os';
import { defaultStreams } from '../data/streams.js';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import type { TrainOptions } from '../models/types.js';
import { checkNames, checkSignal } from '../options.js';

/** Training options with every default filled in. */
export interface ResolvedOptions {
  streams: number;
  window: number;
  epochs: number;
  workers: number;
  shards: number | undefined;
  learningRate: (epoch: number) => number;
  clip: number;
  reportEvery: number | undefined;
  signal: AbortSignal | undefined;
}

const NAMES: readonly string[] = [
  'streams',
  'window',
  'epochs',
  'workers',
  'shards',
  'learningRate',
  'clip',
  'reportEvery',
  'signal',
] satisfies (keyof TrainOptions)[];

/** Kernels compute in float32: a step size above its range would be infinite there, and turn parameters into NaN. */
const LARGEST_FLOAT = 2 ** 128 - 2 ** 104;

function rate(value: unknown, where: string, max = Number.MAX_VALUE): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= max)) {
    const limit = max === Number.MAX_VALUE ? '' : ` and at most ${max.toPrecision(2)}`;
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected ${where} to be a finite number of at least 0${limit}, got ${describe(value)}`,
    );
  }
  return value;
}

/**
 * @param length - tokens of the corpus, for the default of `streams`
 * @throws ERR_TIMERNN_OPTION naming the option, what was expected and what came
 */
export function resolveTrainOptions(options: TrainOptions, length: number): ResolvedOptions {
  checkNames(options, NAMES, 'train');
  const { learningRate = 1, clip = 0.5, shards, reportEvery } = options;
  if (typeof learningRate !== 'function') rate(learningRate, 'learningRate', LARGEST_FLOAT);
  const schedule = typeof learningRate === 'function' ? learningRate : () => learningRate;
  const window = expectInteger('window', options.window ?? 64, 1, 2 ** 20);
  return {
    streams: expectInteger('streams', options.streams ?? defaultStreams(length, window)),
    window,
    epochs: expectInteger('epochs', options.epochs ?? 1),
    workers: expectInteger('workers', options.workers ?? availableParallelism(), 1, 256),
    shards: shards === undefined ? undefined : expectInteger('shards', shards),
    learningRate: (epoch) => rate(schedule(epoch), `learningRate(${epoch})`, LARGEST_FLOAT),
    clip: rate(clip, 'clip'),
    reportEvery: reportEvery === undefined ? undefined : expectInteger('reportEvery', reportEvery),
    signal: checkSignal(options.signal),
  };
}
