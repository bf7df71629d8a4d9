/** Runs that are recorded in a directory: what they leave there, and how they are stopped. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Corpus, LanguageModel, TrainOptions, TrainProgress } from 'timernn';
import { readSafetensorsHeader } from '#src/checkpoint/safetensors.js';
import type { EpochMetrics } from '#src/train/record.js';
import type { RunState } from '#src/train/state.js';
import { charCorpus, digest, folderOf, NOISY, newModel, type Shape } from '../../models/helpers/models.js';

export const corpus = charCorpus(6000);
export const { train: text, heldOut } = corpus.split({ heldOut: 0.1 });
export const stop = new Error('stop');

/** Models and how they are trained: everything that has a state of its own is in one of them. */
export const RECIPES: Record<string, { shape: Shape; options: TrainOptions }> = {
  plain: { shape: {}, options: { streams: 3, window: 16, epochs: 3, learningRate: 0.5 } },
  averaged: {
    shape: NOISY,
    options: {
      ...{ streams: 4, window: 20, epochs: 6, heldOut, randomWindows: true, activationPenalty: 2, temporalPenalty: 1 },
      ...{ optimizer: { name: 'asgd', patience: 1 }, learningRate: 10 },
    },
  },
  adam: {
    shape: { layers: [{ cell: 'lstm', size: 16, dropout: 0.3 }], more: { tied: true, dropoutKind: 'locked' } },
    options: {
      ...{ streams: 4, window: 16, epochs: 3, heldOut, heldOutStreams: 4, learningRate: 0.01 },
      optimizer: { name: 'adam', averageFrom: 40 },
      keepBest: false,
      ...{ schedule: { kind: 'cosine' }, warmup: 100 },
    },
  },
  plateau: {
    shape: { layers: [{ cell: 'gru', size: 16 }] },
    options: {
      ...{ streams: 4, window: 16, epochs: 4, heldOut, heldOutStreams: 4, optimizer: 'nesterov', learningRate: 8 },
      ...{ schedule: { kind: 'plateau', factor: 0.25 }, clip: 1 },
    },
  },
};

/** Trains until `done` or to the end; a report at a time, so that a run can be stopped anywhere. */
export async function record(
  model: LanguageModel,
  on: Corpus,
  options: TrainOptions,
  done: (progress: TrainProgress, abort: () => void) => boolean = () => false,
): Promise<boolean> {
  const controller = new AbortController();
  try {
    for await (const progress of model.train(on, { ...options, signal: controller.signal })) {
      if (done(progress, () => controller.abort(stop))) return false;
    }
    return true;
  } catch (error) {
    if (error !== stop) throw error;
    return false;
  }
}

/** Names of a run's checkpoints, oldest first. */
export async function checkpointsOf(directory: string): Promise<string[]> {
  return (await readdir(join(directory, 'checkpoints'))).sort();
}

/** The newest checkpoint and what it says. */
export async function newest(directory: string): Promise<{ path: string; state: RunState }> {
  const name = (await checkpointsOf(directory)).filter((each) => each.endsWith('.safetensors')).at(-1)!;
  const path = join(directory, 'checkpoints', name);
  const { metadata } = await readSafetensorsHeader(path);
  return { path, state: JSON.parse(metadata.get('state')!) as RunState };
}

export async function metricsOf(directory: string): Promise<EpochMetrics[]> {
  const lines = (await readFile(join(directory, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as EpochMetrics);
}

/** Warnings about a directory while the body runs; other tests have theirs. */
export async function warningsOf(
  directory: string,
  body: () => Promise<unknown>,
): Promise<(Error & { code?: string })[]> {
  const warnings: (Error & { code?: string })[] = [];
  const listener = (warning: Error) => warnings.push(warning);
  process.on('warning', listener);
  try {
    await body();
    await new Promise(setImmediate);
  } finally {
    process.off('warning', listener);
  }
  return warnings.filter(({ code, message }) => code?.startsWith('TIMERNN_') && message.includes(directory));
}

/** How the runs are trained that tests of directories leave. */
export const SHORT: TrainOptions = { streams: 4, window: 16, epochs: 3, learningRate: 0.5, reportEvery: 20, heldOut };

/** A run that was left after its first epoch, with checkpoints at 64, 80 (the end of the epoch is at 85) and so on. */
export async function begun(t: ExecutionContext, keep = 3, more: TrainOptions = {}): Promise<string> {
  const directory = join(await folderOf(t), 'run');
  const run = { directory, checkpointWindows: 16, keep };
  const left = ({ epoch, window }: TrainProgress) => epoch === 1 && window >= 11;
  await record(newModel(corpus), text, { ...SHORT, ...more, run }, left);
  return directory;
}

/** Goes on with such a run. */
export const goOn = (directory: string, more: TrainOptions = {}, model = newModel(corpus)) =>
  record(model, text, { ...SHORT, ...more, run: { directory, resume: true } });

let whole: Promise<string> | undefined;
/** Where all of it ends up. */
export const straight = (): Promise<string> => {
  whole ??= (async () => {
    const model = newModel(corpus);
    await record(model, text, SHORT);
    return digest(model);
  })();
  return whole;
};
