/** A service of its own on a real socket, with a fake predictor; and how a client asks it. */
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { type RunningServer, startServer } from '#src/serve/server.js';
import { FakePredictor } from './fake.js';

export interface Own {
  server: RunningServer;
  predictor: FakePredictor;
  port: number;
}

export async function listen(t: ExecutionContext, more: object = {}, timeouts: object = {}): Promise<Own> {
  const predictor = new FakePredictor();
  const server = await startServer({
    service: { predictor, metrics: false, ...more },
    host: '127.0.0.1',
    port: 0,
    logLevel: 'silent',
    requestTimeout: 30,
    connectionTimeout: 120,
    ...timeouts,
  });
  t.teardown(async () => {
    predictor.open();
    await server.close();
  });
  return { server, predictor, port: (server.app.server.address() as AddressInfo).port };
}

export const post = (url: string, body: object, signal?: AbortSignal) =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...(signal && { signal }),
  });
