/**
 * The model spec: the whole identity of an architecture, validated wherever it comes from, and the one place that
 * turns it into the addon's form. Refuses to do: anything with weights.
 */
import { z } from 'zod';
import { describe, TimeRNNError } from '../errors.js';
import type { NativeSpec } from '../native-types.js';
import type { LayerOptions, ModelSpec } from './types.js';

/** Sizes stay below 2²⁴, so that every tensor's length is an exact number and an index fits BLAS's integers. */
const LARGEST_SIZE = 2 ** 24;
const MOST_LAYERS = 64;
const size = z.int().min(1).max(LARGEST_SIZE);
/** Of 1, everything would be dropped, and what is left be scaled by infinity. */
const share = z.number().min(0).lt(1).optional();
const noise = { dropout: share, weightDrop: share };

const layer = z.discriminatedUnion('cell', [
  z.strictObject({ cell: z.literal('rnn'), size, activation: z.enum(['tanh', 'relu']).optional(), ...noise }),
  z.strictObject({ cell: z.literal('lstm'), size, ...noise }),
  z.strictObject({ cell: z.literal('gru'), size, resetAfter: z.boolean().optional(), ...noise }),
]);

const schema = z.strictObject({
  input: z.strictObject({
    kind: z.literal('tokens'),
    vocabulary: size,
    embedding: size,
    dropout: share,
    wordDropout: share,
  }),
  layers: z.array(layer).min(1).max(MOST_LAYERS),
  output: z.strictObject({ kind: z.literal('softmax'), tied: z.literal(true).optional() }),
  dropoutKind: z.literal('locked').optional(),
});
const SHARES: readonly unknown[] = ['dropout', 'wordDropout', 'weightDrop'];

/** Cells of the public spec. */
export const CELLS = ['rnn', 'lstm', 'gru'] as const satisfies readonly LayerOptions['cell'][];

/** Defaults are left out, so that one architecture has one spec. */
function canonicalLayer(options: z.infer<typeof layer>): LayerOptions {
  const { cell, size, dropout, weightDrop } = options;
  const noise = { ...(dropout && { dropout }), ...(weightDrop && { weightDrop }) };
  if (cell === 'rnn' && options.activation === 'relu') return { cell, size, activation: 'relu', ...noise };
  if (cell === 'gru' && options.resetAfter === false) return { cell, size, resetAfter: false, ...noise };
  return { cell, size, ...noise };
}

function canonical({ input, layers, output, dropoutKind }: z.infer<typeof schema>): ModelSpec {
  const { kind, vocabulary, embedding, dropout, wordDropout } = input;
  return {
    input: { kind, vocabulary, embedding, ...(dropout && { dropout }), ...(wordDropout && { wordDropout }) },
    layers: layers.map(canonicalLayer),
    output: { kind: output.kind, ...(output.tied && { tied: output.tied }) },
    ...(dropoutKind && { dropoutKind }),
  };
}

/** The same architecture without anything that only training has: what a text is measured with. */
export function withoutNoise({ input, layers, output }: ModelSpec): ModelSpec {
  const quiet = layers.map(({ dropout: _, weightDrop: __, ...rest }) => rest as LayerOptions);
  const { kind, vocabulary, embedding } = input;
  return { input: { kind, vocabulary, embedding }, layers: quiet, output };
}

/** The cell's name in the native registry, which has an entry for each variant: `rnn`, `rnn-relu`, `lstm`, … */
export function nativeCell(options: LayerOptions): string {
  if (options.cell === 'rnn' && options.activation === 'relu') return 'rnn-relu';
  if (options.cell === 'gru' && options.resetAfter === false) return 'gru-reset-before';
  return options.cell;
}

/** The spec as the addon takes it. */
export function nativeSpec({ input, layers, output }: ModelSpec): NativeSpec {
  return {
    input: { vocabulary: input.vocabulary, embedding: input.embedding },
    layers: layers.map((options) => ({ cell: nativeCell(options), size: options.size })),
    ...(output.tied && { tied: true }),
  };
}

/** `layers[0].size`; `the model spec` for the whole. */
function placeOf(path: readonly PropertyKey[]): string {
  const keys = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return keys.join('').replace(/^\./, '') || 'the model spec';
}

/** What a field should have been, for a person who knows nothing of the schema's library. */
function expectation(issue: z.core.$ZodIssue): string {
  const key = issue.path.at(-1);
  if (key === 'cell') return `one of ${CELLS.join(', ')}`;
  if (SHARES.includes(key)) return 'a number of at least 0 and below 1';
  if (issue.code === 'invalid_value') return issue.values.map((value) => describe(value)).join(' or ');
  if (key === 'layers') return `an array of 1 to ${MOST_LAYERS} layers`;
  if (key === 'size' || key === 'vocabulary' || key === 'embedding') {
    return issue.code === 'too_big' ? `an integer of at most ${LARGEST_SIZE}` : 'a positive integer';
  }
  const type = issue.code === 'invalid_type' ? issue.expected : 'object';
  return type === 'boolean' ? 'a boolean' : 'an object';
}

/** Names of the fields that a layer of this cell may have. */
function layerFields(cell: unknown): string {
  const { shape } = layer.options.find((option) => option.shape.cell.value === cell)!;
  return Object.keys(shape).join(', ');
}

function refusal(issue: z.core.$ZodIssue, value: unknown): string {
  const at = placeOf(issue.path);
  const got = issue.path.reduce<unknown>((from, key) => (from as Record<PropertyKey, unknown>)[key], value);
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => describe(key)).join(', ');
    const fields =
      issue.path[0] === 'layers' ? `the fields ${layerFields((got as LayerOptions).cell)}` : 'fields that exist';
    return `Expected ${at} to have only ${fields}, got ${keys}`;
  }
  return `Expected ${at} to be ${expectation(issue)}, got ${describe(got)}`;
}

/**
 * Checks a spec and returns a clean copy.
 *
 * @throws ERR_TIMERNN_SPEC naming the field, what was expected and what came
 */
export function parseSpec(value: unknown): ModelSpec {
  const result = schema.safeParse(value);
  if (!result.success) throw new TimeRNNError('ERR_TIMERNN_SPEC', refusal(result.error.issues[0]!, value));
  return canonical(result.data);
}
