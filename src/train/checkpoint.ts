/**
 * A checkpoint: everything that a run needs to go on to the same bits, as one safetensors file. Tensors `params.*`,
 * `slots.<slot>.*`, `best.*` by the names of the model's tensors, `states.<shard>`; identity and state as JSON in the
 * metadata. Refuses to do: choosing when, and which one (see `run-directory.ts`).
 */
import { isDeepStrictEqual } from 'node:util';
import type { FileSystem } from '../checkpoint/atomic-write.js';
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorInfo,
  type TensorInput,
  writeSafetensors,
} from '../checkpoint/safetensors.js';
import { describe, TimeRNNError } from '../errors.js';
import { viewsOf } from '../memory/arena.js';
import { hasFixedLength, type RunIdentity } from './identity.js';
import type { RunPlan } from './plan-run.js';
import type { RunState } from './state.js';
import { parseState } from './state-schema.js';
import type { TrainingTarget } from './target.js';

/** `__metadata__.format` of a checkpoint, and the version that this release writes and reads. */
export const CHECKPOINT_FORMAT = 'timernn.checkpoint';
export const CHECKPOINT_VERSION = '1';

/** A run in memory, for files. */
export interface RunMemory {
  target: TrainingTarget;
  plan: RunPlan;
  state: RunState;
}

type SharedTensor = TensorInput & { data: Float32Array<SharedArrayBuffer> };

/** Every tensor of a checkpoint; `best` once there is one. */
function tensorsOf({ target, plan }: RunMemory, state: RunState): SharedTensor[] {
  const { layout, params } = target;
  const named = (prefix: string, arena: Float32Array<SharedArrayBuffer>): SharedTensor[] => {
    const views = viewsOf(arena, layout);
    return layout.placements.map(({ name, shape }) => ({
      name: `${prefix}.${name}`,
      shape: [...shape],
      data: views.get(name)!,
    }));
  };
  const hasBest = plan.best !== undefined && state.judgement.best !== null;
  return [
    ...named('params', params),
    ...plan.run.slots.flatMap((slot, i) => named(`slots.${plan.slotNames[i]}`, slot)),
    ...(hasBest ? named('best', plan.best!) : []),
    ...plan.run.states.map((data, i) => ({ name: `states.${i}`, shape: [data.length], data })),
  ];
}

/** @throws ERR_TIMERNN_FILE where it cannot be written; a file of that name is then as it was */
export async function writeCheckpoint(
  path: string,
  memory: RunMemory,
  identity: RunIdentity,
  fileSystem?: FileSystem,
): Promise<void> {
  const metadata = {
    format: CHECKPOINT_FORMAT,
    version: CHECKPOINT_VERSION,
    identity: JSON.stringify(identity),
    state: JSON.stringify(memory.state),
  };
  await writeSafetensors(path, tensorsOf(memory, memory.state), metadata, fileSystem);
}

/** A file that is whole, but no checkpoint of this run: nothing has damaged it, and nobody may put it aside. */
export class ForeignCheckpoint extends TimeRNNError {
  constructor(path: string, expected: string, got: string) {
    super('ERR_TIMERNN_FORMAT', `Expected ${path} to have ${expected}, got ${got}`);
  }
}

function wrong(path: string, expected: string, got: string): TimeRNNError {
  return new TimeRNNError('ERR_TIMERNN_FORMAT', `Expected ${path} to have ${expected}, got ${got}`);
}

function parseJson(path: string, metadata: ReadonlyMap<string, string>, key: string): unknown {
  const text = metadata.get(key);
  try {
    return JSON.parse(text ?? '');
  } catch {
    throw wrong(path, `JSON in its metadata entry "${key}"`, describe(text));
  }
}

/** What must be the same for two checkpoints to be of one run: all but how long it is to be. */
const withoutEpochs = ({ options: { epochs: _, ...options }, ...rest }: RunIdentity) => ({ ...rest, options });

function parseMetadata(
  path: string,
  metadata: ReadonlyMap<string, string>,
  identity: RunIdentity,
  mostWindows: number,
): RunState {
  const [format, version] = [metadata.get('format'), metadata.get('version')];
  const foreign = (expected: string, got: string) => new ForeignCheckpoint(path, expected, got);
  if (format !== CHECKPOINT_FORMAT) throw foreign(`the format ${CHECKPOINT_FORMAT}`, describe(format));
  if (version !== CHECKPOINT_VERSION) throw foreign(`the format version ${CHECKPOINT_VERSION}`, describe(version));
  const found = parseJson(path, metadata, 'identity') as Partial<RunIdentity> | null;
  const options = { epochs: 1, ...found?.options };
  const own = JSON.parse(JSON.stringify(identity)) as RunIdentity;
  const theirs: Record<string, unknown> = withoutEpochs({ ...found, options } as RunIdentity);
  const ours: Record<string, unknown> = withoutEpochs(own);
  const other = Object.keys({ ...theirs, ...ours }).find((key) => !isDeepStrictEqual(theirs[key], ours[key]));
  if (other !== undefined) throw foreign('a checkpoint of this run', `one of another run (other ${other})`);
  const { epochs } = own.options;
  // With a run.json that has been compared already; without one nothing else would tell.
  if (hasFixedLength(own) && options.epochs !== epochs) {
    throw foreign(`steps laid out over ${epochs} epochs`, `steps over ${describe(options.epochs)}`);
  }
  return parseState(path, parseJson(path, metadata, 'state'), {
    mostWindows,
    averageFrom: own.options.optimizer.averageFrom,
  });
}

function checkTensors(path: string, found: readonly TensorInfo[], expected: readonly SharedTensor[]): void {
  const places = new Map(expected.map((tensor) => [tensor.name, tensor]));
  for (const { name, dtype, shape } of found) {
    const place = places.get(name);
    if (place === undefined) throw wrong(path, 'only tensors of its run', describe(name));
    if (dtype !== 'F32' || shape.join() !== place.shape.join()) {
      throw wrong(path, `${name} as F32 [${place.shape.join(', ')}]`, `${dtype} [${shape.slice(0, 16).join(', ')}]`);
    }
    places.delete(name);
  }
  const [missing] = places.keys();
  if (missing !== undefined) throw wrong(path, `the tensor ${missing}`, 'none of that name');
}

/**
 * Fills a run's memory from a checkpoint. Everything that can be checked without the data is, before any of it is read.
 *
 * @returns the state; that of `memory` is left as it is
 * @throws ERR_TIMERNN_FORMAT, ERR_TIMERNN_FILE
 */
export async function readCheckpoint(path: string, memory: RunMemory, identity: RunIdentity): Promise<RunState> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  const state = parseMetadata(path, metadata, identity, memory.plan.run.rates.length);
  const expected = tensorsOf(memory, state);
  checkTensors(path, tensors, expected);
  const places = new Map(expected.map(({ name, data }) => [name, data]));
  await memory.target.lock.write(async () => {
    const found = await readSafetensors(path, { destination: ({ name }) => places.get(name) });
    if (!isDeepStrictEqual(found.metadata, metadata) || found.tensors.size !== places.size) {
      throw wrong(path, 'the same content while it is read', 'another checkpoint in its place');
    }
  });
  for (const { name, data } of expected) {
    const bad = data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw wrong(path, `finite numbers in ${name}`, `${data[bad]} at index ${bad}`);
  }
  return state;
}
