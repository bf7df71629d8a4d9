/**
 * A model as a safetensors file: tensors by name, the spec and the vocabulary in the metadata.
 * Refuses to do: checkpoints of a run in progress (see `train/checkpoint.ts`).
 */
import { isDeepStrictEqual } from 'node:util';
import type { FileSystem } from '../checkpoint/atomic-write.js';
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorInfo,
  writeSafetensors,
} from '../checkpoint/safetensors.js';
import { metadataJson, wrongFile } from '../checkpoint/wrong-file.js';
import { Vocabulary } from '../data/vocabulary.js';
import { describe } from '../errors.js';
import { allocateFloats, viewsOf } from '../memory/arena.js';
import { type Layout, planLayout } from '../memory/layout.js';
import { native } from '../native.js';
import { nativeSpec, parseSpec } from './spec.js';
import type { ModelSpec } from './types.js';

/** `__metadata__.format` of a model file, and the version that this release writes and reads. */
export const MODEL_FORMAT = 'timernn.model';
export const MODEL_VERSION = '1';

/** How the parameters came to be what they are, for the record of a run. */
export type Origin =
  /** Drawn, and not trained since. `initialRange`: as asked for; by the layer where nobody did. */
  | { kind: 'drawn'; seed: number; initialRange: number | 'by the layer'; initialMemory?: number }
  | { kind: 'loaded' }
  /** By a run of this process. */
  | { kind: 'trained' };

/** The parts of a model. */
export interface ModelParts {
  spec: ModelSpec;
  vocabulary: Vocabulary;
  layout: Layout;
  params: Float32Array<SharedArrayBuffer>;
  /** Of the parameters; changes when they are trained. */
  origin: Origin;
}

/** @throws ERR_TIMERNN_FILE where the file cannot be written; the old one is then untouched */
export async function writeModel(
  path: string,
  { spec, vocabulary, layout, params }: ModelParts,
  fileSystem?: FileSystem,
): Promise<void> {
  const views = viewsOf(params, layout);
  await writeSafetensors(
    path,
    layout.placements.map(({ name, shape }) => ({ name, shape: [...shape], data: views.get(name)! })),
    {
      format: MODEL_FORMAT,
      version: MODEL_VERSION,
      spec: JSON.stringify(spec),
      vocabulary: JSON.stringify(vocabulary),
      vocabularyHash: vocabulary.hash,
    },
    fileSystem,
  );
}

/** Reads spec and vocabulary out of a model file's metadata. @throws ERR_TIMERNN_FORMAT or what the parts say */
export function parseModelMetadata(
  path: string,
  metadata: ReadonlyMap<string, string>,
): { spec: ModelSpec; vocabulary: Vocabulary } {
  const format = metadata.get('format');
  const version = metadata.get('version');
  if (format !== MODEL_FORMAT) {
    // What PyTorch's world writes there.
    const hint = format === 'pt' ? '; importPyTorch or `timernn import` makes a model of a file of PyTorch' : '';
    throw wrongFile(path, `the format ${MODEL_FORMAT}`, describe(format) + hint);
  }
  if (version !== MODEL_VERSION) throw wrongFile(path, `the format version ${MODEL_VERSION}`, describe(version));
  const spec = parseSpec(metadataJson(path, metadata, 'spec'));
  const vocabulary = Vocabulary.fromJSON(metadataJson(path, metadata, 'vocabulary'));
  if (vocabulary.size !== spec.input.vocabulary) {
    throw wrongFile(path, `a vocabulary of ${spec.input.vocabulary} tokens`, String(vocabulary.size));
  }
  if (metadata.get('vocabularyHash') !== vocabulary.hash) {
    throw wrongFile(path, `the vocabulary hash ${vocabulary.hash}`, describe(metadata.get('vocabularyHash')));
  }
  return { spec, vocabulary };
}

/**
 * Reads a model. Names, types and shapes are compared with the spec's tensor table before any weight is read.
 *
 * @throws ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT, ERR_TIMERNN_SPEC or ERR_TIMERNN_VOCABULARY
 */
export async function readModel(path: string): Promise<ModelParts> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  const { spec, vocabulary } = parseModelMetadata(path, metadata);
  const layout = planLayout(native.tensorTable(nativeSpec(spec)));
  checkTensors(path, layout, tensors);
  // Only now is the arena known to be no larger than the file.
  const parts: ModelParts = {
    ...{ spec, vocabulary, layout },
    params: allocateFloats(layout.length),
    origin: { kind: 'loaded' },
  };
  const views = viewsOf(parts.params, layout);
  const found = await readSafetensors(path, { destination: ({ name }) => views.get(name) });
  if (!isDeepStrictEqual(found.metadata, metadata) || found.tensors.size !== views.size) {
    throw wrongFile(path, 'the same content while it is read', 'another model in its place');
  }
  const bad = parts.params.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    const place = parts.layout.placements.findLast(({ offset }) => offset <= bad)!;
    throw wrongFile(path, `finite weights in ${place.name}`, `${parts.params[bad]} at index ${bad - place.offset}`);
  }
  return parts;
}

function checkTensors(path: string, layout: Layout, tensors: readonly TensorInfo[]): void {
  const places = new Map(layout.placements.map((place) => [place.name, place]));
  for (const { name, dtype, shape } of tensors) {
    const place = places.get(name);
    if (place === undefined) throw wrongFile(path, 'only tensors of its spec', describe(name));
    if (dtype !== 'F32' || shape.join() !== place.shape.join()) {
      throw wrongFile(
        path,
        `${name} as F32 [${place.shape.join(', ')}]`,
        `${dtype} [${shape.slice(0, 16).join(', ')}]`,
      );
    }
    places.delete(name);
  }
  const [missing] = places.keys();
  if (missing !== undefined) throw wrongFile(path, `the tensor ${missing}`, 'none of that name');
}
