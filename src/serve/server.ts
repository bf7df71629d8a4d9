/**
 * A service of its own, as `timernn serve` runs it: a Fastify app with one model, timeouts against slow senders, and an end in
 * good order. Refuses to do: signals and the terminal (see `cli/commands/serve.ts`).
 */
import { STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { describe, TimeRNNError } from '../errors.js';
import { resolveOptions } from './options.js';
import { mount, noSuchRoute, sendProblem } from './plugin.js';
import { Service } from './service.js';
import type { ServiceOptions } from './types.js';

/** How a service of its own listens. */
export interface ServerOptions {
  service: ServiceOptions;
  host: string;
  port: number;
  /** Of pino, or `silent`. */
  logLevel: string;
  /** Addresses of proxies whose `x-forwarded-for` is believed. */
  trustProxy?: string;
  /** Seconds in which a request, headers and body, has to arrive. */
  requestTimeout: number;
  /** Seconds after which a connection on which nothing moves is closed. */
  connectionTimeout: number;
}

/** A service that listens. */
export interface RunningServer {
  readonly app: FastifyInstance;
  readonly url: string;
  /** Takes no more requests, ends what runs within the drain timeout, and closes. */
  close(): Promise<void>;
}

/** Seconds: a client sends its headers at once. */
const HEADERS_TIMEOUT = 10;
/** Milliseconds that a socket has to take what is left when everything else is over. */
const LAST_WORDS_MS = 1_000;

/** What the HTTP parser could not read. */
const BROKEN: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'REQUEST_TIMEOUT', 'Expected the request to arrive in time, got a part of it'],
  HPE_HEADER_OVERFLOW: [
    431,
    'HEADERS_TOO_LARGE',
    'Expected smaller headers, got some beyond the limit of this service',
  ],
};

function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (socket.destroyed || error.code === 'ECONNRESET') return;
  const other = [400, 'INVALID_REQUEST', 'Expected a request in HTTP, got something else'] as const;
  const [status, code, message] = BROKEN[error.code ?? ''] ?? other;
  const body = JSON.stringify({ error: { code, message } });
  // Bytes that were written may be half of an answer, which must not go on as if this belonged to it.
  if (socket.writable && socket.bytesWritten === 0) {
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8`;
    socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
  socket.destroySoon();
}

/** @throws ERR_TIMERNN_OPTION where the packages that serving needs are not installed */
export async function loadFastify(load = () => import('fastify')) {
  try {
    return (await load()).default;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message = 'Expected fastify and prom-client to be installed, got none: npm install fastify@5 prom-client@15';
    throw new TimeRNNError('ERR_TIMERNN_OPTION', message, { cause });
  }
}

/** Fastify reads the addresses when it is made. */
function withTrust<T>(trustProxy: string | undefined, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (trustProxy === undefined || !(cause instanceof TypeError)) throw cause;
    const message = `Expected trustProxy to be IP addresses or ranges, separated by commas, got ${describe(trustProxy)}`;
    throw new TimeRNNError('ERR_TIMERNN_OPTION', message, { cause });
  }
}

async function createApp(options: ServerOptions): Promise<FastifyInstance> {
  const fastify = await loadFastify();
  const { logLevel, trustProxy, requestTimeout, connectionTimeout } = options;
  // The pattern of a URL and not the URL: the id of a session is what gives access to it.
  const req = ({ method, routeOptions, ip }: { method: string; routeOptions?: { url?: string }; ip: string }) => ({
    method,
    route: routeOptions?.url,
    ip,
  });
  const made = () =>
    fastify({
      logger: { level: logLevel, serializers: { req: req as never } },
      requestTimeout: requestTimeout * 1000,
      connectionTimeout: connectionTimeout * 1000,
      http: {
        headersTimeout: Math.min(HEADERS_TIMEOUT, requestTimeout) * 1000,
        connectionsCheckingInterval: Math.min(2, requestTimeout / 4) * 1000,
      },
      ...(trustProxy !== undefined && { trustProxy }),
      return503OnClosing: false,
      clientErrorHandler: answerBrokenRequest,
      frameworkErrors: (error, request, reply) => void sendProblem(error, request as never, reply as never),
    });
  const app = withTrust(trustProxy, made);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request, reply) => {
    return sendProblem(noSuchRoute(request.method), request, reply);
  });
  return app as unknown as FastifyInstance;
}

function urlOf({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}

/**
 * Starts to listen; the model may still be on its way.
 *
 * @throws ERR_TIMERNN_OPTION also where the address cannot be listened on
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const settings = resolveOptions(options.service);
  const app = await createApp(options);
  const service = new Service(settings);
  try {
    await app.register(async (scope) => mount(scope, service));
    await app.listen({ host: options.host, port: options.port });
  } catch (cause) {
    await app.close();
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    const message = `Cannot listen on ${options.host} port ${options.port}: ${code}`;
    throw new TimeRNNError('ERR_TIMERNN_OPTION', message, { cause });
  }
  const close = async () => {
    // Still listening, so that whoever asks hears that it is about to end, and not nothing.
    await service.drain();
    // Whoever still has a connection then does not read, or does not send.
    const timer = setTimeout(() => app.server.closeAllConnections(), LAST_WORDS_MS);
    await app.close();
    clearTimeout(timer);
  };
  return { app, url: urlOf(app.server.address() as AddressInfo), close };
}
