/**
 * Checks before a long run that its results will find a place.
 * Refuses to do: writing them (see `checkpoint/atomic-write.ts`).
 */
import { randomBytes } from 'node:crypto';
import { open, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { TimeRNNError } from '../errors.js';
import { UsageError } from './failures.js';

const reason = (error: unknown, folderExists: boolean): string => {
  const code = (error as NodeJS.ErrnoException).code;
  const known: Record<string, string> = {
    // The file system of /proc answers so.
    ENOENT: folderExists ? 'the system takes no new files there' : 'it does not exist',
    ENOTDIR: 'a part of it is a file, not a folder',
    EACCES: 'permission is denied',
    EPERM: 'permission is denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
  };
  return known[code ?? ''] ?? (error as Error).message;
};

/** @throws UsageError where a command would write over the file that it reads */
export async function expectOther(input: string, out: string): Promise<void> {
  const [from, to] = await Promise.all([input, out].map((path) => realpath(path).catch(() => resolve(path))));
  if (from === to) throw new UsageError(`<out>: expected another file than ${input}, got the same`);
}

/** A file by its option's name, `--out`, or by what it is, `the text`. */
export type NamedFile = readonly [name: string, path: string];

const whole = async (path: string): Promise<string> => {
  // A file that is yet to be written may lie in a folder behind a link.
  const folder = await realpath(dirname(resolve(path))).catch(() => dirname(resolve(path)));
  return realpath(path).catch(() => join(folder, basename(path)));
};

/** @throws UsageError where two outputs are one file, or an output is a file that the command reads */
export async function expectApart(outputs: readonly NamedFile[], inputs: readonly NamedFile[]): Promise<void> {
  const taken = new Map<string, string>();
  for (const [name, path] of inputs) taken.set(await whole(path), name);
  for (const [name, path] of outputs) {
    const at = await whole(path);
    const by = taken.get(at);
    if (by !== undefined) throw new UsageError(`${name}: expected another file than ${by}, got ${path}`);
    taken.set(at, name);
  }
}

/**
 * Proves that a file can be written where `path` says, by writing an empty one beside it: permissions alone do not
 * tell (root, read-only mounts, full disks).
 *
 * @throws ERR_TIMERNN_FILE that names the option
 */
export async function checkWritable(optionName: string, path: string): Promise<void> {
  const refuse = (what: string, why: string, cause?: unknown): never => {
    throw new TimeRNNError('ERR_TIMERNN_FILE', `${optionName}: cannot write ${what}: ${why}`, { cause });
  };
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) refuse(path, 'it is a folder; name a file');
  if (existing?.isFile() === false) refuse(path, 'it is a device, pipe or socket; name a file');
  const folder = dirname(resolve(path));
  const probe = join(folder, `.timernn-${randomBytes(6).toString('hex')}.probe`);
  try {
    // Never a file that is there already, nor one behind a link that somebody left in a shared folder.
    const handle = await open(probe, 'wx');
    await handle.close();
    await rm(probe, { force: true }).catch(() => undefined);
  } catch (error) {
    const exists = (await stat(folder).catch(() => undefined))?.isDirectory() === true;
    refuse(`into the folder ${folder}`, reason(error, exists), error);
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
}
