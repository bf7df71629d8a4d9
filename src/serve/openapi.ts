/**
 * `/openapi.json`: OpenAPI 3.1, made from the routes and from the schemas that validate.
 * Refuses to do: saying anything that is not in them.
 */
import { z } from 'zod';
import { version } from '../cli/version.js';
import type { Route } from './routes/route.js';
import { ANSWERS } from './schemas.js';
import type { Service } from './service.js';

/** Every route may answer with these. */
const ALWAYS = [503];
const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request is not what the schema or the model expects',
  401: 'The bearer token is missing or another one',
  404: 'There is no such session, or it has expired',
  413: 'The body is larger than the limit',
  415: 'The body is not application/json',
  422: 'The state is not one of this model, or damaged',
  429: 'Too many requests, or too many sessions; see retry-after',
  503: 'Too much to do, not ready yet, or about to end; see retry-after',
};

type Json = Record<string, unknown>;

/** Inputs keep their defaults optional. */
function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' }) as Json;
  return rest;
}

const problem = { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } };

function responses(route: Route, secured: boolean): Json {
  const refuses = [...(route.refuses ?? []), 429, ...ALWAYS, ...(secured ? [401] : [])];
  if (route.body !== undefined) refuses.push(400, 413, 415);
  const success = {
    description: route.answer === undefined ? 'Done' : 'The answer',
    ...(route.answer !== undefined && {
      content: {
        'application/json': { schema: jsonSchema(route.answer) },
        ...(route.streams && {
          'text/event-stream': {
            schema: { type: 'string', description: 'events token { token, text }, then done, or error' },
          },
        }),
      },
    }),
  };
  const all: Json = { [route.status ?? 200]: success };
  for (const status of refuses.sort((a, b) => a - b)) {
    all[status] = { description: MEANINGS[status], content: problem };
  }
  return all;
}

function operation(service: Service, route: Route, secured: boolean): Json {
  const id = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };
  const schema = route.body?.(service);
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(route.path.includes(':id') && { parameters: [id] }),
    ...(schema !== undefined && {
      requestBody: {
        required: !schema.safeParse({}).success,
        content: { 'application/json': { schema: jsonSchema(schema) } },
      },
    }),
    responses: responses(route, secured),
  };
}

/** Health needs no token. */
function healthPaths(prefix: string): Record<string, Json> {
  const content = { 'application/json': { schema: jsonSchema(ANSWERS.health) } };
  const path = (operationId: string, summary: string, responses: Json) => ({
    get: { operationId, summary, security: [], responses },
  });
  const ok = { description: 'Yes', content };
  return {
    [`${prefix}/healthz`]: path('health', 'Whether the process answers', { 200: ok }),
    [`${prefix}/readyz`]: path('ready', 'Whether requests are taken', { 200: ok, 503: { description: 'No', content } }),
  };
}

/**
 * The document.
 *
 * @param prefix - under which the routes are mounted
 */
export function openApi(service: Service, routes: readonly Route[], prefix: string): Json {
  const secured = service.settings.tokens.length > 0;
  const paths = healthPaths(prefix);
  for (const route of routes) {
    const path = `${prefix}${route.path.replace(':id', '{id}')}`;
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(service, route, secured);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'timernn', version: version(), description: 'A recurrent language model behind HTTP' },
    paths,
    components: {
      schemas: { Problem: jsonSchema(ANSWERS.problem) },
      ...(secured && { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } }),
    },
    ...(secured && { security: [{ bearer: [] }] }),
  };
}
