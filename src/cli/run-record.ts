/**
 * What the command line adds to the folder of a run: the curve as a picture, and the figures of all its epochs, those
 * of earlier processes too. Refuses to do: checkpoints and `metrics.jsonl`, which the trainer writes.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../checkpoint/atomic-write.js';
import { readSafetensorsHeader } from '../checkpoint/safetensors.js';
import { TimeRNNError } from '../errors.js';
import { type CurveLine, curveSvg } from '../report/curve-svg.js';
import type { ReportEpoch } from '../report/types.js';
import { listCheckpoints } from '../train/checkpoint-names.js';
import type { NamedFile } from './files.js';
import type { RunPosition } from './run-facts.js';

/** The figures of one epoch, as `results.json` lists them. */
export interface EpochFigures {
  /** From 1. */
  epoch: number;
  trainPerplexity: number;
  heldOutPerplexity?: number;
  /** Whether that is of the optimiser's average of the parameters. */
  averaging?: true;
  learningRate?: number;
  seconds?: number;
}

const RUN = 'run.json';
const METRICS = 'metrics.jsonl';
const CURVE = 'curve.svg';
const CHECKPOINTS = 'checkpoints';
const BEST = 'best.safetensors';

const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** A line of `metrics.jsonl`; undefined for one that says nothing of an epoch, or was cut short by a crash. */
function parseLine(line: string): EpochFigures | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const epoch = finite(value?.epoch);
  const loss = finite(value?.loss) ?? finite(value?.epochLoss);
  if (epoch === undefined || loss === undefined) return undefined;
  const held = finite(value.heldOutLoss);
  const learningRate = finite(value.learningRate);
  const seconds = finite(value.seconds);
  return {
    epoch,
    trainPerplexity: Math.exp(loss),
    ...(held === undefined ? {} : { heldOutPerplexity: Math.exp(held) }),
    ...(value.averaging === true && { averaging: true }),
    ...(learningRate === undefined ? {} : { learningRate }),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

/** The epochs that the trainer has recorded; none where there is no record yet. */
async function recordedEpochs<T>(directory: string, parse: (line: string) => T | undefined): Promise<T[]> {
  const text = await readFile(join(directory, METRICS), 'utf8').catch(() => '');
  return text
    .split('\n')
    .map(parse)
    .filter((epoch) => epoch !== undefined);
}

/** A recorded epoch as a report shows it; undefined where the line lacks a figure. */
function parseReportEpoch(line: string): ReportEpoch | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const of = (name: string) => finite(value?.[name]) ?? Number.NaN;
  const [epoch, tokens, loss, learningRate] = [of('epoch'), of('tokens'), of('loss'), of('learningRate')];
  const [tokensPerSecond, seconds] = [of('tokensPerSecond'), of('seconds')];
  const recorded = { epoch, tokens, loss, learningRate, tokensPerSecond, seconds };
  if (Object.values(recorded).some(Number.isNaN)) return undefined;
  const heldOutLoss = finite(value.heldOutLoss);
  return {
    ...recorded,
    ...(heldOutLoss === undefined ? {} : { heldOutLoss }),
    ...(value.averaging === true && { averaging: true }),
  };
}

const figuresOf = ({ epoch, loss, heldOutLoss, averaging, learningRate, seconds }: ReportEpoch): EpochFigures => ({
  epoch,
  trainPerplexity: Math.exp(loss),
  ...(heldOutLoss === undefined ? {} : { heldOutPerplexity: Math.exp(heldOutLoss) }),
  ...(averaging && { averaging }),
  learningRate,
  seconds,
});

/**
 * The trainer refuses a folder that holds a run, too, but only once the text has been read and the run announced.
 *
 * @throws ERR_TIMERNN_OPTION
 */
export async function checkRunFolder(directory: string, resume: boolean | undefined): Promise<void> {
  if (resume || (await stat(join(directory, RUN)).catch(() => undefined)) === undefined) return;
  throw new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected --run to name a folder without a run, or --resume beside it, got a run in ${directory}`,
  );
}

/**
 * Where a run is that is about to go on, by the newest checkpoint whose header can be read: the trainer reads the rest.
 *
 * @returns 'new' where there is no checkpoint; undefined where none can be read, which the trainer refuses
 */
export async function positionOf(directory: string): Promise<RunPosition | 'new' | undefined> {
  const folder = join(directory, CHECKPOINTS);
  const names = await listCheckpoints(folder).catch(() => []);
  if (names.length === 0) return 'new';
  for (const name of names) {
    try {
      const { metadata } = await readSafetensorsHeader(join(folder, name));
      const { epoch, window } = JSON.parse(metadata.get('state') ?? '') as RunPosition;
      if (Number.isInteger(epoch) && Number.isInteger(window)) return { epoch: epoch + 1, window };
    } catch {
      // Damaged, or another file: what the trainer makes of it, it says itself.
    }
  }
  return undefined;
}

/** Files of a run that nothing else may be written over. */
export const filesOfRun = (directory: string): NamedFile[] =>
  [RUN, METRICS, CURVE, BEST, 'recipe.json', 'results.json'].map((name) => [
    `${name} of the run`,
    join(directory, name),
  ]);

/** The best model that a run has written so far; undefined where there is none. */
export async function bestModelOf(directory: string): Promise<string | undefined> {
  const path = join(directory, BEST);
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : path;
}

/** Seconds of training of all processes that worked on a run; undefined where the record does not know them. */
export function secondsOf(epochs: readonly EpochFigures[]): number | undefined {
  const known = epochs.length > 0 && epochs.every((epoch) => epoch.seconds !== undefined);
  return known ? epochs.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0) : undefined;
}

/** Every epoch of a run, in order: recorded ones, and those of this process that are not in the record. */
export async function allEpochs(directory: string | undefined, fresh: readonly ReportEpoch[]): Promise<EpochFigures[]> {
  const byEpoch = new Map(fresh.map((epoch) => [epoch.epoch, figuresOf(epoch)]));
  // The record wins: its seconds count the part of an epoch that an earlier process did.
  const recorded = directory === undefined ? [] : await recordedEpochs(directory, parseLine);
  for (const epoch of recorded) byEpoch.set(epoch.epoch, epoch);
  return [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch);
}

/**
 * The same for a report: the record has the epochs and the seconds of earlier processes, this process the samples that
 * it wrote and what was measured outside the trainer.
 */
export async function reportEpochs(directory: string, fresh: readonly ReportEpoch[]): Promise<ReportEpoch[]> {
  const byEpoch = new Map(fresh.map((epoch) => [epoch.epoch, epoch]));
  for (const recorded of await recordedEpochs(directory, parseReportEpoch)) {
    byEpoch.set(recorded.epoch, { ...byEpoch.get(recorded.epoch), ...recorded });
  }
  return [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch);
}

/** What the picture says beside the curves. */
export interface CurveRequest {
  title: string;
  subtitle?: string;
  lines?: readonly CurveLine[];
}

/**
 * Draws `curve.svg` anew.
 *
 * @returns its path
 * @throws ERR_TIMERNN_FILE where it cannot be written
 */
export async function writeCurve(
  directory: string,
  request: CurveRequest,
  epochs: readonly EpochFigures[],
  totalEpochs: number,
): Promise<string> {
  const path = join(directory, CURVE);
  await writeFileAtomic(path, [Buffer.from(curveSvg({ ...request, epochs, totalEpochs }))]);
  return path;
}
