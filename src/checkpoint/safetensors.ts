/**
 * Reads and writes safetensors files. Reading checks the whole header against the file's size first; writing is atomic.
 * Half precision is read as its bits (see `half.ts`). Refuses to do: writing it, partial reads, files on big-endian machines.
 */
import { open, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { types } from 'node:util';
import { describe, TimeRNNError } from '../errors.js';
import { type FileSystem, writeFileAtomic } from './atomic-write.js';
import {
  allocateData,
  buildHeader,
  DTYPES,
  type Dtype,
  dtypeOf,
  elementCount,
  formatError,
  LENGTH_BYTES,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorData,
  type TensorInfo,
} from './safetensors-header.js';

export type { Dtype, SafetensorsHeader, TensorData, TensorInfo } from './safetensors-header.js';

/** A tensor to write. Its dtype follows from the type of its array. */
export interface TensorInput {
  name: string;
  shape: readonly number[];
  /** Row-major; may lie in shared memory. Not to be changed before the write has ended. */
  data: TensorData;
}

/** A tensor as read. */
export interface LoadedTensor {
  dtype: Dtype;
  shape: number[];
  data: TensorData;
}

/** What a file holds. */
export interface Safetensors {
  metadata: Map<string, string>;
  tensors: Map<string, LoadedTensor>;
}

/** How a file is read. */
export interface ReadOptions {
  /**
   * Gives the array that a tensor is read into (shared memory too), or undefined for a new one. Called once a tensor,
   * after the whole header has been found correct and before any data is read; what it throws comes through as it is.
   */
  destination?: (tensor: TensorInfo, metadata: ReadonlyMap<string, string>) => TensorData | undefined;
}

/** Most bytes of one read call; also the size of the copy that stands in for shared memory. */
const PIECE = 4 * 1024 * 1024;

function expectLittleEndian(): void {
  if (endianness() !== 'LE') {
    throw new TimeRNNError('ERR_TIMERNN_NATIVE', 'Expected a little-endian machine for safetensors, got big-endian');
  }
}

const bytesOf = (data: TensorData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/**
 * Writes tensors and metadata; the path holds either the old file or the whole new one, whatever happens.
 *
 * @param fileSystem - the calls to use; Node's by default
 * @throws ERR_TIMERNN_SHAPE for a tensor whose shape does not fit its data; ERR_TIMERNN_FORMAT for names or metadata that
 * the format cannot hold; ERR_TIMERNN_FILE where writing fails
 * @example
 * ```ts
 * import { writeSafetensors } from '#src/checkpoint/safetensors.js';
 * await writeSafetensors('x.safetensors', [{ name: 'b', shape: [2], data: Float32Array.of(1, 2) }], { made: 'by hand' });
 * ```
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorInput[],
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> = {},
  fileSystem?: FileSystem,
): Promise<void> {
  expectLittleEndian();
  const pairs = new Map(metadata instanceof Map ? metadata : Object.entries(metadata));
  for (const [key, value] of pairs) {
    if (typeof value !== 'string') {
      throw formatError(path, `metadata ${describe(key)} to be a string`, describe(value));
    }
    checkText(path, 'metadata', key + value);
  }
  const names = new Set<string>();
  for (const tensor of tensors) {
    checkInput(path, tensor, names);
    names.add(tensor.name);
  }
  // Wide elements first: so every tensor starts at a multiple of its element size, as readers that map the file need.
  const ordered = [...tensors].sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  let end = 0;
  const infos = ordered.map(({ name, shape, data }) => {
    const begin = end;
    end += data.byteLength;
    return { name, dtype: dtypeOf(data)!, shape: [...shape], begin, end };
  });
  const chunks = [buildHeader(path, infos, pairs), ...ordered.map(({ data }) => bytesOf(data))];
  await writeFileAtomic(path, chunks, fileSystem);
}

function checkText(path: string, what: string, text: string): void {
  if (/\p{Surrogate}/u.test(text)) throw formatError(path, `${what} to be well-formed Unicode`, describe(text));
}

function checkInput(path: string, { name, shape, data }: TensorInput, names: ReadonlySet<string>): void {
  if (typeof name !== 'string' || name === '__metadata__') {
    throw formatError(path, 'a tensor to have a name other than "__metadata__"', describe(name));
  }
  checkText(path, 'the name of a tensor', name);
  if (names.has(name)) throw formatError(path, 'the tensors to have different names', `${describe(name)} twice`);
  if (dtypeOf(data) === undefined) {
    throw formatError(path, `tensor ${describe(name)} to be one of ${Object.keys(DTYPES).join(', ')}`, describe(data));
  }
  const count = Array.isArray(shape) ? elementCount(shape) : Number.NaN;
  if (count !== data.length) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SHAPE',
      `Expected tensor ${describe(name)} of ${data.length} elements to have a shape of as many, got ${describe(shape)}`,
    );
  }
}

/** The part of an open file that reading needs. */
interface Source {
  file: string;
  size: number;
  read(into: Uint8Array, position: number): Promise<void>;
}

/** Opens a regular file, runs `use` on it and closes it. @throws ERR_TIMERNN_FILE where the system refuses */
async function withFile<T>(path: string, use: (source: Source) => Promise<T>): Promise<T> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected path to be the name of a file, got ${describe(path)}`);
  }
  try {
    // Before it is opened: opening a pipe waits until someone writes to it.
    if (!(await stat(path)).isFile()) {
      throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be a regular file, got a folder or a device`);
    }
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      return await use({ file: path, size, read: (into, position) => readFully(path, handle, into, position) });
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | null)?.code;
    if (error instanceof TimeRNNError || (error as NodeJS.ErrnoException | null)?.syscall === undefined) throw error;
    const got = code === 'ENOENT' ? 'no such file' : (error as Error).message;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be readable, got ${got}`, { cause: error });
  }
}

async function readFully(
  path: string,
  handle: Awaited<ReturnType<typeof open>>,
  into: Uint8Array,
  position: number,
): Promise<void> {
  // Node's file calls are specified for unshared memory only.
  const copy = types.isSharedArrayBuffer(into.buffer) ? new Uint8Array(Math.min(PIECE, into.length)) : undefined;
  for (let at = 0; at < into.length; ) {
    const length = Math.min(PIECE, into.length - at);
    const { bytesRead } = await handle.read(copy ?? into, copy ? 0 : at, length, position + at);
    if (bytesRead === 0) throw formatError(path, 'the file to keep its size while it is read', 'a shorter one');
    if (copy) into.set(copy.subarray(0, bytesRead), at);
    at += bytesRead;
  }
}

async function readHeader({ file, size, read }: Source): Promise<SafetensorsHeader> {
  const first = new Uint8Array(Math.min(LENGTH_BYTES, size));
  await read(first, 0);
  const json = new Uint8Array(parseHeaderLength(file, first, size));
  await read(json, LENGTH_BYTES);
  return parseHeader(file, json, size);
}

function allocate(file: string, { name, dtype, shape }: TensorInfo): TensorData {
  try {
    return allocateData(dtype, elementCount(shape));
  } catch (error) {
    throw new TimeRNNError(
      'ERR_TIMERNN_FORMAT',
      `${file}: Expected tensor ${describe(name)} to fit into memory, got shape [${shape.slice(0, 16).join(', ')}]`,
      { cause: error },
    );
  }
}

function checkDestination(file: string, { name, dtype, shape }: TensorInfo, data: TensorData): TensorData {
  if (dtypeOf(data) === dtype && data.length === elementCount(shape)) return data;
  throw new TimeRNNError(
    'ERR_TIMERNN_SHAPE',
    `${file}: Expected tensor ${describe(name)} to be a ${describe(data)}, got ${dtype} of shape [${shape.slice(0, 16).join(', ')}]`,
  );
}

/**
 * Reads a header only, checked against the size of the file.
 *
 * @throws ERR_TIMERNN_FORMAT for a file that is not whole and consistent; ERR_TIMERNN_FILE where reading fails
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  expectLittleEndian();
  return withFile(path, readHeader);
}

/**
 * Reads a whole file. Nothing is allocated for data before every length has been checked against the file's size.
 *
 * @throws ERR_TIMERNN_FORMAT for a file that is not whole and consistent; ERR_TIMERNN_FILE where reading fails;
 * ERR_TIMERNN_SHAPE where a destination does not fit its tensor
 * @example
 * ```ts
 * import { readSafetensors } from '#src/checkpoint/safetensors.js';
 * const { metadata, tensors } = await readSafetensors('x.safetensors');
 * console.log(metadata.get('made'), tensors.get('b')?.data);
 * ```
 */
export async function readSafetensors(path: string, options: ReadOptions = {}): Promise<Safetensors> {
  expectLittleEndian();
  return withFile(path, async (source) => {
    const { metadata, tensors: infos, dataStart } = await readHeader(source);
    const arrays = infos.map((info) => {
      const given = options.destination?.({ ...info, shape: [...info.shape] }, metadata);
      return given === undefined ? allocate(path, info) : checkDestination(path, info, given);
    });
    const tensors = new Map<string, LoadedTensor>();
    for (const [i, { name, dtype, shape, begin }] of infos.entries()) {
      await source.read(bytesOf(arrays[i]!), dataStart + begin);
      tensors.set(name, { dtype, shape, data: arrays[i]! });
    }
    return { metadata, tensors };
  });
}
