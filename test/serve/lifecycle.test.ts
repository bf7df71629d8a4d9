/** The life of a service: not ready yet, ready, crowded, about to end. Order comes from events alone. */
import test from 'ava';
import { TimeRNNError } from 'timernn';
import { loadFastify, startServer } from '#src/serve/server.js';
import { problem, serve } from './helpers/app.js';
import { FakePredictor } from './helpers/fake.js';
import { listen, post } from './helpers/server.js';

test('before the model is packed: alive, not ready, 503 with retry-after', async (t) => {
  const predictor = new FakePredictor();
  let arrive: (predictor: FakePredictor) => void = () => {};
  const promise = new Promise<FakePredictor>((done) => {
    arrive = done;
  });
  const { get, post } = await serve(t, { predictor: promise });
  t.is((await get('/healthz')).statusCode, 200);
  const ready = await get('/readyz');
  t.deepEqual([ready.statusCode, ready.json(), ready.headers['retry-after']], [503, { status: 'loading' }, '1']);
  const early = await post('/v1/next', { text: 'the' });
  t.deepEqual(problem(early), [503, 'NOT_READY']);
  t.is(early.headers['retry-after'], '1');
  t.is((await get('/openapi.json')).statusCode, 200);
  arrive(predictor);
  await promise;
  t.deepEqual((await get('/readyz')).json(), { status: 'ready' });
  t.is((await post('/v1/next', { text: 'the' })).statusCode, 200);
});

test('a model that cannot be packed: never ready; as `model` it keeps the app from starting', async (t) => {
  const failure = new TimeRNNError('ERR_TIMERNN_NOT_FINITE', 'Expected finite weights, got NaN');
  const rejected = Promise.reject(failure);
  const { get, post } = await serve(t, { predictor: rejected });
  t.deepEqual((await get('/readyz')).json(), { status: 'failed' });
  t.deepEqual(problem(await post('/v1/next', { text: 'the' })), [503, 'NOT_READY']);
  const model = { predictor: () => Promise.reject(failure) };
  await t.throwsAsync(() => serve(t, { model }), { is: failure });
});

test('the predictor of a model is closed with the app, one that was handed in is not', async (t) => {
  const own = new FakePredictor();
  const handed = new FakePredictor();
  const first = await serve(t, { model: { predictor: async () => own } });
  const second = await serve(t, { predictor: handed });
  await first.app.close();
  await second.app.close();
  t.deepEqual([own.closed, handed.closed], [true, false]);
});

test('a queue that is full is an honest 503; other failures of ours are a 500 that tells nothing', async (t) => {
  const { post, predictor } = await serve(t);
  const overloaded = Object.assign(new Error('Expected at most 5 requests to wait, got one more'), {
    code: 'ERR_TIMERNN_OVERLOADED',
  });
  predictor.failure = overloaded;
  for (const [url, body] of [
    ['/v1/next', { text: 'the' }],
    ['/v1/score', { text: 'the' }],
    ['/v1/generate', {}],
    ['/v1/generate', { stream: true }],
  ] as const) {
    const answer = await post(url, body);
    t.deepEqual([url, ...problem(answer)], [url, 503, 'ERR_TIMERNN_OVERLOADED']);
    t.is(answer.headers['retry-after'], '1');
  }
  predictor.failure = new Error('secret path /etc/x');
  const inside = await post('/v1/next', { text: 'the' });
  t.deepEqual(problem(inside), [500, 'INTERNAL']);
  t.false(inside.body.includes('secret'));
});

test('too many requests at a time are refused', async (t) => {
  const { post, predictor } = await serve(t, { limits: { maxConcurrent: 2 } });
  predictor.shut();
  const running = [post('/v1/next', { text: 'the' }), post('/v1/next', { text: 'the' })];
  await predictor.asked(4); // a session and a request each
  const refused = await post('/v1/next', { text: 'the' });
  t.deepEqual([...problem(refused), refused.headers['retry-after']], [503, 'OVERLOADED', '1']);
  predictor.open();
  for (const answer of await Promise.all(running)) t.is(answer.statusCode, 200);
  t.is((await post('/v1/next', { text: 'the' })).statusCode, 200);
});

test('drain under load: what runs is finished, what comes is refused, then it is over', async (t) => {
  const { server, predictor } = await listen(t);
  predictor.shut();
  const running = Array.from({ length: 20 }, () => post(`${server.url}/v1/next`, { text: 'the' }));
  await predictor.asked(40);
  const closing = server.close();
  const late = await post(`${server.url}/v1/next`, { text: 'the' });
  t.deepEqual([late.status, late.headers.get('retry-after')], [503, '1']);
  t.like(await late.json(), { error: { code: 'DRAINING' } });
  const ready = await fetch(`${server.url}/readyz`);
  t.deepEqual([ready.status, await ready.json()], [503, { status: 'draining' }]);
  t.is((await fetch(`${server.url}/healthz`)).status, 200);
  predictor.open();
  for (const answer of await Promise.all(running)) {
    t.is(answer.status, 200);
    t.is(answer.headers.get('connection'), 'close');
    await answer.json();
  }
  await closing;
  await t.throwsAsync(fetch(`${server.url}/readyz`));
});

test('in an app of its own: close() stops listening, and waits for what runs', async (t) => {
  const { app, predictor } = await serve(t);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  predictor.shut();
  const running = post(`${url}/v1/next`, { text: 'the' });
  await predictor.asked(2);
  const closing = app.close();
  while (
    !(await fetch(`${url}/healthz`).then(
      () => false,
      () => true,
    ))
  );
  predictor.open();
  t.is((await running).status, 200);
  await closing;
});

test('a stream that runs when the service ends comes to its end, and its connection with it', async (t) => {
  const { server, predictor } = await listen(t);
  const answer = await post(`${server.url}/v1/generate`, { length: 50, stream: true });
  predictor.shut();
  const closing = server.close();
  predictor.open();
  const text = await answer.text();
  t.is(text.match(/^event: token$/gm)?.length, 50);
  t.regex(text, /event: done\ndata: \{"length":50,.*\}\n\n$/);
  await closing;
});

test('what does not end within the drain timeout is told to stop', async (t) => {
  const { server, predictor } = await listen(t, { limits: { drainTimeout: 0.05 } });
  predictor.shut();
  const stuck = post(`${server.url}/v1/next`, { text: 'the' });
  await predictor.asked(2);
  await server.close();
  const answer = await stuck;
  t.is(answer.status, 503);
  t.like(await answer.json(), { error: { code: 'DRAINING' } });
  t.is(predictor.stats.cancelled, 1);
});

test('an address that is taken is one sentence', async (t) => {
  const { port } = await listen(t);
  const options = { service: { predictor: new FakePredictor() }, host: '127.0.0.1', port, logLevel: 'silent' };
  await t.throwsAsync(startServer({ ...options, requestTimeout: 1, connectionTimeout: 1 }), {
    code: 'ERR_TIMERNN_OPTION',
    message: `Cannot listen on 127.0.0.1 port ${port}: EADDRINUSE`,
  });
});

test('where fastify is missing, the message says what to install', async (t) => {
  const missing = Object.assign(new Error('x'), { code: 'ERR_MODULE_NOT_FOUND' });
  await t.throwsAsync(
    loadFastify(() => Promise.reject(missing)),
    {
      code: 'ERR_TIMERNN_OPTION',
      message: 'Expected fastify and prom-client to be installed, got none: npm install fastify@5 prom-client@15',
    },
  );
  const other = new Error('broken');
  await t.throwsAsync(
    loadFastify(() => Promise.reject(other)),
    { is: other },
  );
});
