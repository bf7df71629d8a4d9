/**
 * `POST /v1/generate`: text from the model, whole or as server-sent events while it is made.
 * Refuses to do: generating ahead of a reader that is slow. Events wait for the socket.
 */
import { randomInt } from 'node:crypto';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { pieceMaker } from '../../models/generate.js';
import { contextOf, type TokenAnswer } from '../input.js';
import { CLIENT_GONE, problemAnswer } from '../problem.js';
import { ANSWERS } from '../schemas.js';
import type { Service } from '../service.js';
import { type Call, route } from './route.js';

type Body = z.infer<Service['bodies']['generate']>;

/** What ends a generation; the same whole and in events. */
interface Summary {
  length: number;
  seed: number;
  finishReason: 'length';
}

/** Drawn seeds stay below 2⁴⁸: the range of `randomInt`. */
const SEEDS = 2 ** 48 - 1;
/** Milliseconds that a reader has for the event that says why its stream ends. */
const LAST_WORDS_MS = 1000;

async function* pieces({ predictor, settings }: Service, body: Body, seed: number, signal: AbortSignal) {
  const { vocabulary } = predictor;
  const { length, temperature, topK, allowUnknown } = body;
  const source = body.prompt as string | unknown[] | undefined;
  const prompt = contextOf(vocabulary, source, 'prompt', settings.limits.maxTokens);
  const session = predictor.session();
  if (prompt.length > 0) await session.observe(prompt, { signal });
  const given = source !== undefined && source.length > 0;
  const piece = pieceMaker(vocabulary, given ? prompt.at(-1) : undefined);
  for await (const token of session.generate({ length, temperature, topK, seed, allowUnknown, signal })) {
    yield { token, text: piece(token) };
  }
}

const event = (name: string, data: object): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** The events of a generation. Once the first one is out the status is 200, so what goes wrong later is an event, too. */
async function* events(
  first: IteratorResult<TokenAnswer>,
  rest: AsyncGenerator<TokenAnswer>,
  summary: (length: number) => Summary,
  failed: (error: unknown) => void,
): AsyncGenerator<string> {
  let length = 0;
  try {
    for (let item = first; !item.done; item = await rest.next()) {
      length++;
      yield event('token', item.value);
    }
    yield event('done', summary(length));
  } catch (error) {
    failed(error);
    yield event('error', problemAnswer(error).body);
  } finally {
    await rest.return(undefined);
  }
}

async function stream({ job, request, reply }: Call<Body>, made: AsyncGenerator<TokenAnswer>, seed: number) {
  // What can be refused is refused before the first event: as a status.
  const first = await made.next();
  const summary = (length: number): Summary => ({ length, seed, finishReason: 'length' });
  const failed = (error: unknown) => {
    if (!job.signal.aborted) request.log.error({ err: error }, 'generation failed');
  };
  const source = Readable.from(events(first, made, summary, failed), { highWaterMark: 1 });
  // A stream that waits for its reader hears of nothing. Who is there yet is told why it ends, and has a moment to read that.
  const onAbort = () => {
    if (job.signal.reason === CLIENT_GONE) source.destroy();
    else setTimeout(() => source.destroy(), LAST_WORDS_MS).unref();
  };
  if (job.signal.aborted) onAbort();
  else job.signal.addEventListener('abort', onAbort, { once: true });
  source.once('close', () => {
    job.signal.removeEventListener('abort', onAbort);
    job.end();
    // Where nobody read, the events have not even begun, and end nothing.
    void made.return(undefined);
  });
  reply.header('content-type', 'text/event-stream; charset=utf-8').header('cache-control', 'no-cache');
  // nginx would otherwise collect the events.
  reply.header('x-accel-buffering', 'no');
  // Not the reply: awaited, that is its end, and what the handler returned then would be sent after it.
  return source;
}

async function run(service: Service, call: Call<Body>) {
  const seed = call.body.seed ?? randomInt(SEEDS);
  const made = pieces(service, call.body, seed, call.signal);
  const accepts = String(call.request.headers.accept ?? '').includes('text/event-stream');
  if (call.body.stream ?? accepts) return stream(call, made, seed);
  const tokens: number[] = [];
  let text = '';
  for await (const piece of made) {
    tokens.push(piece.token);
    text += piece.text;
  }
  return { text, tokens, length: tokens.length, seed, finishReason: 'length' };
}

/** Text from the model. */
export const generate = route<Body>({
  method: 'POST',
  path: '/v1/generate',
  operation: 'generate',
  summary: 'Text from the model; as server-sent events with "stream": true or accept: text/event-stream',
  body: ({ bodies }) => bodies.generate as z.ZodType<Body>,
  answer: ANSWERS.generate,
  streams: true,
  refuses: [422],
  run,
});
