/** Services with a real model, mounted: several in one app, a full queue, bare integers, and what they say of themselves. */
import test from 'ava';
import Fastify from 'fastify';
import { Registry } from 'prom-client';
import { Corpus, LanguageModel, type Predictor } from 'timernn';
import timernn from 'timernn/fastify';
import { ANSWERS } from '#src/serve/schemas.js';
import { messageOf, problem, serve } from './helpers/app.js';
import { eventsOf, smallModel } from './helpers/model.js';

let model: LanguageModel;
let predictor: Predictor;

test.before(async () => {
  model = await smallModel();
  predictor = await model.predictor();
});
test.after.always(() => predictor?.close());

test('a real queue that is full: 200 or an honest 503, and a session that was refused is as it was', async (t) => {
  const options = { maxQueue: 2, maxBatch: 1, lanes: 1 };
  const { post, get } = await serve(t, { model, predictorOptions: options, limits: { maxWaiting: 200 } });
  const ids = await Promise.all(Array.from({ length: 40 }, async () => (await post('/v1/sessions')).json().id));
  const answers = await Promise.all(ids.map((id) => post(`/v1/sessions/${id}/step`, { token: 't', topK: 1 })));
  const positions = await Promise.all(ids.map(async (id) => (await get(`/v1/sessions/${id}`)).json().position));
  const statuses = answers.map(({ statusCode }) => statusCode);
  t.deepEqual(
    positions,
    statuses.map((status) => (status === 200 ? 1 : 0)),
  );
  t.deepEqual([...new Set(statuses)].sort(), [200, 503]);
  const refused = answers.find(({ statusCode }) => statusCode === 503)!;
  t.deepEqual([...problem(refused), refused.headers['retry-after']], [503, 'ERR_TIMERNN_OVERLOADED', '1']);
  t.regex((await get('/metrics')).body, /^timernn_predictor_refused_total [1-9]/m);
});

test('an empty body is no body, also where a client says that it is JSON', async (t) => {
  const { app } = await serve(t, { predictor });
  const json = { headers: { 'content-type': 'application/json' } };
  const created = await app.inject({ method: 'POST', url: '/v1/sessions', ...json });
  t.is(created.statusCode, 201);
  const { id } = created.json();
  t.is((await app.inject({ method: 'POST', url: `/v1/sessions/${id}/fork`, ...json })).statusCode, 201);
  t.is((await app.inject({ method: 'DELETE', url: `/v1/sessions/${id}`, ...json })).statusCode, 204);
  const missed = await app.inject({ method: 'POST', url: '/v1/next', ...json });
  t.deepEqual([...problem(missed)], [400, 'INVALID_REQUEST']);
});

test('several models in one app, each under its prefix, and nothing of them in the app’s own routes', async (t) => {
  const small = await smallModel({ cell: 'gru', size: 12 });
  const app = Fastify();
  t.teardown(() => app.close());
  app.post('/echo', async (request) => request.body);
  await app.register(timernn, {
    predictor,
    prefix: '/lstm',
    token: 'only-for-the-first-model',
    metrics: new Registry(),
  });
  await app.register(timernn, { model: small, prefix: '/gru', predictorOptions: { precision: 'int8' } });
  const payload = { text: 'the ' };
  t.is((await app.inject({ method: 'POST', url: '/lstm/v1/next', payload })).statusCode, 401);
  t.is((await app.inject({ method: 'POST', url: '/gru/v1/next', payload })).statusCode, 200);
  t.is((await app.inject('/gru/readyz')).statusCode, 200);
  const described = ANSWERS.model.parse((await app.inject('/gru/v1/model')).json());
  t.like(described, { unit: 'char', precision: 'int8', vocabularySize: small.vocabulary.size });
  t.deepEqual(described.spec, small.spec as unknown as Record<string, unknown>);
  const nowhere = await app.inject('/gru/nowhere');
  t.deepEqual([...problem(nowhere)], [404, 'NOT_FOUND']);
  t.is((await app.inject('/lstm/nowhere')).statusCode, 401);
  t.is((await app.inject('/nowhere')).json().error, 'Not Found');
  const echo = await app.inject({
    method: 'POST',
    url: '/echo',
    payload: 'x',
    headers: { 'content-type': 'text/plain' },
  });
  t.is(echo.body, 'x');
  const metrics = (await app.inject('/gru/metrics')).body;
  t.regex(
    metrics,
    /timernn_http_request_duration_seconds_count\{method="POST",route="\/gru\/v1\/next",status="200"\} 1/,
  );
  t.regex(metrics, /^timernn_predictor_requests_total [1-9]/m);
  t.regex(metrics, /^timernn_ready 1$/m);
  t.regex(metrics, /^timernn_event_loop_delay_seconds\{quantile="0.99"\} [\d.e-]+$/m);
});

test('a model of bare integers: no text, and no start that would stand for one', async (t) => {
  const corpus = Corpus.fromTokens(
    Uint32Array.from({ length: 400 }, (_, i) => i % 5),
    { vocabularySize: 6 },
  );
  const clicks = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 4, layers: [{ cell: 'rnn', size: 8 }] });
  const { post } = await serve(t, { model: clicks });
  t.deepEqual(problem(await post('/v1/score', { text: '1 2' })), [400, 'ERR_TIMERNN_VOCABULARY']);
  t.is(messageOf(await post('/v1/score', { tokens: [6] })), 'Expected tokens[0] to be an integer from 0 to 5, got 6');
  const body = (await post('/v1/score', { tokens: [1, 2] })).json();
  const session = (await clicks.predictor()).session();
  t.deepEqual(
    body.tokens.map(({ logProbability }: { logProbability: number }) => logProbability),
    [...(await session.score([1, 2]))],
  );
  t.is((await post('/v1/generate', { length: 5, seed: 1 })).json().text.split(' ').length, 5);
});

test('openapi.json describes every route with the limits that hold, and says where a token is needed', async (t) => {
  const limits = { maxTopK: 7, maxText: 99, maxTokens: 88 };
  const { get } = await serve(t, { predictor, limits, prefix: '/whale', token: 'a-token-of-some-length' });
  const headers = { authorization: 'Bearer a-token-of-some-length' };
  const document = (await get('/whale/openapi.json', { headers })).json();
  t.is(document.openapi, '3.1.0');
  t.deepEqual(Object.keys(document.paths), [
    '/whale/healthz',
    '/whale/readyz',
    '/whale/v1/model',
    '/whale/v1/score',
    '/whale/v1/next',
    '/whale/v1/generate',
    '/whale/v1/sessions',
    '/whale/v1/sessions/{id}',
    '/whale/v1/sessions/{id}/step',
    '/whale/v1/sessions/{id}/state',
    '/whale/v1/sessions/{id}/fork',
  ]);
  const { schema } = document.paths['/whale/v1/next'].post.requestBody.content['application/json'];
  t.like(schema, {
    type: 'object',
    additionalProperties: false,
    oneOf: [{ required: ['text'] }, { required: ['tokens'] }],
  });
  t.like(schema.properties.topK, { type: 'integer', minimum: 1, maximum: 7, default: 7 });
  t.is(schema.properties.text.maxLength, 99);
  t.like(schema.properties.tokens, { type: 'array', maxItems: 88 });
  t.deepEqual(document.security, [{ bearer: [] }]);
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path as Record<string, { operationId: string }>).map(({ operationId }) => operationId),
  );
  t.is(new Set(ids).size, 13);
});

test('a stream that goes well leaves nothing in the log to be warned of', async (t) => {
  const lines: string[] = [];
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } });
  t.teardown(() => app.close());
  await app.register(timernn, { model: await smallModel(), metrics: false });
  const payload = { length: 3, stream: true };
  const answer = await app.inject({ method: 'POST', url: '/v1/generate', payload });
  t.is(answer.statusCode, 200);
  t.is(eventsOf(answer.body).length, 4);
  t.deepEqual(lines, []);
});

test('a predictor that does not come: the log says why, requests only that', async (t) => {
  const lines: string[] = [];
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } });
  t.teardown(() => app.close());
  await app.register(timernn, { predictor: Promise.reject(new Error('no such file')), metrics: false });
  const answer = await app.inject({ method: 'POST', url: '/v1/next', payload: { text: 'the ' } });
  t.deepEqual(problem(answer), [503, 'NOT_READY']);
  t.false(answer.body.includes('no such file'));
  t.regex(lines[0]!, /no such file/);
});
