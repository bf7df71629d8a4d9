/**
 * The Fastify plugin: hooks and routes around a service. All of it is encapsulated, so an app may mount several.
 * Refuses to do: anything to the rest of the app; timeouts of connections and the signal that ends the process are the app's.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { bearerGate } from './auth.js';
import { createMetrics, type Metrics } from './metrics.js';
import { openApi } from './openapi.js';
import { resolveOptions } from './options.js';
import { CLIENT_GONE, HttpProblem, problemAnswer } from './problem.js';
import { RateLimit } from './rate-limit.js';
import { routes } from './routes/index.js';
import type { Route } from './routes/route.js';
import { Service } from './service.js';
import type { ServiceOptions } from './types.js';
import { parse } from './validation.js';
import { draining } from './work.js';

const refuse = (message: string) => new HttpProblem(400, 'INVALID_REQUEST', message);
const GONE = CLIENT_GONE.status;

/** Answers with a problem; what is our own fault goes to the log and stays there. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, body, retryAfter } = problemAnswer(error, request.headers['content-type']);
  if (status === 500) request.log.error({ err: error }, 'request failed');
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  // The rest of a body that was not read would be taken for the next request.
  if (status === 413) reply.header('connection', 'close');
  return reply.code(status).type('application/json; charset=utf-8').send(body);
}

/** The path is not repeated: it may hold the id of a session. */
export function noSuchRoute(method: string): HttpProblem {
  return new HttpProblem(
    404,
    'NOT_FOUND',
    `Expected a method and path of /openapi.json, got ${method} of something else`,
  );
}

function handler(service: Service, route: Route) {
  const schema = route.body?.(service);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const job = service.work.begin(reply.raw);
    let leaves = false;
    try {
      // Before the body is looked at: a model that is not there has no use for it.
      void service.predictor;
      const body = schema && parse(schema, request.body === undefined ? {} : request.body, 'the body', refuse);
      const { id = '' } = (request.params ?? {}) as { id?: string };
      const answer = await route.run(service, { body, id, signal: job.signal, job, request, reply });
      leaves = answer instanceof Readable;
      reply.code(route.status ?? 200);
      return answer === undefined ? reply.send() : answer;
    } finally {
      // A stream goes on, and ends its job itself.
      if (!leaves) job.end();
    }
  };
}

/** Health and description: they answer before the model is there, and while the service ends. */
function addFixedRoutes(
  app: FastifyInstance,
  service: Service,
  metrics: Metrics | undefined,
  known: Set<string>,
): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const status = service.readiness;
    if (status !== 'ready') reply.code(503).header('retry-after', '1');
    return { status };
  });
  const document = openApi(service, routes, app.prefix);
  app.get('/openapi.json', () => document);
  if (metrics !== undefined) {
    app.get('/metrics', async (_request, reply) => {
      const { type, text } = await metrics.read();
      return reply.type(type).send(text);
    });
  }
  for (const open of ['/healthz', '/readyz']) known.add(`${app.prefix}${open}`);
}

function addHooks(
  app: FastifyInstance,
  service: Service,
  metrics: Metrics | undefined,
  open: ReadonlySet<string>,
): void {
  const { tokens, limits, now } = service.settings;
  const gate = bearerGate(tokens);
  const rate = limits.rateLimit > 0 ? new RateLimit(limits.rateLimit, limits.rateBurst, now) : undefined;
  // Hooks with a callback: a promise for each of them would cost a request more than all that they do.
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      admit(request);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  const admit = (request: FastifyRequest) => {
    const { url = '' } = request.routeOptions;
    if (open.has(url)) return;
    rate?.take(request.ip);
    gate?.(request.headers.authorization);
    // Before the body is read. What is about the service itself is answered to the end.
    if (service.work.isDraining && url.startsWith(`${app.prefix}/v1/`)) throw draining();
  };
  if (metrics === undefined) return;
  const count = (request: FastifyRequest, status: number, seconds: number) =>
    metrics.observe(request.method, request.routeOptions.url ?? 'unknown', status, seconds);
  app.addHook('onResponse', (request, reply, done) => {
    count(request, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  app.addHook('onRequestAbort', async (request) => count(request, GONE, 0));
}

/** What runs when the app closes is finished, or told to stop when its time is over; then connections are let go. */
function addEnd(app: FastifyInstance, service: Service, metrics: Metrics | undefined): void {
  app.addHook('preClose', (done) => {
    // Not waited for: the server's own close does that, and a hook has but the app's pluginTimeout.
    void service.drain();
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (service.work.isDraining) reply.header('connection', 'close');
    done();
  });
  app.addHook('onResponse', (_request, _reply, done) => {
    // An event stream had its headers long ago: its connection would be kept alive, and the server open.
    if (service.work.isDraining) setImmediate(() => app.server.closeIdleConnections());
    done();
  });
  app.addHook('onClose', async () => {
    metrics?.close();
    await service.close();
  });
}

/**
 * A service as a Fastify plugin: `app.register(timernn, { model, prefix: '/whale' })`.
 *
 * With a `model` the app is ready when the model is packed, and `app.close()` frees it. While it closes, what runs is
 * finished and what comes is refused.
 *
 * @throws ERR_TIMERNN_OPTION, and what keeps the model from being packed
 * @example
 * ```ts
 * import Fastify from 'fastify';
 * import { Corpus, LanguageModel } from 'timernn';
 * import timernn from 'timernn/fastify';
 * const { vocabulary } = Corpus.fromText('the white whale', { unit: 'char' });
 * const model = new LanguageModel({ vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 16 }] });
 * const app = Fastify();
 * await app.register(timernn, { model, prefix: '/whale', metrics: false });
 * const answer = await app.inject({ method: 'POST', url: '/whale/v1/next', payload: { text: 'the ' } });
 * console.log(answer.json());
 * await app.close();
 * ```
 */
export async function timernn(app: FastifyInstance, options: ServiceOptions): Promise<void> {
  const settings = resolveOptions(options);
  const service = new Service(settings);
  await mount(app, service);
}

/** JSON as Fastify reads it by default, but for an empty body, which is none: many clients send the header with every request. */
function addJsonParser(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  if (app.hasContentTypeParser('application/json')) app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else parseJson(request, body as string, done);
  });
}

/** The plugin around a service that is there already. */
export async function mount(app: FastifyInstance, service: Service): Promise<void> {
  const { settings } = service;
  try {
    const metrics = await createMetrics(service, settings.metrics);
    const open = new Set<string>();
    if (app.hasContentTypeParser('text/plain')) app.removeContentTypeParser('text/plain');
    addJsonParser(app);
    app.setErrorHandler(sendProblem);
    // Without a prefix the other paths are the app's own.
    if (app.prefix !== '') {
      app.setNotFoundHandler((request, reply) => sendProblem(noSuchRoute(request.method), request, reply));
    }
    addHooks(app, service, metrics, open);
    addEnd(app, service, metrics);
    addFixedRoutes(app, service, metrics, open);
    for (const route of routes) {
      const { method, path: url } = route;
      // What describes routes for the whole app finds them in /openapi.json.
      const schema = { hide: true } as object;
      app.route({ method, url, bodyLimit: settings.limits.bodyLimit, schema, handler: handler(service, route) });
    }
    if (settings.model !== undefined) await service.packed();
    // A predictor that is still on its way: requests say only that it did not come, the log says why.
    else service.packed().catch((error: unknown) => app.log.error({ err: error }, 'the predictor did not come'));
  } catch (error) {
    await service.close();
    throw error;
  }
}
