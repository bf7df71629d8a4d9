/** The parts of a model that nobody has trained yet, from its options, and its first weights. Refuses to do: files. */
import { Vocabulary } from '../data/vocabulary.js';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { allocateFloats } from '../memory/arena.js';
import { planLayout } from '../memory/layout.js';
import { native } from '../native.js';
import { checkNames, expectBoolean, expectShare } from '../options.js';
import { expectPositive, LARGEST_FLOAT } from '../train/checks.js';
import { checkSeed } from './generate.js';
import type { ModelParts } from './model-file.js';
import { nativeSpec, parseSpec } from './spec.js';
import type { LanguageModelOptions, LayerOptions } from './types.js';

const MODEL_NAMES: readonly string[] = [
  'vocabulary',
  'embedding',
  'layers',
  'tied',
  'inputDropout',
  'wordDropout',
  'dropoutKind',
  'initialRange',
  'initialMemory',
  'seed',
] satisfies (keyof LanguageModelOptions)[];

function dropoutKindOf(value: unknown): 'element' | 'locked' {
  if (value === undefined || value === 'element') return 'element';
  if (value === 'locked') return value;
  throw new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected dropoutKind to be "element" or "locked", got ${describe(value)}`,
  );
}

function checkMemory(initialMemory: number | undefined, layers: readonly LayerOptions[]): void {
  if (initialMemory === undefined) return;
  const expected = (what: string) =>
    new TimeRNNError('ERR_TIMERNN_OPTION', `Expected initialMemory to be ${what}, got ${describe(initialMemory)}`);
  if (!(typeof initialMemory === 'number' && initialMemory >= 0 && initialMemory <= 1)) {
    throw expected('a number of at least 0 and at most 1');
  }
  if (!layers.some((layer) => layer.cell === 'rnn' && layer.activation !== 'relu')) {
    throw expected('left out where no layer is of cell "rnn" with tanh');
  }
}

/** @throws ERR_TIMERNN_OPTION, ERR_TIMERNN_SPEC */
export function newParts(options: LanguageModelOptions): ModelParts {
  checkNames(options, MODEL_NAMES, 'LanguageModel');
  const { vocabulary } = options;
  if (!(vocabulary instanceof Vocabulary)) {
    const hint = vocabulary === undefined ? '; if it is of a corpus from Corpus.fromFile, did you forget await?' : '';
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected vocabulary to be a Vocabulary, got ${describe(vocabulary)}${hint}`,
    );
  }
  const embedding = expectInteger('embedding', options.embedding);
  if (!Array.isArray(options.layers)) {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected layers to be an array, got ${describe(options.layers)}`);
  }
  if (options.initialRange !== undefined) expectPositive('initialRange', options.initialRange, LARGEST_FLOAT);
  const dropoutKind = dropoutKindOf(options.dropoutKind);
  const spec = parseSpec({
    input: {
      kind: 'tokens',
      vocabulary: vocabulary.size,
      embedding,
      dropout: expectShare('inputDropout', options.inputDropout ?? 0),
      wordDropout: expectShare('wordDropout', options.wordDropout ?? 0),
    },
    layers: options.layers,
    output: { kind: 'softmax', ...(expectBoolean('tied', options.tied ?? false) && { tied: true }) },
    ...(dropoutKind === 'locked' && { dropoutKind }),
  });
  checkMemory(options.initialMemory, spec.layers);
  const layout = planLayout(native.tensorTable(nativeSpec(spec)));
  const { seed = 1, initialRange = 'by the layer', initialMemory } = options;
  checkSeed(seed);
  const origin = { kind: 'drawn', seed, initialRange, ...(initialMemory !== undefined && { initialMemory }) } as const;
  return { spec, vocabulary, layout, params: allocateFloats(layout.length), origin };
}

/** Fills the parameters of a new model, off this thread; those that were loaded stay as they are. */
export async function drawWeights({ params, spec, layout, origin }: ModelParts): Promise<void> {
  if (origin.kind !== 'drawn') return;
  const { seed, initialRange, initialMemory } = origin;
  const range = initialRange === 'by the layer' ? 0 : initialRange;
  await native.initialise(params, nativeSpec(spec), layout.offsets, checkSeed(seed), range, initialMemory);
}
