/**
 * Writes a file whole or not at all: temporary file in the same folder, fsync, rename, fsync of the folder.
 * Refuses to do: replacing anything but a regular file, or leaving its temporary file behind.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import * as promises from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { types } from 'node:util';
import { describe, TimeRNNError } from '../errors.js';

/** Pieces of a file, in order. A piece must stay as it is until the next one is asked for. */
export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The part of an open file that is used. */
export interface OpenFile {
  write(bytes: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  chmod(mode: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system calls that are used; tests put failing ones in their place. */
export interface FileSystem {
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>;
  stat(path: string): Promise<{ isFile(): boolean; mode: number }>;
  realpath(path: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** Most bytes of one write call; also the size of the copy that stands in for shared memory. */
const PIECE = 4 * 1024 * 1024;
/** What some file systems answer when a folder is synced: they cannot, and their rename is as safe as they make it. */
const CANNOT_SYNC_FOLDER = new Set(['EINVAL', 'ENOTSUP', 'EPERM', 'EACCES', 'EISDIR', 'EBADF']);

const REASONS = new Map([
  ['ENOENT', 'a folder that does not exist'],
  ['ENOTDIR', 'a path through something that is not a folder'],
  ['EACCES', 'no permission to write there'],
  ['EPERM', 'no permission to write there'],
  ['EROFS', 'a read-only file system'],
  ['ENOSPC', 'a full disk'],
  ['EDQUOT', 'a full quota'],
  ['EFBIG', 'a file larger than the system allows'],
  ['ENAMETOOLONG', 'a name that is too long'],
  ['ELOOP', 'symbolic links in a circle'],
]);

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');

function writeError(path: string, cause: unknown): TimeRNNError {
  if (cause instanceof TimeRNNError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const got = REASONS.get(codeOf(cause));
  const reason = got === undefined ? message : `${got} (${codeOf(cause)})`;
  return new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be writable, got ${reason}`, { cause });
}

/** The file that is really meant (symbolic links followed), and the mode it has; both as given where it is new. */
async function resolveTarget(path: string, fs: FileSystem): Promise<{ target: string; mode: number | undefined }> {
  try {
    const target = await fs.realpath(path);
    const stats = await fs.stat(target);
    if (!stats.isFile()) {
      throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be a regular file, got a folder or a device`);
    }
    return { target, mode: stats.mode & 0o777 };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { target: path, mode: undefined };
    throw error;
  }
}

/** Systems count the bytes of a name, most of them up to 255: a name that just fits must have a temporary one too. */
function temporaryName(name: string): string {
  const start = Buffer.from(name)
    .subarray(0, 200)
    .toString()
    .replace(/\ufffd+$/, '');
  return `.${start}.${randomBytes(6).toString('hex')}.tmp`;
}

async function writeFully(file: OpenFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(PIECE, bytes.length - at));
    if (bytesWritten <= 0) throw new Error('the system took none of the bytes that were to be written');
    at += bytesWritten;
  }
}

async function writeChunks(file: OpenFile, chunks: Chunks): Promise<void> {
  let copy: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (!types.isUint8Array(chunk)) {
      throw new TimeRNNError('ERR_TIMERNN_INTERNAL', `Expected a chunk to be a Uint8Array, got ${describe(chunk)}`);
    }
    if (!types.isSharedArrayBuffer(chunk.buffer)) {
      await writeFully(file, chunk);
      continue;
    }
    // Node's file calls are specified for unshared memory only.
    copy ??= new Uint8Array(Math.min(PIECE, chunk.length));
    if (copy.length < Math.min(PIECE, chunk.length)) copy = new Uint8Array(PIECE);
    for (let at = 0; at < chunk.length; at += copy.length) {
      const part = chunk.subarray(at, at + copy.length);
      copy.set(part);
      await writeFully(file, copy.subarray(0, part.length));
    }
  }
}

async function writeTemporary(temporary: string, mode: number | undefined, chunks: Chunks, fs: FileSystem) {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const file = await fs.open(temporary, O_CREAT | O_EXCL | O_WRONLY, mode ?? 0o666);
  try {
    // Opening takes the umask's bits away; a file that exists has the mode that somebody gave it.
    if (mode !== undefined) await file.chmod(mode);
    await writeChunks(file, chunks);
    await file.sync();
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
  await file.close();
}

async function syncFolder(folder: string, fs: FileSystem): Promise<void> {
  try {
    const handle = await fs.open(folder, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!CANNOT_SYNC_FOLDER.has(codeOf(error))) throw error;
  }
}

/**
 * Writes chunks to a file so that, whatever happens, the path holds either the old file or the whole new one.
 * A symbolic link is followed; the mode of a file that exists is kept.
 *
 * @param fileSystem - the calls to use; Node's by default
 * @throws ERR_TIMERNN_FILE, its `cause` the system's error; a TimeRNNError thrown by `chunks` comes through as it is
 * @example
 * ```ts
 * import { writeFileAtomic } from '#src/checkpoint/atomic-write.js';
 * await writeFileAtomic('notes.txt', [Buffer.from('first, '), Buffer.from('second')]);
 * ```
 */
export async function writeFileAtomic(path: string, chunks: Chunks, fileSystem: FileSystem = promises): Promise<void> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected path to be the name of a file, got ${describe(path)}`);
  }
  let temporary: string | undefined;
  try {
    const { target, mode } = await resolveTarget(path, fileSystem);
    const folder = dirname(target);
    temporary = join(folder, temporaryName(basename(target)));
    await writeTemporary(temporary, mode, chunks, fileSystem);
    await fileSystem.rename(temporary, target);
    temporary = undefined;
    await syncFolder(folder, fileSystem);
  } catch (error) {
    if (temporary !== undefined) await fileSystem.unlink(temporary).catch(() => {});
    throw writeError(path, error);
  }
}
