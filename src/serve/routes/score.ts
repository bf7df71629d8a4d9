/** `POST /v1/score` and `POST /v1/next`: how likely a text is, and what comes next. Nothing is kept. */
import type { z } from 'zod';
import { contextOf, finite, nextAnswer, tokenAnswer, tokensOf } from '../input.js';
import { HttpProblem } from '../problem.js';
import { ANSWERS } from '../schemas.js';
import type { Service } from '../service.js';
import { type Call, route } from './route.js';

type ScoreBody = z.infer<Service['bodies']['score']>;
type NextBody = z.infer<Service['bodies']['next']>;

async function runScore({ predictor, settings }: Service, { body, signal }: Call<ScoreBody>) {
  const { vocabulary } = predictor;
  const { maxTokens } = settings.limits;
  const name = body.text === undefined ? 'tokens' : 'text';
  const scored = tokensOf(vocabulary, (body.text ?? body.tokens)!, name, maxTokens);
  if (scored.length === 0) {
    throw new HttpProblem(400, 'INVALID_REQUEST', `Expected ${name} to have at least one token, got none`);
  }
  const context = contextOf(vocabulary, body.context as string | unknown[] | undefined, 'context', maxTokens);
  const session = predictor.session();
  if (context.length > 0) await session.observe(context, { signal });
  const logs = await session.score(scored, { signal });
  const logProbability = finite(
    logs.reduce((sum, value) => sum + value, 0),
    'log probability',
  );
  return {
    logProbability,
    perplexity: finite(Math.exp(-logProbability / logs.length), 'perplexity'),
    bits: -logProbability / Math.LN2,
    tokens: Array.from(scored, (token, i) => ({ ...tokenAnswer(vocabulary, token), logProbability: logs[i]! })),
  };
}

async function runNext({ predictor, settings }: Service, { body, signal }: Call<NextBody>) {
  const { vocabulary } = predictor;
  const { text, tokens } = body;
  const read = contextOf(vocabulary, text ?? tokens, text === undefined ? 'tokens' : 'text', settings.limits.maxTokens);
  const session = predictor.session();
  if (read.length > 0) await session.observe(read, { signal });
  const next = await session.probabilities({ topK: Math.min(body.topK, vocabulary.size), signal });
  return { read: read.length, next: nextAnswer(vocabulary, next) };
}

/** How likely a text is. */
export const score = route<ScoreBody>({
  method: 'POST',
  path: '/v1/score',
  operation: 'score',
  summary: 'How likely a text is: log P of each token, given those before it',
  body: ({ bodies }) => bodies.score as z.ZodType<ScoreBody>,
  answer: ANSWERS.score,
  refuses: [422],
  run: runScore,
});

/** What comes next. */
export const next = route<NextBody>({
  method: 'POST',
  path: '/v1/next',
  operation: 'next',
  summary: 'The most likely next tokens after a text',
  body: ({ bodies }) => bodies.next as z.ZodType<NextBody>,
  answer: ANSWERS.next,
  refuses: [422],
  run: runNext,
});
