/**
 * The header of a safetensors file: built, and checked in full before anything is allocated.
 * The format: 8 bytes header length (little-endian), JSON header, data. https://github.com/huggingface/safetensors
 * Refuses to do: reading or writing files (see `safetensors.ts`).
 */
import { describe, TimeRNNError } from '../errors.js';
import { parseStrictJson, type StrictJson } from './strict-json.js';

/** Element types that are written, and the typed arrays that hold them. Booleans are not among them. */
export const DTYPES = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

/** Element types that are read only, as the bits of each element: JavaScript has no numbers of 16 bits. */
export const HALF_DTYPES = { F16: Uint16Array, BF16: Uint16Array } as const;
const READ_DTYPES = { ...DTYPES, ...HALF_DTYPES };

/** Name of an element type in the file. */
export type Dtype = keyof typeof READ_DTYPES;
/** The elements of a tensor, row-major; in shared memory or not. */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** What the header says of one tensor. */
export interface TensorInfo {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** First byte, counted from the start of the data. */
  begin: number;
  /** Byte after the last one. */
  end: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  metadata: Map<string, string>;
  /** In the order of their bytes. */
  tensors: TensorInfo[];
  /** Where the data starts in the file. */
  dataStart: number;
}

/** Bytes of the length field before the header. */
export const LENGTH_BYTES = 8;
/** The largest header that the format's own library reads. */
export const LARGEST_HEADER = 100_000_000;
const METADATA = '__metadata__';

/** An error that names the file. */
export function formatError(file: string, expected: string, got: string): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_FORMAT', `${file}: Expected ${expected}, got ${got}`);
}

/** The element type of an array, or undefined where the format has none for it. */
export function dtypeOf(data: unknown): keyof typeof DTYPES | undefined {
  const tag = ArrayBuffer.isView(data)
    ? (data as unknown as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]
    : '';
  return (Object.keys(DTYPES) as (keyof typeof DTYPES)[]).find((dtype) => DTYPES[dtype].name === tag);
}

/** A new array for the elements of a type. @throws RangeError where the engine has no room for so many */
export function allocateData(dtype: Dtype, count: number): TensorData {
  return new READ_DTYPES[dtype](count);
}

/** Number of elements of a shape; NaN unless every dimension and the product are safe non-negative integers. */
export function elementCount(shape: readonly unknown[]): number {
  let product = 1;
  for (const dimension of shape) {
    if (typeof dimension !== 'number' || !Number.isSafeInteger(dimension) || dimension < 0) return Number.NaN;
    product *= dimension;
    if (!Number.isSafeInteger(product)) return Number.NaN;
  }
  return product;
}

/**
 * Length field and header, padded with spaces so that the data starts at a multiple of 8.
 *
 * @param tensors - in the order of their bytes
 * @throws ERR_TIMERNN_FORMAT where the header would be larger than readers accept
 */
export function buildHeader(
  file: string,
  tensors: readonly TensorInfo[],
  metadata: ReadonlyMap<string, string>,
): Buffer {
  const fields: string[] = [];
  if (metadata.size > 0) {
    const pairs = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    fields.push(`"${METADATA}":{${pairs.join(',')}}`);
  }
  // Put together as text, since an object would lose a tensor that is called "__proto__".
  for (const { name, dtype, shape, begin, end } of tensors) {
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const json = Buffer.from(`{${fields.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > LARGEST_HEADER) {
    throw formatError(file, `a header of at most ${LARGEST_HEADER} bytes`, `${padded} bytes of names and metadata`);
  }
  const header = Buffer.alloc(LENGTH_BYTES + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, LENGTH_BYTES);
  return header;
}

/** Files that are often taken for safetensors, by their first bytes; asked where these cannot be a header's length. */
function otherFormat(first: Uint8Array): string | undefined {
  const starts = (...bytes: number[]) => bytes.every((byte, i) => first[i] === byte);
  if (starts(0x50, 0x4b, 0x03, 0x04)) {
    return 'a zip archive, as torch.save writes it; safetensors.torch.save_file writes the other';
  }
  if (first[0] === 0x80 && first[1]! >= 2 && first[1]! <= 5 && first[7] !== 0) {
    return 'a pickle, as torch.save wrote it; safetensors.torch.save_file writes the other';
  }
  // ONNX: field 1, the version of its representation, then field 2, a string that names who wrote it.
  if (first[0] === 0x08 && first[2] === 0x12 && first[4]! >= 0x20) return 'what looks like an ONNX file';
  return undefined;
}

/**
 * The length of the header from the first 8 bytes.
 *
 * @throws ERR_TIMERNN_FORMAT where the file cannot have such a header
 */
export function parseHeaderLength(file: string, first: Uint8Array, fileSize: number): number {
  if (fileSize < LENGTH_BYTES || first.length < LENGTH_BYTES) {
    throw formatError(file, `a safetensors file of at least ${LENGTH_BYTES} bytes`, `${fileSize} bytes`);
  }
  const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(LARGEST_HEADER)) {
    const other = otherFormat(first);
    if (other !== undefined) throw formatError(file, 'a safetensors file', other);
    const start = Buffer.from(first.buffer, first.byteOffset, LENGTH_BYTES).toString('latin1');
    if (/^[\t\n\r\x20-\x7e]+$/.test(start)) {
      throw formatError(file, 'a safetensors file', `one that starts with ${JSON.stringify(start)}`);
    }
    throw formatError(file, `a safetensors header of at most ${LARGEST_HEADER} bytes`, `a length of ${length}`);
  }
  if (length > BigInt(fileSize - LENGTH_BYTES)) {
    throw formatError(file, `a header within the file of ${fileSize} bytes`, `a header length of ${length}`);
  }
  return Number(length);
}

/**
 * Reads a header and checks all that it says against the size of the file.
 *
 * @param json - the header's bytes, without the length field
 * @throws ERR_TIMERNN_FORMAT
 */
export function parseHeader(file: string, json: Uint8Array, fileSize: number): SafetensorsHeader {
  const header = parseObject(file, json);
  const dataStart = LENGTH_BYTES + json.length;
  const metadata = parseMetadata(file, header.get(METADATA));
  header.delete(METADATA);
  const tensors = [...header].map(([name, value]) => parseTensor(file, name, value));
  // Empty tensors first: they may lie at the start of another one.
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(file, tensors, fileSize - dataStart);
  return { metadata, tensors, dataStart };
}

function parseObject(file: string, json: Uint8Array): Map<string, StrictJson> {
  const start = json[0];
  if (start !== 0x7b) {
    throw formatError(file, 'a header that starts with "{"', start === undefined ? 'an empty one' : `byte ${start}`);
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    // It starts with "{", so it is an object or a syntax error.
    return parseStrictJson(text) as Map<string, StrictJson>;
  } catch (error) {
    const reason = error instanceof SyntaxError ? `an error: ${error.message}` : 'bytes that are not UTF-8';
    throw new TimeRNNError('ERR_TIMERNN_FORMAT', `${file}: Expected the header to be JSON in UTF-8, got ${reason}`, {
      cause: error,
    });
  }
}

function parseMetadata(file: string, value: StrictJson | undefined): Map<string, string> {
  const metadata = new Map<string, string>();
  if (value === undefined) return metadata;
  if (!(value instanceof Map)) throw formatError(file, `${METADATA} to be an object`, describe(value));
  for (const [key, text] of value) {
    if (typeof text !== 'string') {
      throw formatError(file, `${METADATA} ${describe(key)} to be a string`, describe(text));
    }
    metadata.set(key, text);
  }
  return metadata;
}

function parseTensor(file: string, name: string, value: StrictJson): TensorInfo {
  const tensor = `tensor ${describe(name)}`;
  if (!(value instanceof Map)) throw formatError(file, `${tensor} to be described by an object`, describe(value));
  const dtype = value.get('dtype');
  if (typeof dtype !== 'string' || !Object.hasOwn(READ_DTYPES, dtype)) {
    const known = Object.keys(READ_DTYPES).join(', ');
    throw formatError(file, `the dtype of ${tensor} to be one of ${known}`, describe(dtype));
  }
  const shape = value.get('shape');
  const count = Array.isArray(shape) ? elementCount(shape) : Number.NaN;
  if (Number.isNaN(count)) {
    throw formatError(file, `the shape of ${tensor} to be an array of non-negative integers`, describe(shape));
  }
  const offsets = value.get('data_offsets');
  const [begin, end] = Array.isArray(offsets) ? (offsets as unknown[]) : [];
  if (!Array.isArray(offsets) || offsets.length !== 2 || !isOffset(begin) || !isOffset(end) || end < begin) {
    throw formatError(file, `the data_offsets of ${tensor} to be [begin, end] with begin ≤ end`, describe(offsets));
  }
  const bytes = count * READ_DTYPES[dtype as Dtype].BYTES_PER_ELEMENT;
  if (end - begin !== bytes) {
    throw formatError(
      file,
      `${tensor} of dtype ${dtype} and shape [${(shape as number[]).slice(0, 16).join(', ')}] to take ${bytes} bytes`,
      `data_offsets of ${end - begin} bytes`,
    );
  }
  return { name, dtype: dtype as Dtype, shape: shape as number[], begin, end };
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The tensors must cover the data: no byte twice, none left over, none past the end. */
function checkLayout(file: string, tensors: readonly TensorInfo[], dataSize: number): void {
  let covered = 0;
  for (const { name, begin, end } of tensors) {
    if (end > dataSize) {
      throw formatError(file, `tensor ${describe(name)} to end within ${dataSize} bytes of data`, `an end at ${end}`);
    }
    if (begin !== covered) {
      const what = begin < covered ? 'an overlap' : 'a gap';
      throw formatError(file, `tensor ${describe(name)} to begin at ${covered}`, `${what}: it begins at ${begin}`);
    }
    covered = end;
  }
  if (covered !== dataSize) {
    throw formatError(file, `the tensors to cover all ${dataSize} bytes of data`, `${covered} bytes covered`);
  }
}
