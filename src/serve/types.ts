/** The public types of the service; their checks live in `options.ts`. */
import type { Registry } from 'prom-client';
import type { PredictorOptions } from '../sessions/types.js';
import type { ServedModel, ServedPredictor } from './engine.js';

/** What one client, and all of them together, may ask for. */
export interface ServiceLimits {
  /** Bytes of a request's body. A session's state travels in a body, too. @default 1,048,576 */
  bodyLimit?: number;
  /** Characters (UTF-16 units) of one text. @default 65,536 */
  maxText?: number;
  /** Tokens that one request may have read, its context included. @default 16,384 */
  maxTokens?: number;
  /** Tokens that one request may have generated. @default 4,096 */
  maxLength?: number;
  /** Most likely tokens that one answer may list. @default 1,000 */
  maxTopK?: number;
  /** Sessions at a time; one more is refused with 429, and none is thrown out for it. @default 10,000 */
  maxSessions?: number;
  /** Seconds without a request after which a session is gone. @default 1,800 */
  sessionTtl?: number;
  /** Requests that may wait for their turn in one session. @default 64 */
  maxWaiting?: number;
  /** Requests that may be at work at the same time; one more is answered with 503. @default 4,096 */
  maxConcurrent?: number;
  /** Requests a second of one client (its address; a /64 of IPv6), on average. 0 sets no limit. @default 0 */
  rateLimit?: number;
  /** Requests that a client which was quiet may send at once. @default twice the `rateLimit`, at least 1 */
  rateBurst?: number;
  /** Seconds that running requests have to end when the service closes; then they are told to stop. @default 10 */
  drainTimeout?: number;
}

/** What the plugin of `timernn/fastify` takes, besides Fastify's own `prefix` and `logLevel`. */
export interface ServiceOptions {
  /** The model; the service packs it when it starts and frees it when it closes. Either this or `predictor`. */
  model?: ServedModel;
  /** How a `model` is packed. */
  predictorOptions?: PredictorOptions;
  /**
   * A predictor that is packed already, or is about to be: until then `/readyz` and the routes of the model answer with
   * 503. It stays its owner's to close.
   */
  predictor?: ServedPredictor | Promise<ServedPredictor>;
  /**
   * The bearer token that all routes but `/healthz` and `/readyz` ask for; several while one takes the place of another.
   * At least 16 characters each.
   * @default none: every request is welcome
   */
  token?: string | readonly string[];
  /** Limits. */
  limits?: ServiceLimits;
  /**
   * Whether there is `/metrics`, which needs the package prom-client; or the registry to put them into: one for each mount.
   * @default true
   */
  metrics?: boolean | Registry;
  /** Milliseconds on a clock that only goes forward, for tests. @default performance.now */
  now?: () => number;
}
