/**
 * A model from tensors with PyTorch's names and layouts. Everything is checked on the header; only then is data read.
 * Refuses to do: pickled files (`.pt`, `.pth`), which are programs.
 */
import { isDeepStrictEqual } from 'node:util';
import { type LoadedTensor, readSafetensors, readSafetensorsHeader } from '../checkpoint/safetensors.js';
import { wrongFile } from '../checkpoint/wrong-file.js';
import { Vocabulary } from '../data/vocabulary.js';
import { describe, TimeRNNError } from '../errors.js';
import { allocateFloats } from '../memory/arena.js';
import { planLayout } from '../memory/layout.js';
import { LanguageModel } from '../models/language-model.js';
import { nativeSpec } from '../models/spec.js';
import type { ModelSpec } from '../models/types.js';
import { native } from '../native.js';
import { checkNames, expectBoolean, filePath } from '../options.js';
import { type Found, findArchitecture } from './pytorch-architecture.js';
import { fillParameters } from './pytorch-fill.js';
import { parsePyTorchMetadata, type Said } from './pytorch-metadata.js';
import { specOf } from './pytorch-spec.js';

/** How a file of PyTorch is read. */
export interface ImportOptions {
  /**
   * What the tokens are, in the order of their ids; `'ids'` where they are bare integers.
   * @default the one in the file's metadata, where `exportPyTorch` wrote it
   */
  vocabulary?: Vocabulary | 'ids';
  /**
   * The activation of plain RNN layers, which tensors do not tell.
   * @default what the file's metadata says, else 'tanh', as in PyTorch
   */
  activation?: 'tanh' | 'relu';
  /**
   * Whether the output layer's weights are the embedding's. `encoder.weight` and `decoder.weight` must then be equal.
   * @default what the file's metadata says, else false
   */
  tied?: boolean;
}

const OPTION_NAMES = ['vocabulary', 'activation', 'tied'] satisfies (keyof ImportOptions)[];

function checkOptions(options: ImportOptions): void {
  checkNames(options, OPTION_NAMES, 'importPyTorch');
  const { vocabulary, activation, tied } = options as Record<string, unknown>;
  const refuse = (name: string, expected: string, got: unknown) =>
    new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be ${expected}, got ${describe(got)}`);
  if (vocabulary !== undefined && vocabulary !== 'ids' && !(vocabulary instanceof Vocabulary)) {
    throw refuse('vocabulary', 'a Vocabulary or "ids"', vocabulary);
  }
  if (activation !== undefined && activation !== 'tanh' && activation !== 'relu') {
    throw refuse('activation', '"tanh" or "relu"', activation);
  }
  if (tied !== undefined) expectBoolean('tied', tied);
}

function vocabularyOf(
  path: string,
  given: ImportOptions['vocabulary'],
  { vocabulary: said }: Said,
  size: number,
): Vocabulary {
  const vocabulary = given === 'ids' ? Vocabulary.ofSize(size) : (given ?? said);
  if (vocabulary === undefined) {
    throw new TimeRNNError(
      'ERR_TIMERNN_VOCABULARY',
      `Expected a vocabulary of ${size} tokens for ${path}, got none: its metadata has none, so pass one, or "ids" where the ids ` +
        'themselves are the tokens',
    );
  }
  if (vocabulary.size !== size) {
    throw new TimeRNNError(
      'ERR_TIMERNN_VOCABULARY',
      `Expected a vocabulary of ${size} tokens, as many as ${path} has rows in its embedding, got ${vocabulary.size}`,
    );
  }
  return vocabulary;
}

/** What the header settles: the architecture, the spec that it makes, and the vocabulary. */
interface Plan {
  found: Found;
  spec: ModelSpec;
  vocabulary: Vocabulary;
  metadata: ReadonlyMap<string, string>;
}

async function plan(path: string, options: ImportOptions): Promise<Plan> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  const said = parsePyTorchMetadata(path, metadata);
  const tied = options.tied ?? (said.spec?.output.tied === true || said.shared);
  const found = findArchitecture(
    path,
    tensors.map((info) => [info.name, info] as const),
    tied,
  );
  const spec = specOf(path, found, said.spec, options.activation);
  return { found, spec, vocabulary: vocabularyOf(path, options.vocabulary, said, found.vocabulary), metadata };
}

/** The data of what `plan` saw. @throws ERR_TIMERNN_FORMAT where another file has taken its place since */
async function readPlanned(path: string, { found, metadata }: Plan): Promise<ReadonlyMap<string, LoadedTensor>> {
  const file = await readSafetensors(path);
  if (
    !isDeepStrictEqual(file.metadata, metadata) ||
    !isDeepStrictEqual(findArchitecture(path, file.tensors, found.tied), found)
  ) {
    throw wrongFile(path, 'the same content while it is read', 'another model in its place');
  }
  return file.tensors;
}

/**
 * Reads a safetensors file with PyTorch's names and layouts: `encoder.weight`, `rnn.weight_ih_l0` …, `decoder.weight`
 * (`docs/exchange.md` has them all). The cell follows from the number of gate rows, sizes from the shapes; half and double precision
 * become 32-bit floats. The two biases of PyTorch are added up.
 *
 * @param path - the name of a file, or its `file:` URL
 * @throws ERR_TIMERNN_OPTION; ERR_TIMERNN_FILE; ERR_TIMERNN_FORMAT for tensors that make no model, or weights that are not
 * finite; ERR_TIMERNN_SPEC for sizes out of range; ERR_TIMERNN_VOCABULARY where there is none, or one of another size
 * @example
 * ```ts
 * import { exportPyTorch, importPyTorch, LanguageModel, Vocabulary } from 'timernn';
 * const vocabulary = Vocabulary.ofSize(20);
 * const model = new LanguageModel({ vocabulary, embedding: 8, layers: [{ cell: 'lstm', size: 16 }] });
 * await exportPyTorch(model, 'clicks-pytorch.safetensors');
 * const same = await importPyTorch('clicks-pytorch.safetensors', { vocabulary });
 * console.log(same.parameterCount === model.parameterCount); // true
 * ```
 */
export async function importPyTorch(path: string | URL, options: ImportOptions = {}): Promise<LanguageModel> {
  const file = filePath(path);
  checkOptions(options);
  const planned = await plan(file, options);
  const { found, spec, vocabulary } = planned;
  const tensors = await readPlanned(file, planned);
  const layout = planLayout(native.tensorTable(nativeSpec(spec)));
  const params = allocateFloats(layout.length);
  await fillParameters(file, found, tensors, { params, layout });
  return LanguageModel.ofParts({ spec, vocabulary, layout, params, origin: { kind: 'loaded' } });
}
