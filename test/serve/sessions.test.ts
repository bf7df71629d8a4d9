/** Sessions behind HTTP: opened, stepped, forked, exported, deleted; limits, expiry and order, on a clock of the test. */
import test from 'ava';
import { SessionStore } from '#src/serve/session-store.js';
import { messageOf, problem, type Served, serve } from './helpers/app.js';
import { vocabulary } from './helpers/fake.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const open = async ({ post }: Served, payload?: object): Promise<string> =>
  (await post('/v1/sessions', payload)).json<{ id: string }>().id;
const notFound = [404, 'SESSION_NOT_FOUND'] as [number, string];

test('open, step, look, export, import, fork, delete', async (t) => {
  const served = await serve(t);
  const { app, get, post } = served;
  const created = await post('/v1/sessions');
  t.is(created.statusCode, 201);
  const { id, position, expiresIn } = created.json();
  t.regex(id, UUID);
  t.deepEqual([position, expiresIn], [0, 1800]);
  const url = `/v1/sessions/${id}`;

  const stepped = await post(`${url}/step`, { text: 'the', topK: 2, surprise: true });
  t.is(stepped.statusCode, 200);
  const e = vocabulary.idOf('e')!;
  t.deepEqual(stepped.json(), {
    position: 3,
    next: [1, 2].map((k) => ({
      token: (e + k) % vocabulary.size,
      text: vocabulary.token((e + k) % vocabulary.size),
      probability: 2 ** -k,
    })),
    surprise: [...vocabulary.encode('the')].map((token) => Math.log(token + 2)),
  });
  t.deepEqual((await post(`${url}/step`, { token: 'w', topK: 0 })).json(), { position: 4 });
  t.is((await post(`${url}/step`, { tokens: [1, 'h'] })).json().next.length, vocabulary.size);
  t.like((await get(url)).json(), { id, position: 6 });

  const { state } = (await get(`${url}/state`)).json();
  const other = await open(served, { state });
  t.not(other, id);
  t.like((await get(`/v1/sessions/${other}`)).json(), { position: 6 });
  const forked = await post(`${url}/fork`);
  t.is(forked.statusCode, 201);
  t.is(forked.json().position, 6);
  await post(`${url}/step`, { token: 2 });
  t.is((await get(`/v1/sessions/${forked.json().id}`)).json().position, 6);
  t.deepEqual((await app.inject({ method: 'PUT', url: `${url}/state`, payload: { state } })).json(), { position: 6 });

  const gone = await app.inject({ method: 'DELETE', url });
  t.deepEqual([gone.statusCode, gone.body], [204, '']);
  for (const answer of [
    await get(url),
    await get(`${url}/state`),
    await post(`${url}/step`, { token: 1 }),
    await post(`${url}/fork`),
    await app.inject({ method: 'PUT', url: `${url}/state`, payload: { state } }),
    await app.inject({ method: 'DELETE', url }),
  ]) {
    t.deepEqual(problem(answer), notFound);
  }
});

test('a step takes one trip to the predictor where one is enough', async (t) => {
  const served = await serve(t);
  const id = await open(served);
  served.predictor.calls.length = 0;
  await served.post(`/v1/sessions/${id}/step`, { token: 1 });
  await served.post(`/v1/sessions/${id}/step`, { tokens: [1, 2] });
  await served.post(`/v1/sessions/${id}/step`, { token: 1, topK: 0 });
  await served.post(`/v1/sessions/${id}/step`, { token: 1, surprise: true });
  t.deepEqual(served.predictor.calls, ['step', 'observe', 'probabilities', 'observe', 'score', 'probabilities']);
});

test('a state that is foreign, forged or damaged is a 422, and opens nothing', async (t) => {
  const served = await serve(t);
  const { app, get, post } = served;
  const id = await open(served);
  const { state } = (await get(`/v1/sessions/${id}/state`)).json();
  const bad = [
    '',
    '!',
    `${state}=`,
    `${state} `,
    `${state}\n`,
    'AAAA',
    Buffer.from('fake[1').toString('base64url'),
    'Zh',
  ];
  for (const wrong of bad) {
    t.deepEqual(problem(await post('/v1/sessions', { state: wrong })), [422, 'ERR_TIMERNN_STATE'], wrong);
    const put = await app.inject({ method: 'PUT', url: `/v1/sessions/${id}/state`, payload: { state: wrong } });
    t.deepEqual(problem(put), [422, 'ERR_TIMERNN_STATE'], wrong);
  }
  t.is((await get(`/v1/sessions/${id}`)).json().position, 0);
});

test('ids that are none are 404, and are not repeated', async (t) => {
  const { get, post } = await serve(t);
  for (const id of ['x', '__proto__', 'constructor', '%00', '..%2f..', 'a'.repeat(90)]) {
    t.deepEqual(problem(await get(`/v1/sessions/${id}`)), notFound);
  }
  const unknown = '123e4567-e89b-42d3-a456-426614174000';
  t.is(
    messageOf(await post(`/v1/sessions/${unknown}/step`, { token: 1 })),
    `Expected the id of a session that has not expired, got ${unknown}`,
  );
});

test('a full house refuses new sessions, and says when there may be room; none is thrown out', async (t) => {
  let now = 0;
  const served = await serve(t, { limits: { maxSessions: 2, sessionTtl: 100 }, now: () => now });
  const { get, post } = served;
  const first = await open(served);
  now += 30_000;
  const second = await open(served);
  const refused = await post('/v1/sessions');
  t.deepEqual(problem(refused), [429, 'TOO_MANY_SESSIONS']);
  t.is(refused.headers['retry-after'], '70');
  t.deepEqual(problem(await post(`/v1/sessions/${first}/fork`)), [429, 'TOO_MANY_SESSIONS']);
  t.is((await get(`/v1/sessions/${first}`)).statusCode, 200);
  t.is((await get(`/v1/sessions/${second}`)).statusCode, 200);
  // The fork and the look were requests, too: both live for 100 seconds from here on.
  now += 99_999;
  t.is((await post('/v1/sessions')).statusCode, 429);
  now += 1;
  t.is((await post('/v1/sessions')).statusCode, 201);
  t.deepEqual(problem(await get(`/v1/sessions/${first}`)), notFound);
  t.deepEqual(problem(await get(`/v1/sessions/${second}`)), notFound);
});

test('a session expires when nobody asked for it, but not while a request runs', async (t) => {
  let now = 0;
  const served = await serve(t, { limits: { sessionTtl: 10 }, now: () => now });
  const { get, post, predictor } = served;
  const busy = await open(served);
  const idle = await open(served);
  predictor.calls.length = 0;
  predictor.shut();
  const running = post(`/v1/sessions/${busy}/step`, { token: 1 });
  await predictor.asked(1);
  now += 11_000;
  t.deepEqual(problem(await get(`/v1/sessions/${idle}`)), notFound);
  predictor.open();
  t.is((await running).statusCode, 200);
  now += 9_999;
  t.is((await get(`/v1/sessions/${busy}`)).statusCode, 200);
  now += 10_000;
  t.deepEqual(problem(await get(`/v1/sessions/${busy}`)), notFound);
});

test('requests of one session take turns, in the order in which they came; too many that wait are refused', async (t) => {
  const served = await serve(t, { limits: { maxWaiting: 2 } });
  const { post, predictor } = served;
  const id = await open(served);
  const url = `/v1/sessions/${id}/step`;
  predictor.calls.length = 0;
  predictor.shut();
  const first = post(url, { token: 1 });
  await predictor.asked(1);
  const second = post(url, { text: 'th', topK: 0 });
  const third = post(url, { token: 3, topK: 0 });
  const refused = await post(url, { token: 1 });
  t.deepEqual(problem(refused), [429, 'SESSION_BUSY']);
  t.deepEqual(predictor.calls, ['step']);
  predictor.open();
  t.deepEqual([(await first).json().position, (await second).json().position], [1, 3]);
  t.is((await third).json().position, 4);
});

test('a request that waits for a session which is deleted meanwhile finds none', async (t) => {
  const served = await serve(t);
  const { post, predictor, app } = served;
  const id = await open(served);
  predictor.calls.length = 0;
  predictor.shut();
  const first = post(`/v1/sessions/${id}/step`, { token: 1 });
  await predictor.asked(1);
  const second = post(`/v1/sessions/${id}/step`, { token: 1 });
  await new Promise((done) => setImmediate(() => setImmediate(done)));
  t.is((await app.inject({ method: 'DELETE', url: `/v1/sessions/${id}` })).statusCode, 204);
  predictor.open();
  t.is((await first).statusCode, 200);
  t.deepEqual(problem(await second), notFound);
});

test('the store lets go of what expired, oldest first, and keeps the rest', (t) => {
  let now = 0;
  const store = new SessionStore({ maxSessions: 10, sessionTtl: 1, maxWaiting: 1 }, () => now);
  for (let i = 0; i < 5; i++) {
    store.add(() => ({}) as never);
    now += 300;
  }
  store.sweep();
  t.deepEqual([store.size, store.counts], [3, { created: 5, expired: 2, refused: 0 }]);
  store.clear();
  t.is(store.size, 0);
});
