/** What is refused, and in which words: bodies, limits, tokens of the vocabulary, options of the plugin. */
import test from 'ava';
import Fastify from 'fastify';
import timernn from 'timernn/fastify';
import { untyped } from '../helpers/refused.js';
import { messageOf, problem, serve } from './helpers/app.js';
import { FakePredictor } from './helpers/fake.js';

const REFUSED: [url: string, body: unknown, message: string][] = [
  ['/v1/score', {}, 'Expected the body to have exactly one of text, tokens, got no fields'],
  [
    '/v1/score',
    { text: 'a', tokens: [1] },
    'Expected the body to have exactly one of text, tokens, got "text", "tokens"',
  ],
  ['/v1/score', { text: '' }, 'Expected text to have at least one token, got none'],
  ['/v1/score', { tokens: [] }, 'Expected tokens to have at least one token, got none'],
  ['/v1/score', { text: 5 }, 'Expected text to be a string, got 5'],
  ['/v1/score', { text: null }, 'Expected text to be a string, got null'],
  ['/v1/score', { tokens: 'a' }, 'Expected tokens to be an array, got "a"'],
  ['/v1/score', { tokens: [1, -1] }, 'Expected tokens[1] to be an integer from 0 to 9, or the text of a token, got -1'],
  ['/v1/score', { tokens: [1.5] }, 'Expected tokens[0] to be an integer from 0 to 9, or the text of a token, got 1.5'],
  ['/v1/score', { tokens: [[1]] }, 'Expected tokens[0] to be an integer from 0 to 9, or the text of a token, got [1]'],
  [
    '/v1/score',
    { text: 'a', contxt: 'b' },
    'Expected the body to have only the fields text, tokens, context, got "contxt"',
  ],
  [
    '/v1/score',
    { text: 'a', context: 5 },
    'Expected context to be a text of at most 50 characters or an array of at most 20 tokens, got 5',
  ],
  ['/v1/score', [], 'Expected the body to be an object, got []'],
  ['/v1/score', null, 'Expected the body to be an object, got null'],
  ['/v1/score', 'text', 'Expected the body to be an object, got "text"'],
  ['/v1/score', { text: 'a'.repeat(51) }, 'Expected text to have at most 50 characters, got 51'],
  ['/v1/score', { text: 'a'.repeat(21) }, 'Expected text to have at most 20 tokens, got 21'],
  ['/v1/score', { tokens: Array(21).fill(1) }, 'Expected tokens to have at most 20 entries, got 21'],
  ['/v1/next', { text: 'a', topK: 0 }, 'Expected topK to be at least 1, got 0'],
  ['/v1/next', { text: 'a', topK: 6 }, 'Expected topK to be at most 5, got 6'],
  ['/v1/next', { text: 'a', topK: 1.5 }, 'Expected topK to be an integer, got 1.5'],
  ['/v1/next', { text: 'a', topK: '3' }, 'Expected topK to be a number, got "3"'],
  ['/v1/generate', { length: 31 }, 'Expected length to be at most 30, got 31'],
  ['/v1/generate', { temperature: -1 }, 'Expected temperature to be at least 0, got -1'],
  ['/v1/generate', { seed: 2 ** 60 }, 'Expected seed to be at most 9007199254740991, got 1152921504606847000'],
  ['/v1/generate', { stream: 'yes' }, 'Expected stream to be true or false, got "yes"'],
  ['/v1/sessions', { state: 5 }, 'Expected state to be a string, got 5'],
];

test('a body that does not fit is a 400 with one sentence that names the field', async (t) => {
  const { post, predictor } = await serve(t, {
    limits: { maxText: 50, maxTokens: 20, maxTopK: 5, maxLength: 30 },
  });
  for (const [url, body, message] of REFUSED) {
    const answer = await post(url, undefined, {
      payload: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    t.deepEqual([answer.statusCode, messageOf(answer)], [400, message]);
    t.true(['INVALID_REQUEST', 'ERR_TIMERNN_TOKEN'].includes(problem(answer)[1]));
  }
  t.deepEqual(predictor.calls, []);
});

test('a number beyond floats is refused, where JSON.parse makes it infinite', async (t) => {
  const { post } = await serve(t);
  const payload = '{"temperature":1e999}';
  const answer = await post('/v1/generate', undefined, { payload, headers: { 'content-type': 'application/json' } });
  t.deepEqual(problem(answer), [400, 'INVALID_REQUEST']);
});

test('what is not a JSON object of a decent size is 400, 413 or 415', async (t) => {
  const { post } = await serve(t, { limits: { bodyLimit: 100 } });
  const send = (payload: string, type?: string) =>
    post('/v1/next', undefined, { payload, ...(type !== undefined && { headers: { 'content-type': type } }) });
  const json = 'application/json';
  t.deepEqual(problem(await send('{"text":', json)), [400, 'INVALID_REQUEST']);
  t.deepEqual(problem(await send('', json)), [400, 'INVALID_REQUEST']);
  t.deepEqual(problem(await send('{"__proto__":{"x":1},"text":"a"}', json)), [400, 'INVALID_REQUEST']);
  t.deepEqual(problem(await send('{"constructor":{"prototype":{}}}', json)), [400, 'INVALID_REQUEST']);
  t.deepEqual(problem(await send(`{"text":"${'a'.repeat(100)}"}`, json)), [413, 'BODY_TOO_LARGE']);
  t.deepEqual(problem(await send('text=a', 'application/x-www-form-urlencoded')), [415, 'UNSUPPORTED_MEDIA_TYPE']);
  t.deepEqual(problem(await send('the', 'text/plain')), [415, 'UNSUPPORTED_MEDIA_TYPE']);
  t.deepEqual(problem(await send('{}', 'nonsense')), [415, 'UNSUPPORTED_MEDIA_TYPE']);
  t.is(messageOf(await send('the', 'text/plain')), 'Expected content-type to be application/json, got "text/plain"');
  t.is((await send('{"text":"a"}', `${json}; charset=utf-8`)).statusCode, 200);
});

const OPTIONS: [options: unknown, message: string][] = [
  // As process.env.TOKEN is where nobody set it.
  [
    { predictor: new FakePredictor(), token: undefined },
    'Expected token to be a string, got undefined; without the option the service asks for none',
  ],
  [{}, 'Expected the options of timernn/fastify to have either a model or a predictor, got neither'],
  [{ model: 5 }, 'Expected model to be a LanguageModel, got 5'],
  [{ predictor: 5 }, 'Expected predictor to be a Predictor, got 5'],
  [
    { predictor: new FakePredictor(), predictorOptions: {} },
    'Expected predictorOptions together with a model, got a predictor, which has its own',
  ],
  [
    { predictor: new FakePredictor(), limits: { maxSessions: 0 } },
    'Expected limits.maxSessions to be at least 1, got 0',
  ],
  [{ predictor: new FakePredictor(), limits: { sessionTtl: 0 } }, 'Expected limits.sessionTtl to be above 0, got 0'],
  [{ predictor: new FakePredictor(), metrics: 'yes' }, 'Expected metrics to be true, false or a Registry, got "yes"'],
  [
    { predictor: new FakePredictor(), token: 'hunter2' },
    'Expected token to have at least 16 letters, digits or -._~+/, got another value (which is not shown)',
  ],
];

for (const [options, message] of OPTIONS) {
  test(`options: ${message}`, async (t) => {
    const app = Fastify();
    await t.throwsAsync(async () => app.register(timernn, untyped(options)), { code: 'ERR_TIMERNN_OPTION', message });
  });
}

test('options: a misspelt limit is refused with the names that exist', async (t) => {
  const options = { predictor: new FakePredictor(), limits: { maxSession: 5 } };
  const error = await t.throwsAsync(async () => Fastify().register(timernn, untyped(options)));
  t.regex(
    error?.message ?? '',
    /^Expected limits to have only the fields bodyLimit, .*maxSessions.*, got "maxSession"$/,
  );
});
