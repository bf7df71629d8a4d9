/** Who may ask, and how often: bearer tokens, rates, and that nothing behind them is reached without. */
import test from 'ava';
import { bearerGate } from '#src/serve/auth.js';
import { clientKey, RateLimit } from '#src/serve/rate-limit.js';
import { messageOf, problem, serve, TOKEN } from './helpers/app.js';

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const ROUTES: [method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object][] = [
  ['GET', '/v1/model'],
  ['POST', '/v1/score', { text: 'the' }],
  ['POST', '/v1/next', { text: 'the' }],
  ['POST', '/v1/generate', { prompt: 'the', stream: true }],
  ['POST', '/v1/sessions', {}],
  ['GET', '/v1/sessions/x'],
  ['POST', '/v1/sessions/x/step', { token: 1 }],
  ['GET', '/v1/sessions/x/state'],
  ['PUT', '/v1/sessions/x/state', { state: '' }],
  ['POST', '/v1/sessions/x/fork'],
  ['DELETE', '/v1/sessions/x'],
  ['GET', '/metrics'],
  ['GET', '/openapi.json'],
];

test('without the token no request reaches the model, whatever it looks like', async (t) => {
  const { app, predictor } = await serve(t, { token: TOKEN });
  const wrong = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Basic ${TOKEN}`,
    TOKEN,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Bearer ${TOKEN},`,
    'Bearer \u00e9',
  ];
  for (const [method, url, payload] of ROUTES) {
    for (const authorization of wrong) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await app.inject({ method, url, headers, ...(payload && { payload }) });
      t.deepEqual([url, ...problem(answer)], [url, 401, 'UNAUTHORIZED']);
      t.is(answer.headers['www-authenticate'], 'Bearer');
      t.false(answer.body.includes(TOKEN));
    }
  }
  t.deepEqual(predictor.calls, []);
});

test('the token is asked for before the body is read', async (t) => {
  const { post } = await serve(t, { token: TOKEN, limits: { bodyLimit: 10 } });
  t.deepEqual(problem(await post('/v1/score', { text: 'a long enough body' })), [401, 'UNAUTHORIZED']);
});

test('with the token requests are answered; health needs none; several tokens may be good', async (t) => {
  const other = 'another-good-token-0123';
  const { get, post } = await serve(t, { token: [TOKEN, other] });
  for (const token of [TOKEN, other]) t.is((await post('/v1/next', { text: 'the' }, bearer(token))).statusCode, 200);
  t.is((await post('/v1/next', { text: 'the' }, { headers: { authorization: `bEARER  ${TOKEN}` } })).statusCode, 200);
  t.is((await get('/healthz')).statusCode, 200);
  t.is((await get('/readyz')).statusCode, 200);
});

test('a gate with no token is no gate', (t) => {
  t.is(bearerGate([]), undefined);
});

test('rate limit: a burst, then a steady rate, on a clock of the test', async (t) => {
  let now = 0;
  const { get, predictor } = await serve(t, { limits: { rateLimit: 2, rateBurst: 3 }, now: () => now });
  const ask = async (remoteAddress = '10.0.0.1') => get('/v1/model', { remoteAddress });
  for (let i = 0; i < 3; i++) t.is((await ask()).statusCode, 200);
  const refused = await ask();
  t.deepEqual(problem(refused), [429, 'RATE_LIMITED']);
  t.is(messageOf(refused), 'Expected at most 2 requests a second from one client, got more');
  t.is(refused.headers['retry-after'], '1');
  t.is((await ask('10.0.0.2')).statusCode, 200);
  t.is((await get('/healthz', { remoteAddress: '10.0.0.1' })).statusCode, 200);
  now += 500;
  t.is((await ask()).statusCode, 200);
  t.is((await ask()).statusCode, 429);
  now += 3_600_000;
  for (let i = 0; i < 3; i++) t.is((await ask()).statusCode, 200);
  t.is((await ask()).statusCode, 429);
  t.deepEqual(predictor.calls, []);
});

test('a slow rate says how long to wait', (t) => {
  const limit = new RateLimit(0.1, 1, () => 0);
  limit.take('a');
  t.like(
    t.throws(() => limit.take('a')),
    { status: 429, retryAfter: 10 },
  );
});

test('an IPv6 client is its /64, however the address is written', (t) => {
  t.is(clientKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
  t.is(clientKey('2001:db8:1:2::6'), '2001:db8:1:2');
  t.is(clientKey('2001:db8::6'), '2001:db8:0:0');
  t.is(clientKey('::1'), '0:0:0:0');
  t.is(clientKey('fe80::1%eth0'), 'fe80:0:0:0');
  t.is(clientKey('::ffff:10.0.0.1'), '10.0.0.1');
  t.is(clientKey('10.0.0.1'), '10.0.0.1');
});
