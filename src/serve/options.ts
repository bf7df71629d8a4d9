/**
 * Options of the service, checked. Refuses to do: defaults of the model's own options (see `sessions/`), but for the lanes.
 */
import type { Registry } from 'prom-client';
import { z } from 'zod';
import { TimeRNNError } from '../errors.js';
import { defaultLanes } from '../sessions/lanes.js';
import type { PredictorOptions } from '../sessions/types.js';
import type { ServedModel, ServedPredictor } from './engine.js';
import type { ServiceLimits, ServiceOptions } from './types.js';
import { parse } from './validation.js';

/** Limits, with what was left out filled in. */
export type Limits = Required<ServiceLimits>;

/** Options, with what was left out filled in. */
export interface Settings {
  model: ServedModel | undefined;
  predictor: ServedPredictor | Promise<ServedPredictor> | undefined;
  predictorOptions: PredictorOptions;
  tokens: readonly string[];
  limits: Limits;
  metrics: boolean | Registry;
  now: () => number;
}

/** Beyond this a body is no longer a request: it would stop the event loop while it is parsed. */
const LARGEST_BODY = 256 * 1024 * 1024;
const MOST = 2 ** 31 - 1;
/** Shorter ones can be guessed. The characters are those that a header may carry (RFC 6750). */
const TOKEN = /^[A-Za-z0-9\-._~+/]{16,}=*$/;

const count = z.int().min(1).max(MOST);
const limits = z.strictObject({
  bodyLimit: z.int().min(1).max(LARGEST_BODY).default(1_048_576),
  maxText: count.default(65_536),
  maxTokens: count.default(16_384),
  maxLength: count.default(4_096),
  maxTopK: count.default(1_000),
  maxSessions: count.default(10_000),
  sessionTtl: z.number().gt(0).max(MOST).default(1_800),
  maxWaiting: count.default(64),
  maxConcurrent: count.default(4_096),
  rateLimit: z.number().min(0).max(1e6).default(0),
  rateBurst: z.number().min(1).max(1e6).optional(),
  drainTimeout: z.number().min(0).max(86_400).default(10),
});

const token = z
  .string()
  .regex(TOKEN, { error: 'to have at least 16 letters, digits or -._~+/ (spaces cannot be sent)' });
const oneObject = (value: unknown) => typeof value === 'object' && value !== null;
const schema = z.strictObject({
  model: z
    .custom<ServedModel>((value) => oneObject(value) && typeof (value as ServedModel).predictor === 'function', {
      error: 'to be a LanguageModel',
    })
    .optional(),
  predictor: z.custom<NonNullable<ServiceOptions['predictor']>>(oneObject, { error: 'to be a Predictor' }).optional(),
  // Checked by the model.
  predictorOptions: z.custom<PredictorOptions>(oneObject, { error: 'to be an object' }).optional(),
  token: z
    .union([token, z.array(token).min(1)], {
      error: 'to be a string of at least 16 letters, digits or -._~+/, or an array of such',
    })
    .optional(),
  limits: limits.optional(),
  metrics: z
    .union([z.boolean(), z.custom<Registry>(oneObject)], { error: 'to be true, false or a Registry' })
    .optional(),
  now: z.custom<() => number>((value) => typeof value === 'function', { error: 'to be a function' }).optional(),
  // Fastify's own, which it hands on.
  prefix: z.string().optional(),
  logLevel: z.string().optional(),
  logSerializers: z.unknown().optional(),
});

/** Batches that a service runs at the same time unless it is told: one core is left to HTTP, which is the larger part of a short request. */
export const servedLanes = (): number => defaultLanes(1);

const refuse = (message: string) => new TimeRNNError('ERR_TIMERNN_OPTION', message);

/** A secret must not find its way into a message, and so into a log. */
function checkToken(value: unknown): void {
  const all = Array.isArray(value) ? value : [value];
  if (value === undefined || (all.length > 0 && all.every((one) => typeof one === 'string' && TOKEN.test(one)))) return;
  throw refuse('Expected token to have at least 16 letters, digits or -._~+/, got another value (which is not shown)');
}

/** @throws ERR_TIMERNN_OPTION */
export function resolveLimits(value: ServiceLimits | undefined): Limits {
  const checked = parse(limits as z.ZodType<z.infer<typeof limits>>, value ?? {}, 'limits', refuse);
  return { ...checked, rateBurst: checked.rateBurst ?? Math.max(1, 2 * checked.rateLimit) };
}

/** @throws ERR_TIMERNN_OPTION */
export function resolveOptions(value: ServiceOptions): Settings {
  if (typeof value === 'object' && value !== null && 'token' in value && value.token === undefined) {
    // Most likely a variable of the environment that is not set: that must not open the door.
    throw refuse('Expected token to be a string, got undefined; without the option the service asks for none');
  }
  checkToken((value as { token?: unknown } | null | undefined)?.token);
  const options = parse(schema as z.ZodType<z.infer<typeof schema>>, value, 'the options of timernn/fastify', refuse);
  if ((options.model === undefined) === (options.predictor === undefined)) {
    const got = options.model === undefined ? 'neither' : 'both';
    throw refuse(`Expected the options of timernn/fastify to have either a model or a predictor, got ${got}`);
  }
  if (options.predictor !== undefined && options.predictorOptions !== undefined) {
    throw refuse('Expected predictorOptions together with a model, got a predictor, which has its own');
  }
  return {
    model: options.model,
    predictor: options.predictor,
    predictorOptions: { ...options.predictorOptions, lanes: options.predictorOptions?.lanes ?? servedLanes() },
    tokens: options.token === undefined ? [] : [options.token].flat(),
    limits: resolveLimits(options.limits as ServiceLimits | undefined),
    metrics: options.metrics ?? true,
    now: options.now ?? (() => performance.now()),
  };
}
