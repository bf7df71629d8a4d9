/**
 * What a file's metadata says beyond its tensors: the spec and the vocabulary of our own export, and which table PyTorch's
 * `save_model` left out. Refuses to do: reading files; believing a spec that the tensors contradict (see `pytorch-spec.ts`).
 */

import { metadataJson, wrongFile } from '../checkpoint/wrong-file.js';
import { Vocabulary } from '../data/vocabulary.js';
import { describe } from '../errors.js';
import { MODEL_FORMAT } from '../models/model-file.js';
import { parseSpec } from '../models/spec.js';
import type { ModelSpec } from '../models/types.js';
import { PRODUCER, PRODUCER_VERSION } from './pytorch-export.js';
import { NAMES } from './pytorch-names.js';

/** Of our own export; files of others have neither part. */
export interface Said {
  spec?: ModelSpec;
  vocabulary?: Vocabulary;
  /** Whether `save_model` wrote one table for encoder and decoder: the name that is missing, and the one in its place. */
  shared: boolean;
}

/** @throws ERR_TIMERNN_FORMAT, ERR_TIMERNN_SPEC, ERR_TIMERNN_VOCABULARY where a file calls itself our export and is none */
export function parsePyTorchMetadata(path: string, metadata: ReadonlyMap<string, string>): Said {
  const shared = metadata.get(NAMES.decoder) === NAMES.encoder || metadata.get(NAMES.encoder) === NAMES.decoder;
  if (metadata.get('format') === MODEL_FORMAT) {
    throw wrongFile(path, 'tensors with names of PyTorch', 'a model of timernn, which needs no import');
  }
  if (metadata.get('producer') !== PRODUCER) return { shared };
  const version = metadata.get('version');
  if (version !== PRODUCER_VERSION)
    throw wrongFile(path, `the version ${PRODUCER_VERSION} of ${PRODUCER}`, describe(version));
  const spec = parseSpec(metadataJson(path, metadata, 'spec'));
  const vocabulary = Vocabulary.fromJSON(metadataJson(path, metadata, 'vocabulary'));
  if (metadata.get('vocabularyHash') !== vocabulary.hash) {
    throw wrongFile(path, `the vocabulary hash ${vocabulary.hash}`, describe(metadata.get('vocabularyHash')));
  }
  return { spec, vocabulary, shared };
}
