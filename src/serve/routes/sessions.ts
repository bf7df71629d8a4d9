/**
 * `/v1/sessions`: states that the service keeps for its clients, and hands out for them to keep.
 * Refuses to do: telling which sessions there are. An id is what gives access to one.
 */
import type { z } from 'zod';
import { TimeRNNError } from '../../errors.js';
import type { ServedSession } from '../engine.js';
import { finite, nextAnswer, tokenId, tokensOf } from '../input.js';
import { HttpProblem } from '../problem.js';
import { ANSWERS } from '../schemas.js';
import type { Service } from '../service.js';
import { type Call, route } from './route.js';

type OpenBody = z.infer<Service['bodies']['open']>;
type StepBody = z.infer<Service['bodies']['step']>;
type StateBody = z.infer<Service['bodies']['state']>;

/** A state from its text. Two texts never mean the same bytes: what is not canonical is refused. */
function stateBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') === text) return new Uint8Array(bytes);
  throw new TimeRNNError('ERR_TIMERNN_STATE', 'Expected state to be base64url without padding, got another text');
}

const stateText = (state: Uint8Array): string =>
  Buffer.from(state.buffer, state.byteOffset, state.byteLength).toString('base64url');

function opened({ sessions }: Service, open: () => ServedSession) {
  const { id, session } = sessions.add(open);
  return { id, position: session.position, expiresIn: sessions.ttl };
}

function stepTokens({ predictor, settings }: Service, { token, text, tokens }: StepBody): Uint32Array {
  if (token !== undefined) return Uint32Array.of(tokenId(predictor.vocabulary, token, 'token'));
  const name = text === undefined ? 'tokens' : 'text';
  const found = tokensOf(predictor.vocabulary, (text ?? tokens)!, name, settings.limits.maxTokens);
  if (found.length > 0) return found;
  throw new HttpProblem(400, 'INVALID_REQUEST', `Expected ${name} to have at least one token, got none`);
}

/** Reads the tokens; one trip to the predictor where one is enough. */
async function readAndTell(
  session: ServedSession,
  tokens: Uint32Array,
  body: StepBody,
  topK: number,
  signal: AbortSignal,
) {
  if (!body.surprise && tokens.length === 1 && topK > 0)
    return { next: await session.step(tokens[0]!, { topK, signal }) };
  // Asked for at once, so that the predictor has both: requests of one session run in order.
  const reading = body.surprise ? session.score(tokens, { signal }) : session.observe(tokens, { signal });
  const telling = topK > 0 ? session.probabilities({ topK, signal }) : undefined;
  // Both have to be over before the next request has its turn, also where one of them fails.
  const [logs, next] = await Promise.allSettled([reading, telling]);
  if (logs.status === 'rejected') throw logs.reason;
  if (next.status === 'rejected') throw next.reason;
  return { logs: logs.value ?? undefined, next: next.value };
}

async function runStep(service: Service, { id, body, signal }: Call<StepBody>) {
  const { vocabulary } = service.predictor;
  const tokens = stepTokens(service, body);
  const topK = Math.min(body.topK, vocabulary.size);
  return service.sessions.use(id, signal, async (session) => {
    const { logs, next } = await readAndTell(session, tokens, body, topK, signal);
    return {
      position: session.position,
      ...(next !== undefined && { next: nextAnswer(vocabulary, next) }),
      ...(logs !== undefined && { surprise: Array.from(logs, (log) => finite(-log, 'surprise')) }),
    };
  });
}

/** The routes of sessions. */
export const sessions = [
  route<OpenBody>({
    method: 'POST',
    path: '/v1/sessions',
    operation: 'openSession',
    summary: 'A new session, from nothing or from a state',
    body: ({ bodies }) => bodies.open as z.ZodType<OpenBody>,
    status: 201,
    answer: ANSWERS.session,
    refuses: [422],
    run: (service, { body }) => {
      const { predictor } = service;
      return opened(service, () =>
        predictor.session(body.state === undefined ? {} : { state: stateBytes(body.state) }),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sessions/:id',
    operation: 'getSession',
    summary: 'How far a session has read',
    answer: ANSWERS.session,
    refuses: [404],
    run: ({ sessions }, { id, signal }) =>
      sessions.use(id, signal, ({ position }) => ({ id, position, expiresIn: sessions.ttl })),
  }),
  route<StepBody>({
    method: 'POST',
    path: '/v1/sessions/:id/step',
    operation: 'step',
    summary: 'Reads tokens; tells the most likely next ones, and how surprising those were',
    body: ({ bodies }) => bodies.step as z.ZodType<StepBody>,
    answer: ANSWERS.step,
    refuses: [404, 422],
    run: runStep,
  }),
  route({
    method: 'GET',
    path: '/v1/sessions/:id/state',
    operation: 'getState',
    summary: 'The state of a session, to go on from it later, here or in another process',
    answer: ANSWERS.state,
    refuses: [404],
    run: ({ sessions }, { id, signal }) =>
      sessions.use(id, signal, (session) => ({ state: stateText(session.state), position: session.position })),
  }),
  route<StateBody>({
    method: 'PUT',
    path: '/v1/sessions/:id/state',
    operation: 'putState',
    summary: 'Sets a session to a state',
    body: ({ bodies }) => bodies.state as z.ZodType<StateBody>,
    answer: ANSWERS.position,
    refuses: [404, 422],
    run: ({ sessions }, { id, body, signal }) =>
      sessions.use(id, signal, (session) => {
        session.state = stateBytes(body.state);
        return { position: session.position };
      }),
  }),
  route({
    method: 'POST',
    path: '/v1/sessions/:id/fork',
    operation: 'forkSession',
    summary: 'A second session that has read the same',
    body: ({ bodies }) => bodies.nothing,
    status: 201,
    answer: ANSWERS.session,
    refuses: [404],
    run: (service, { id, signal }) =>
      service.sessions.use(id, signal, (session) => opened(service, () => session.fork())),
  }),
  route({
    method: 'DELETE',
    path: '/v1/sessions/:id',
    operation: 'deleteSession',
    summary: 'Ends a session',
    status: 204,
    refuses: [404],
    run: ({ sessions }, { id }) => sessions.delete(id),
  }),
];
