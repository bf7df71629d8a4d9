/**
 * The folder of a run's checkpoints: finding the newest that can be read.
 * Refuses to do: what is in a checkpoint (see `checkpoint.ts`), and choosing when one is written.
 */
import { readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TimeRNNError } from '../errors.js';
import { ForeignCheckpoint, type RunMemory, readCheckpoint } from './checkpoint.js';
import { listCheckpoints } from './checkpoint-names.js';
import type { RunIdentity } from './identity.js';

/** What an atomic write is called until it is whole, and a lock while it is made or taken away. */
const TEMPORARY = /^\..+\.[0-9a-f]{12}(\.dead)?\.tmp$/;

/** Takes away what a process that was killed while it wrote has left; only for folders of a run, with its lock held. */
export async function sweep(...folders: string[]): Promise<void> {
  for (const folder of folders) {
    for (const name of await readdir(folder)) if (TEMPORARY.test(name)) await unlink(join(folder, name));
  }
}

/** Whether the content is at fault: not a disk that did not answer, too many open files, or another run's checkpoint. */
function isDamage(error: unknown): boolean {
  return error instanceof TimeRNNError && error.code === 'ERR_TIMERNN_FORMAT' && !(error instanceof ForeignCheckpoint);
}

async function putAside(path: string, error: unknown, instead: string): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error);
  process.emitWarning(`The run goes on from ${instead}, since a newer checkpoint is damaged: ${reason}`, {
    code: 'TIMERNN_CHECKPOINT_DAMAGED',
  });
  await rename(path, `${path}.damaged`);
}

/** What is thrown where there is nothing sound to go on with. */
function allDamaged(folder: string, newest: { path: string; error: unknown }, count: number): TimeRNNError {
  const which = count === 1 ? 'the only one is damaged' : `all ${count} are damaged`;
  const reason = newest.error instanceof Error ? newest.error.message : String(newest.error);
  return new TimeRNNError(
    'ERR_TIMERNN_FORMAT',
    `Expected a sound checkpoint in ${folder}, got none, ${which}; to start anew, take them out of there. The newest, ${newest.path}: ${reason}`,
    { cause: newest.error },
  );
}

/**
 * Loads the newest checkpoint that is sound. A damaged one is said so and put aside, but only where an older one is
 * sound; checkpoints are written whole or not at all, so it is the disk's doing.
 *
 * @returns whether there was any
 * @throws ERR_TIMERNN_FORMAT with the reason of the newest where none is sound or one is of another run; ERR_TIMERNN_FILE where
 * one cannot be read now, which says nothing of its content; memory may then hold a part of it
 */
export async function loadNewest(folder: string, memory: RunMemory, identity: RunIdentity): Promise<boolean> {
  const damaged: { path: string; error: unknown }[] = [];
  for (const name of await listCheckpoints(folder)) {
    const path = join(folder, name);
    try {
      Object.assign(memory.state, await readCheckpoint(path, memory, identity));
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged.push({ path, error });
      continue;
    }
    for (const { path: bad, error } of damaged) await putAside(bad, error, path);
    return true;
  }
  if (damaged[0] !== undefined) throw allDamaged(folder, damaged[0], damaged.length);
  return false;
}
