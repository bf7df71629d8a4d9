/** Checks and defaults of `run`. Refuses to do: touching a file (see `run-directory.ts`). */
import { resolve } from 'node:path';
import type { FileSystem } from '../checkpoint/atomic-write.js';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { checkNames, expectBoolean, filePath } from '../options.js';
import { expectPositive } from './checks.js';
import type { RunOptions } from './types.js';

/** Where a run is recorded, with every default filled in. */
export interface ResolvedRun {
  directory: string;
  /** Infinite where windows are counted. */
  checkpointSeconds: number;
  /** Infinite where seconds are counted. */
  checkpointWindows: number;
  keep: number;
  resume: boolean;
  /** The calls that write files; tests put failing ones in their place. */
  fileSystem?: FileSystem;
}

const NAMES: readonly string[] = [
  'directory',
  'checkpointSeconds',
  'checkpointWindows',
  'keep',
  'resume',
] satisfies (keyof RunOptions)[];

/** @throws ERR_TIMERNN_OPTION naming the field, what was expected and what came */
export function resolveRun(given: unknown): ResolvedRun | undefined {
  if (given === undefined) return undefined;
  checkNames(given, NAMES, 'run');
  const { directory, checkpointSeconds, checkpointWindows, keep, resume } = given as RunOptions;
  if (checkpointSeconds !== undefined && checkpointWindows !== undefined) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected run.checkpointSeconds to be left out where checkpointWindows is given, got ${describe(checkpointSeconds)}`,
    );
  }
  const counted = checkpointWindows !== undefined;
  return {
    directory: resolve(filePath(directory, 'run.directory', 'directory')),
    checkpointSeconds: counted
      ? Number.POSITIVE_INFINITY
      : expectPositive('run.checkpointSeconds', checkpointSeconds ?? 300),
    checkpointWindows: counted ? expectInteger('run.checkpointWindows', checkpointWindows) : Number.POSITIVE_INFINITY,
    keep: expectInteger('run.keep', keep ?? 2),
    resume: expectBoolean('run.resume', resume ?? false),
  };
}
