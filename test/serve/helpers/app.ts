/** A Fastify app with the plugin in it, closed after the test; and what is asked of it most. */
import type { ExecutionContext } from 'ava';
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify';
import timernn, { type ServiceOptions } from 'timernn/fastify';
import { FakePredictor } from './fake.js';

export const TOKEN = 'correct-horse-battery-staple';

export interface Served {
  app: FastifyInstance;
  predictor: FakePredictor;
  post(url: string, payload?: object, more?: InjectOptions): Promise<LightMyRequestResponse>;
  get(url: string, more?: InjectOptions): Promise<LightMyRequestResponse>;
}

/** With a fake predictor, unless the options bring something else. */
export async function serve(
  t: ExecutionContext,
  options: Partial<ServiceOptions> & { prefix?: string } = {},
): Promise<Served> {
  const predictor = new FakePredictor();
  const app = Fastify({ return503OnClosing: false });
  t.teardown(async () => {
    predictor.open();
    await app.close();
  });
  const own = options.model === undefined && options.predictor === undefined ? { predictor } : {};
  await app.register(timernn, { ...own, ...options });
  await app.ready();
  return {
    app,
    predictor,
    post: (url, payload, more = {}) =>
      sent(app.inject({ method: 'POST', url, ...(payload !== undefined && { payload }), ...more })),
    get: (url, more = {}) => sent(app.inject({ method: 'GET', url, ...more })),
  };
}

/** An injected request is sent when somebody waits for it: here at once, so that requests go in the order of the test. */
const sent = (request: PromiseLike<LightMyRequestResponse>): Promise<LightMyRequestResponse> =>
  new Promise((done, failed) => request.then(done, failed));

/** Of a problem: its status and code, so that a failing test shows both. */
export const problem = (answer: LightMyRequestResponse): [number, string] => {
  const { error } = answer.json<{ error: { code: string; message: string } }>();
  return [answer.statusCode, error.code];
};

export const messageOf = (answer: LightMyRequestResponse): string =>
  answer.json<{ error: { message: string } }>().error.message;
