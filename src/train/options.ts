/** Checks and defaults of the training options. Refuses to do: anything with the corpus that is trained on. */
import { availableParallelism } from 'node:os';
import { Corpus } from '../data/corpus.js';
import { defaultStreams } from '../data/streams.js';
import { expectInteger } from '../errors.js';
import type { Placement } from '../memory/layout.js';
import { expectStreams } from '../models/evaluate.js';
import { checkSeed } from '../models/generate.js';
import { awaitHint, checkNames, checkSignal, expectBoolean } from '../options.js';
import { expectRate, LARGEST_FLOAT, optionError } from './checks.js';
import { optimizerDefaults, type ResolvedOptimizer, resolveOptimizer } from './optimizer-options.js';
import { resolveRateFactors } from './rate-factors.js';
import { type ResolvedRun, resolveRun } from './run-options.js';
import { type ResolvedSchedule, resolveSchedule } from './schedule-options.js';
import type { TrainOptions } from './types.js';
import { SHORTEST_DRAWN } from './windows.js';

/** The text that is measured after each epoch. */
export interface ResolvedHeldOut {
  corpus: Corpus;
  streams: number;
  keepBest: boolean;
  /** Infinite where nobody asked for an end. */
  patience: number;
}

/** Training options with every default filled in. */
export interface ResolvedOptions {
  streams: number;
  window: number;
  epochs: number;
  workers: number;
  shards: number | undefined;
  /** Base of the schedule in an epoch. Checked anew in each one. */
  learningRate: (epoch: number) => number;
  /** Whether that is the caller's function. */
  learningRateIsFunction: boolean;
  schedule: ResolvedSchedule;
  warmup: number;
  /** With its weight decay. */
  optimizer: ResolvedOptimizer;
  /** A number a tensor, in table order; undefined where all are 1. */
  rateFactors: number[] | undefined;
  clip: number;
  clipValue: number;
  activationPenalty: number;
  temporalPenalty: number;
  randomWindows: boolean;
  seed: bigint;
  heldOut: ResolvedHeldOut | undefined;
  onProgress: TrainOptions['onProgress'];
  run: ResolvedRun | undefined;
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
  'schedule',
  'warmup',
  'optimizer',
  'weightDecay',
  'rateFactors',
  'clip',
  'clipValue',
  'activationPenalty',
  'temporalPenalty',
  'randomWindows',
  'seed',
  'heldOut',
  'heldOutStreams',
  'keepBest',
  'patience',
  'onProgress',
  'run',
  'reportEvery',
  'signal',
] satisfies (keyof TrainOptions)[];

function resolveWindow(options: TrainOptions): { window: number; randomWindows: boolean } {
  const window = expectInteger('window', options.window ?? 64, 1, 2 ** 20);
  const randomWindows = expectBoolean('randomWindows', options.randomWindows ?? false);
  if (randomWindows && window < SHORTEST_DRAWN) {
    throw optionError('window', `at least ${SHORTEST_DRAWN} with randomWindows`, window);
  }
  return { window, randomWindows };
}

function resolveHeldOut({ heldOut, heldOutStreams, keepBest, patience }: TrainOptions): ResolvedHeldOut | undefined {
  const keep = keepBest === undefined ? undefined : expectBoolean('keepBest', keepBest);
  const enough = patience === undefined ? Number.POSITIVE_INFINITY : expectInteger('patience', patience);
  const streams = expectInteger('heldOutStreams', heldOutStreams ?? 1);
  if (heldOut === undefined) {
    if (keep) throw optionError('keepBest', 'left out or false where there is no heldOut', keep);
    if (patience !== undefined) throw optionError('patience', 'left out where there is no heldOut', patience);
    if (heldOutStreams !== undefined) {
      throw optionError('heldOutStreams', 'left out where there is no heldOut', heldOutStreams);
    }
    return undefined;
  }
  if (!(heldOut instanceof Corpus)) throw optionError('heldOut', 'a Corpus', heldOut, awaitHint(heldOut));
  expectStreams(heldOut, streams, 'heldOutStreams');
  return { corpus: heldOut, streams, keepBest: keep ?? true, patience: enough };
}

type RateOptions = Pick<ResolvedOptions, 'learningRate' | 'learningRateIsFunction' | 'schedule' | 'warmup'>;

/** @param largest - that a rate may be: with the largest factor on it, it is still a number to a float32 */
function resolveRates(options: TrainOptions, defaultRate: number, hasHeldOut: boolean, largest: number): RateOptions {
  const { learningRate = defaultRate } = options;
  const isFunction = typeof learningRate === 'function';
  const schedule = resolveSchedule(options.schedule);
  if (!isFunction) expectRate('learningRate', learningRate, largest);
  if (isFunction && options.schedule !== undefined) {
    throw optionError('schedule', 'left out where learningRate is a function', schedule.kind);
  }
  if (schedule.kind === 'plateau' && !hasHeldOut) {
    throw optionError(
      'schedule.kind',
      'another than "plateau" where there is no heldOut',
      schedule.kind,
      '; give heldOut',
    );
  }
  if (schedule.kind === 'cosine' && !isFunction && schedule.minimum > learningRate) {
    throw optionError('schedule.minimum', `at most the learningRate of ${learningRate}`, schedule.minimum);
  }
  const base = isFunction ? learningRate : () => learningRate;
  return {
    learningRate: (epoch) => expectRate(`learningRate(${epoch})`, base(epoch), largest),
    learningRateIsFunction: isFunction,
    schedule,
    warmup: expectInteger('warmup', options.warmup ?? 0, 0),
  };
}

/** The average is what counts where there is one; steps back to an older one would be averaged with what they undo. */
function checkRestore(schedule: ResolvedSchedule, optimizer: ResolvedOptimizer): void {
  if (schedule.kind === 'plateau' && schedule.restore && optimizer.averageFrom !== undefined) {
    throw optionError('schedule.restore', 'false where the optimizer averages', schedule.restore);
  }
}

function resolveOnProgress(value: unknown): ResolvedOptions['onProgress'] {
  if (value === undefined || typeof value === 'function') return value as ResolvedOptions['onProgress'];
  throw optionError('onProgress', 'a function', value);
}

/**
 * @param length - tokens of the corpus, for the default of `streams`
 * @throws ERR_TIMERNN_OPTION naming the option, what was expected and what came; ERR_TIMERNN_CORPUS where `heldOut` is
 * too short to be measured
 */
export function resolveTrainOptions(
  options: TrainOptions,
  length: number,
  tensors: readonly Placement[],
): ResolvedOptions {
  checkNames(options, NAMES, 'train');
  const { clip = 0.5, shards, reportEvery, optimizer: given = 'sgd' } = options;
  const { window, randomWindows } = resolveWindow(options);
  const heldOut = resolveHeldOut(options);
  const { native, averageFrom } = resolveOptimizer(given, heldOut !== undefined);
  const defaults = optimizerDefaults(native.name);
  const weightDecay = expectRate('weightDecay', options.weightDecay ?? defaults.weightDecay, LARGEST_FLOAT);
  const optimizer = { native: { ...native, ...(weightDecay > 0 && { weightDecay }) }, averageFrom };
  const rateFactors = resolveRateFactors(options.rateFactors, tensors);
  const largest = LARGEST_FLOAT / Math.max(1, ...(rateFactors ?? []));
  const rates = resolveRates(options, defaults.learningRate, heldOut !== undefined, largest);
  checkRestore(rates.schedule, optimizer);
  return {
    streams: expectInteger('streams', options.streams ?? defaultStreams(length, window)),
    window,
    epochs: expectInteger('epochs', options.epochs ?? 1),
    workers: expectInteger('workers', options.workers ?? availableParallelism(), 1, 256),
    shards: shards === undefined ? undefined : expectInteger('shards', shards),
    ...rates,
    optimizer,
    rateFactors,
    clip: expectRate('clip', clip),
    clipValue: expectRate('clipValue', options.clipValue ?? 0),
    activationPenalty: expectRate('activationPenalty', options.activationPenalty ?? 0, LARGEST_FLOAT),
    temporalPenalty: expectRate('temporalPenalty', options.temporalPenalty ?? 0, LARGEST_FLOAT),
    randomWindows,
    seed: checkSeed(options.seed ?? 1),
    heldOut,
    onProgress: resolveOnProgress(options.onProgress),
    run: resolveRun(options.run),
    reportEvery: reportEvery === undefined ? undefined : expectInteger('reportEvery', reportEvery),
    signal: checkSignal(options.signal),
  };
}
