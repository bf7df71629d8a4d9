/**
 * Requests that mean harm: ten thousand random ones, from valid bodies with something wrong in them to noise. Whatever comes, the
 * answer is one of the client's (2xx, 4xx) and the service is as it was.
 */
import test from 'ava';
import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { startServer } from '#src/serve/server.js';
import { smallModel } from './helpers/model.js';

const RUNS = 10_000;
const LIMITS = { bodyLimit: 4096, maxText: 200, maxTokens: 64, maxLength: 8, maxTopK: 20, maxSessions: 50 };
const SERVER = { host: '127.0.0.1', port: 0, logLevel: 'silent', requestTimeout: 30, connectionTimeout: 120 };
const IDS = ['x', '', '%00', '../state', '__proto__', '123e4567-e89b-42d3-a456-426614174000'];
const TYPES = ['application/json', 'application/json; charset=utf-16', 'text/plain', 'multipart/form-data', 'x', ''];

const wild = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.double(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(Number),
  fc.constantFrom(null, true, -0, 1e308, 2 ** 53, -1, '', [], {}, [[]], 'NaN'),
);
const tokens = fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 12 }) }, { weight: 1, arbitrary: wild }), {
  maxLength: 80,
});
const text = fc.string({ unit: 'binary', maxLength: 250 });
const mostly = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 5, arbitrary: value }, { weight: 1, arbitrary: wild });

/** Fields that exist, with values that are often right. */
const fields = fc.record(
  {
    text: mostly(text),
    tokens: mostly(tokens),
    token: mostly(fc.nat({ max: 12 })),
    context: mostly(fc.oneof(text, tokens)),
    prompt: mostly(fc.oneof(text, tokens)),
    topK: mostly(fc.integer({ min: -1, max: 25 })),
    length: mostly(fc.integer({ min: -1, max: 10 })),
    temperature: mostly(fc.double({ min: -1, max: 1e9 })),
    seed: mostly(fc.maxSafeNat()),
    stream: mostly(fc.boolean()),
    surprise: mostly(fc.boolean()),
    allowUnknown: mostly(fc.boolean()),
    state: mostly(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64url'))),
  },
  { requiredKeys: [] },
);
/** Of each route: other fields are left out of most requests, which come further so. */
const KNOWN: [path: RegExp, names: string[]][] = [
  [/score$/, ['text', 'context']],
  [/next$/, ['tokens', 'topK']],
  [/generate$/, ['prompt', 'length', 'temperature', 'topK', 'seed', 'stream', 'allowUnknown']],
  [/step$/, ['token', 'topK', 'surprise']],
  [/(state|sessions)$/, ['state']],
  [/fork$/, []],
];
const fitted = (url: string, value: object): string => {
  const names = KNOWN.find(([path]) => path.test(url))?.[1] ?? [];
  return JSON.stringify(Object.fromEntries(Object.entries(value).filter(([name]) => names.includes(name))));
};
const noise = fc.oneof(
  { weight: 2, arbitrary: fields.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: wild.map((value) => JSON.stringify(value) ?? '') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 5000 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"__proto__":1}',
      '[',
      '{"a":1e400}',
      '\ufeff{}',
      '{"text":"\\ud800"}',
      `{"text":"${'a'.repeat(4096)}"}`,
    ),
  },
);

interface Asked {
  method: string;
  url: string;
  value: object;
  payload: string | null;
  type: string | undefined;
  accept: string;
}

test(`${RUNS} random requests: always 2xx or 4xx, and the service goes on`, async (t) => {
  const model = await smallModel({ cell: 'rnn', size: 8 });
  const { app, close } = await startServer({ ...SERVER, service: { model, limits: LIMITS } });
  t.teardown(close);
  const { id } = (await app.inject({ method: 'POST', url: '/v1/sessions' })).json();
  const url = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('/v1/score', '/v1/next', '/v1/generate', '/v1/sessions') },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.constantFrom(id, id, id, ...IDS), fc.constantFrom('/step', '/step', '/state', '/fork', ''))
        .map(([session, rest]) => `/v1/sessions/${session}${rest}`),
    },
    { weight: 1, arbitrary: fc.webPath().map((path) => `/v1${path}`) },
  );
  const request = fc.record({
    method: fc.constantFrom('POST', 'POST', 'POST', 'POST', 'PUT', 'PUT', 'GET'),
    url,
    value: fields,
    payload: fc.option(noise, { freq: 2 }),
    type: fc.oneof(
      { weight: 8, arbitrary: fc.constant(TYPES[0]) },
      { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
    ),
    accept: fc.constantFrom('application/json', 'text/event-stream', '*/*'),
  });
  const seen = new Map<number, number>();
  const check = async ({ method, url, value, payload, type, accept }: Asked) => {
    const headers = { 'content-type': type ?? '', accept };
    const sends = method !== 'GET' && { payload: payload ?? fitted(url, value) };
    const answer = await app.inject({ method, url, headers, ...sends } as InjectOptions);
    seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1);
    const kind = Math.floor(answer.statusCode / 100);
    if (kind !== 2 && kind !== 4) throw new Error(`${answer.statusCode}: ${answer.body}`);
    if (kind === 2 && answer.body.includes('event: error')) throw new Error(answer.body);
    if (kind === 4) t.regex(answer.json().error.code, /^[A-Z_]+$/);
    if (kind === 4) t.regex(answer.json().error.message, /^Expected .*, got .*$/su);
  };
  await fc.assert(fc.asyncProperty(request, check), { numRuns: RUNS, seed: 20_261_124, endOnFailure: true });
  for (const status of [200, 201, 400, 404, 413, 415, 422, 429]) t.true((seen.get(status) ?? 0) > 0, `${status}`);
  t.is((await app.inject('/readyz')).statusCode, 200);
  t.is((await app.inject(`/v1/sessions/${id}`)).statusCode, 200);
  t.is((await app.inject({ method: 'POST', url: '/v1/score', payload: { text: 'the' } })).statusCode, 200);
});
