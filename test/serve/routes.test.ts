/** Every route with a real model: the answers are the library's own. */
import test from 'ava';
import type { LanguageModel, Predictor } from 'timernn';
import { ANSWERS } from '#src/serve/schemas.js';
import { encodeState } from '#src/sessions/state-blob.js';
import { joined } from '../models/helpers/models.js';
import { problem, serve } from './helpers/app.js';
import { eventsOf, smallModel } from './helpers/model.js';

let model: LanguageModel;
let predictor: Predictor;

test.before(async () => {
  model = await smallModel();
  predictor = await model.predictor();
});
test.after.always(() => predictor?.close());

test('score: the session’s own numbers, token by token; the model’s log probability', async (t) => {
  const { post } = await serve(t, { predictor });
  const answer = await post('/v1/score', { text: 'the sea' });
  t.is(answer.statusCode, 200);
  const body = ANSWERS.score.parse(answer.json());
  const tokens = model.vocabulary.encode('the sea');
  const session = predictor.session();
  await session.observe('\n');
  const logs = await session.score(tokens);
  t.deepEqual(
    body.tokens,
    Array.from(tokens, (token, i) => ({ token, text: model.vocabulary.token(token), logProbability: logs[i]! })),
  );
  const sum = logs.reduce((total, log) => total + log, 0);
  t.is(body.logProbability, sum);
  t.is(body.perplexity, Math.exp(-sum / 7));
  t.is(body.bits, -sum / Math.LN2);
  // The model's own way computes in other kernels: single precision, seven steps.
  t.true(Math.abs(sum - (await model.logProbability('the sea'))) < 1e-4);
  t.deepEqual((await post('/v1/score', { tokens: [...tokens] })).json(), answer.json());
  t.deepEqual((await post('/v1/score', { tokens: [...'the sea'] })).json(), answer.json());
});

test('score: a context comes before and does not count', async (t) => {
  const { post } = await serve(t, { predictor });
  const session = predictor.session();
  await session.observe(model.vocabulary.encode('the white '));
  const [log] = await session.score(model.vocabulary.encode('w'));
  for (const context of ['the white ', [...model.vocabulary.encode('the white ')]]) {
    const body = (await post('/v1/score', { text: 'w', context })).json();
    t.deepEqual([body.logProbability, body.tokens.length], [log, 1]);
  }
});

test('next: the most likely tokens, most likely first; topK beyond the vocabulary is all of it', async (t) => {
  const { post } = await serve(t, { predictor });
  const session = predictor.session();
  await session.observe(model.vocabulary.encode('the whit'));
  const expected = await session.probabilities({ topK: 3 });
  const body = ANSWERS.next.parse((await post('/v1/next', { text: 'the whit', topK: 3 })).json());
  t.is(body.read, 8);
  t.deepEqual(
    body.next.map(({ token, probability }) => ({ token, probability })),
    expected,
  );
  t.deepEqual(
    body.next.map(({ text }) => text),
    expected.map(({ token }) => model.vocabulary.token(token)),
  );
  const all = (await post('/v1/next', { tokens: ['\n'], topK: 1000 })).json();
  t.is(all.next.length, model.vocabulary.size);
  const sum = all.next.reduce((total: number, { probability }: { probability: number }) => total + probability, 0);
  t.true(Math.abs(sum - 1) < 1e-5);
  t.is((await post('/v1/next', { text: '' })).json().read, 1);
});

test('generate: the library’s text for a seed; a drawn seed is told, and gives the same again', async (t) => {
  const { post } = await serve(t, { predictor });
  const asked = { prompt: 'the ', length: 60, temperature: 0.8, topK: 5, seed: 7 };
  const answer = ANSWERS.generate.parse((await post('/v1/generate', asked)).json());
  t.is(answer.text, await joined(model.generate(asked)));
  t.like(answer, { length: 60, seed: 7, finishReason: 'length' });
  t.is(model.vocabulary.decode(answer.tokens), answer.text);
  const drawn = (await post('/v1/generate', { length: 40 })).json();
  t.is(drawn.text, (await post('/v1/generate', { length: 40, seed: drawn.seed })).json().text);
});

test('generate as server-sent events: a token each, and a summary; by the field or by the header', async (t) => {
  const { post } = await serve(t, { predictor });
  const asked = { prompt: 'the ', length: 30, seed: 3 };
  const { text, tokens } = (await post('/v1/generate', asked)).json();
  const accept = { headers: { accept: 'text/event-stream' } };
  for (const answer of [
    await post('/v1/generate', { ...asked, stream: true }),
    await post('/v1/generate', asked, accept),
  ]) {
    t.is(answer.headers['content-type'], 'text/event-stream; charset=utf-8');
    const events = eventsOf(answer.body);
    const last = events.pop();
    t.deepEqual(last, { event: 'done', data: { length: 30, seed: 3, finishReason: 'length' } });
    t.true(events.every(({ event }) => event === 'token'));
    t.deepEqual(
      events.map(({ data }) => data.token),
      tokens,
    );
    t.is(events.map(({ data }) => data.text).join(''), text);
  }
  const plain = await post('/v1/generate', { ...asked, stream: false }, accept);
  t.is(plain.headers['content-type'], 'application/json; charset=utf-8');
  const refused = await post('/v1/generate', { length: 0, stream: true });
  t.deepEqual(problem(refused), [400, 'INVALID_REQUEST']);
});

test('sessions: a step is the session’s own; surprise is −log P of each token, and then it is read', async (t) => {
  const { post } = await serve(t, { predictor });
  const { id } = ANSWERS.session.parse((await post('/v1/sessions')).json());
  const session = predictor.session();
  const url = `/v1/sessions/${id}/step`;
  const text = (k: { token: number; probability: number }) => ({
    token: k.token,
    text: model.vocabulary.token(k.token),
    probability: k.probability,
  });
  for (const token of 'the w') {
    const body = ANSWERS.step.parse((await post(url, { token, topK: 4 })).json());
    t.deepEqual(body, { position: session.position + 1, next: (await session.step(token, { topK: 4 })).map(text) });
  }
  const logs = await session.score(model.vocabulary.encode('hale'));
  const body = (await post(url, { text: 'hale', surprise: true, topK: 1 })).json();
  t.deepEqual(body, {
    position: 9,
    surprise: [...logs].map((log) => -log),
    next: (await session.probabilities({ topK: 1 })).map(text),
  });
});

test('a restart: sessions that were exported go on in another process’s service, to the bit', async (t) => {
  const first = await serve(t, { model, metrics: false });
  const { id } = (await first.post('/v1/sessions')).json();
  await first.post(`/v1/sessions/${id}/step`, { text: 'the white ' });
  const { state, position } = ANSWERS.state.parse((await first.get(`/v1/sessions/${id}/state`)).json());
  const before = (await first.post(`/v1/sessions/${id}/step`, { token: 'w' })).json();
  await first.app.close();
  const second = await serve(t, { model, metrics: false });
  t.is((await second.post(`/v1/sessions/${id}/step`, { token: 'w' })).statusCode, 404);
  const opened = (await second.post('/v1/sessions', { state })).json();
  t.is(opened.position, position);
  t.deepEqual((await second.post(`/v1/sessions/${opened.id}/step`, { token: 'w' })).json(), before);
});

test('a state of another model, a cut one and one with a flipped bit are refused', async (t) => {
  const other = await serve(t, { model: await smallModel({ cell: 'lstm', size: 16 }, 2), metrics: false });
  const foreign = (await other.post('/v1/sessions')).json().id;
  const { state } = (await other.get(`/v1/sessions/${foreign}/state`)).json();
  const { post, get, app } = await serve(t, { predictor });
  const { id } = (await post('/v1/sessions')).json();
  const own = Buffer.from((await get(`/v1/sessions/${id}/state`)).json().state, 'base64url');
  const bad = [state, own.subarray(0, -1).toString('base64url'), own.subarray(0, 52).toString('base64url')];
  for (const at of [0, 5, 20, 45, 50, 60, own.length - 1]) {
    const flipped = Buffer.from(own);
    flipped[at]! ^= 1;
    bad.push(flipped.toString('base64url'));
  }
  for (const wrong of bad) {
    t.deepEqual(problem(await post('/v1/sessions', { state: wrong })), [422, 'ERR_TIMERNN_STATE']);
    const put = await app.inject({ method: 'PUT', url: `/v1/sessions/${id}/state`, payload: { state: wrong } });
    t.deepEqual(problem(put), [422, 'ERR_TIMERNN_STATE']);
  }
});

test('a state that somebody forged, with a right checksum: an answer or a refusal, never a failure', async (t) => {
  const relu = await smallModel({ cell: 'rnn', size: 8, activation: 'relu' });
  const { post, get } = await serve(t, { model: relu });
  const { modelHash } = (await get('/v1/model')).json();
  const huge = [3.4e38, -3.4e38, 1e30, 0];
  const seen = new Set<number>();
  for (const position of [0, 2 ** 52]) {
    for (const value of huge) {
      const values = Float32Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? value : value / 2));
      const state = Buffer.from(encodeState({ modelHash, position, values })).toString('base64url');
      const opened = await post('/v1/sessions', { state });
      t.is(opened.statusCode, 201);
      const url = `/v1/sessions/${opened.json().id}`;
      for (const answer of [
        await post(`${url}/step`, { text: 'the ', surprise: true }),
        await post(`${url}/step`, { token: 't' }),
        await post(`${url}/fork`),
        await get(`${url}/state`),
      ]) {
        seen.add(answer.statusCode);
        t.false(answer.body.includes('null'));
      }
    }
  }
  t.deepEqual([...seen].sort(), [200, 201, 422]);
});
