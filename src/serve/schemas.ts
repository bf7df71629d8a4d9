/**
 * The shapes of what comes in and what goes out: one zod schema each, from which bodies are validated and `/openapi.json`
 * is made. Refuses to do: what depends on the model (see `input.ts`).
 */
import { z } from 'zod';
import type { Limits } from './options.js';

const TOKEN = { description: 'A token by its number, or by its text as the vocabulary has it' };
/** The elements of an array are looked at by `input.ts`, once they are known to be few enough. */
const TOKEN_JSON = { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }], ...TOKEN };

const isToken = (value: unknown) => (typeof value === 'number' && Number.isInteger(value)) || typeof value === 'string';
const oneToken = z.unknown().refine(isToken, { error: 'to be an integer or a string' }).meta(TOKEN_JSON);

/** Exactly one of the fields has to be there. */
function exactlyOne<T extends z.ZodObject>(schema: T, ...fields: string[]): T {
  const given = (value: object) => fields.filter((field) => (value as Record<string, unknown>)[field] !== undefined);
  return schema
    .refine((value) => given(value).length === 1, { error: `to have exactly one of ${fields.join(', ')}` })
    .meta({ oneOf: fields.map((field) => ({ required: [field] })) });
}

/** The schemas of the bodies that come in. */
export function bodySchemas(limits: Limits) {
  const text = z.string().max(limits.maxText);
  const tokens = z.array(z.unknown()).max(limits.maxTokens).meta({ items: TOKEN_JSON });
  const either = z
    .unknown()
    .refine(
      (value) =>
        typeof value === 'string'
          ? value.length <= limits.maxText
          : Array.isArray(value) && value.length <= limits.maxTokens,
      {
        error: `to be a text of at most ${limits.maxText} characters or an array of at most ${limits.maxTokens} tokens`,
      },
    )
    .meta({
      anyOf: [
        { type: 'string', maxLength: limits.maxText },
        { type: 'array', maxItems: limits.maxTokens, items: TOKEN_JSON },
      ],
    });
  const topK = z.int().min(1).max(limits.maxTopK);
  const defaultTopK = Math.min(10, limits.maxTopK);
  const state = z.string().meta({ description: 'A state of this model, as base64url', contentEncoding: 'base64url' });
  const lead = 'what comes before and does not count; the start of a text where it is left out';
  const source = { text: text.optional(), tokens: tokens.optional() };
  return {
    score: exactlyOne(z.strictObject({ ...source, context: either.optional().describe(lead) }), 'text', 'tokens'),
    next: exactlyOne(z.strictObject({ ...source, topK: topK.default(defaultTopK) }), 'text', 'tokens'),
    generate: z.strictObject({
      prompt: either.optional().describe('the text to go on from, which is not repeated'),
      length: z.int().min(1).max(limits.maxLength).default(Math.min(200, limits.maxLength)),
      temperature: z.number().min(0).default(1),
      topK: z
        .int()
        .min(0)
        .max(2 ** 31 - 1)
        .default(0)
        .describe('sample among the k most likely tokens; 0 = all'),
      seed: z
        .int()
        .min(0)
        .optional()
        .describe('same seed, same text; drawn, and told in the answer, where it is left out'),
      allowUnknown: z.boolean().default(false),
      stream: z
        .boolean()
        .optional()
        .describe('whether to answer with server-sent events; left out, the accept header says it'),
    }),
    open: z.strictObject({ state: state.optional() }),
    step: exactlyOne(
      z.strictObject({
        token: oneToken.optional(),
        ...source,
        topK: z.int().min(0).max(limits.maxTopK).default(defaultTopK).describe('most likely next tokens; 0 = none'),
        surprise: z.boolean().default(false).describe('whether to tell −log P of each token before it is read'),
      }),
      'token',
      'text',
      'tokens',
    ),
    state: z.strictObject({ state }),
    nothing: z.strictObject({}),
  };
}

const token = z.object({ token: z.int().min(0), text: z.string() });
const next = z.array(token.extend({ probability: z.number() }));
const state = z.string().meta({ contentEncoding: 'base64url' });
const position = z.int().min(0).describe('tokens that the session has read');

/** The schemas of the answers. */
export const ANSWERS = {
  model: z.object({
    unit: z.enum(['char', 'word', 'token']),
    vocabularySize: z.int(),
    modelHash: z.string().describe('sessions of models with the same hash take each other’s states'),
    precision: z.enum(['float32', 'bfloat16', 'int8']),
    weightBytes: z.int(),
    spec: z.looseObject({}),
  }),
  score: z.object({
    logProbability: z.number().describe('nats'),
    perplexity: z.number().describe('exp of the mean −log P a token'),
    bits: z.number().describe('−log₂ P of all tokens together'),
    tokens: z.array(token.extend({ logProbability: z.number().describe('nats') })),
  }),
  next: z.object({ read: z.int().min(0).describe('tokens that were read'), next }),
  generate: z.object({
    text: z.string(),
    tokens: z.array(z.int().min(0)),
    length: z.int(),
    seed: z.int(),
    finishReason: z.literal('length'),
  }),
  session: z.object({ id: z.uuid(), position, expiresIn: z.number().describe('seconds without a request') }),
  step: z.object({
    position,
    next: next.optional(),
    surprise: z.array(z.number()).optional().describe('nats, one for each token of the request'),
  }),
  state: z.object({ state, position }),
  position: z.object({ position }),
  health: z.object({ status: z.string() }),
  problem: z.object({ error: z.object({ code: z.string(), message: z.string() }) }),
};
