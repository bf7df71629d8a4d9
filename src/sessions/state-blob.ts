/**
 * A session's state as bytes that can be kept anywhere and come back on another machine.
 *
 *   0   4  "TRNS"
 *   4   2  version, 1
 *   6   2  0
 *   8  32  the model's hash (SHA-256)
 *  40   8  tokens read
 *  48   4  n
 *  52  4n  the state, float32: h, then c where there is one, of the first layer, and so on
 *   …   8  the first bytes of the SHA-256 of all before
 *
 * All little-endian. The checksum finds damage, not malice: a client that keeps its own state may write another one
 * with a right checksum, which can mislead that client's predictions and nothing else.
 * Refuses to do: secrecy, signatures.
 */
import { createHash } from 'node:crypto';
import { describe, TimeRNNError } from '../errors.js';

const MAGIC = 'TRNS';
const VERSION = 1;
const HEADER = 52;
const CHECKSUM = 8;
/** Far beyond any stream: the count stands still there. */
const FARTHEST = 2 ** 52;

export interface StateOf {
  /** 64 hexadecimal digits. */
  modelHash: string;
  /** Tokens read so far. */
  position: number;
  values: Float32Array;
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, CHECKSUM);
}

/** Bytes of a state of so many numbers. */
export const stateBytes = (length: number): number => HEADER + length * 4 + CHECKSUM;

/** Writes a state. */
export function encodeState({ modelHash, position, values }: StateOf): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(stateBytes(values.length));
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from(MAGIC, 'latin1'), 0);
  view.setUint16(4, VERSION, true);
  bytes.set(Buffer.from(modelHash, 'hex'), 8);
  view.setBigUint64(40, BigInt(Math.min(position, FARTHEST)), true);
  view.setUint32(48, values.length, true);
  for (let i = 0; i < values.length; i++) view.setFloat32(HEADER + i * 4, values[i]!, true);
  const end = bytes.length - CHECKSUM;
  bytes.set(checksum(bytes.subarray(0, end)), end);
  return bytes;
}

function refuse(expected: string, got: string): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_STATE', `Expected ${expected}, got ${got}`);
}

/**
 * Reads a state of whatever model.
 *
 * @throws ERR_TIMERNN_STATE where it is damaged, or no state at all
 */
export function readState(blob: unknown): StateOf {
  if (!(blob instanceof Uint8Array)) throw refuse('a state to be a Uint8Array', describe(blob));
  // The length of a small blob, which has no header, says nothing of use.
  if (blob.length < HEADER + CHECKSUM || Buffer.from(blob.subarray(0, 4)).toString('latin1') !== MAGIC) {
    throw refuse('a state that a session exported', `${blob.length} bytes that are none`);
  }
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const version = view.getUint16(4, true);
  if (version !== VERSION) throw refuse(`a state of version ${VERSION}`, `version ${version}`);
  const end = blob.length - CHECKSUM;
  if (!checksum(blob.subarray(0, end)).equals(blob.subarray(end))) {
    throw refuse('a whole state', 'one whose checksum does not match: it was cut or changed');
  }
  const modelHash = Buffer.from(blob.subarray(8, 40)).toString('hex');
  const count = view.getUint32(48, true);
  if (blob.length !== stateBytes(count)) {
    throw refuse(`a state of ${count} numbers in ${stateBytes(count)} bytes`, `${blob.length} bytes`);
  }
  const position = Number(view.getBigUint64(40, true));
  if (position > FARTHEST) throw refuse('a state with a count of tokens up to 2^52', String(position));
  const values = Float32Array.from({ length: count }, (_, i) => view.getFloat32(HEADER + i * 4, true));
  const bad = values.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) throw refuse('a state of finite numbers', `${values[bad]} at index ${bad}`);
  return { modelHash, position, values };
}

/**
 * Takes a state for one of a model.
 *
 * @throws ERR_TIMERNN_STATE where it is of another one
 */
export function expectStateOf(model: { hash: string; length: number }, state: StateOf): StateOf {
  if (state.modelHash !== model.hash) {
    throw refuse(
      `a state of this model (hash ${model.hash.slice(0, 12)})`,
      `one of the model ${state.modelHash.slice(0, 12)}; training changes a model`,
    );
  }
  if (state.values.length !== model.length) {
    throw refuse(`a state of ${model.length} numbers`, `${state.values.length} numbers`);
  }
  return state;
}
