/**
 * The model spec: the whole identity of an architecture, validated wherever it comes from.
 * Refuses to do: anything with weights.
 */
import { z } from 'zod';
import { describe, TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import type { ModelSpec } from '../native-types.js';

/** Sizes stay below 2²⁴, so that every tensor's length is an exact number and an index fits BLAS's integers. */
const size = z
  .int()
  .min(1)
  .max(2 ** 24);

const schema = z.strictObject({
  input: z.strictObject({ kind: z.literal('tokens'), vocabulary: size, embedding: size }),
  layers: z
    .array(z.strictObject({ cell: z.string(), size }))
    .min(1)
    .max(64),
  output: z.strictObject({ kind: z.literal('softmax') }),
});

/**
 * Checks a spec and returns a clean copy.
 *
 * @throws ERR_TIMERNN_SPEC naming the field, what was expected and what came
 */
export function parseSpec(value: unknown): ModelSpec {
  const result = schema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const at = ['spec', ...issue.path.map(String)].join('.');
    throw new TimeRNNError('ERR_TIMERNN_SPEC', `Expected a valid model spec, got at ${at}: ${issue.message}`);
  }
  const cells = native.cells();
  for (const [i, layer] of result.data.layers.entries()) {
    if (!cells.includes(layer.cell)) {
      throw new TimeRNNError(
        'ERR_TIMERNN_SPEC',
        `Expected spec.layers.${i}.cell to be one of ${cells.join(', ')}, got ${describe(layer.cell)}`,
      );
    }
  }
  return result.data;
}
