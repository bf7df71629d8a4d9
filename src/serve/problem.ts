/**
 * What went wrong, as an answer: a status, a code and one sentence.
 * Refuses to do: telling a client what happened inside. An error that nobody planned for is `INTERNAL` and goes to the log.
 */
import { describe, fromForeign, TimeRNNError } from '../errors.js';

/** The body of every answer that is not a success. */
export interface ProblemBody {
  error: { code: string; message: string };
}

/** An answer that is not a success. */
export interface ProblemAnswer {
  status: number;
  body: ProblemBody;
  /** Seconds after which it is worth another try. */
  retryAfter?: number;
}

/** A refusal that the service itself decides on. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  readonly code: string;
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Nobody reads this one: the client has gone. The number is the one that nginx made known. */
export const CLIENT_GONE = new HttpProblem(499, 'CLIENT_CLOSED_REQUEST', 'The client closed the connection');

/** Which of the library's errors are the client's doing, or pass by themselves. All others are ours. */
const LIBRARY: Readonly<Record<string, number>> = {
  ERR_TIMERNN_OPTION: 400,
  ERR_TIMERNN_TOKEN: 400,
  ERR_TIMERNN_VOCABULARY: 400,
  ERR_TIMERNN_STATE: 422,
  ERR_TIMERNN_BUSY: 409,
  // A forged state with huge numbers leads here: the sums overflow.
  ERR_TIMERNN_NOT_FINITE: 422,
  ERR_TIMERNN_OVERLOADED: 503,
  ERR_TIMERNN_CLOSED: 503,
};

const CODES: Readonly<Record<number, string>> = {
  400: 'INVALID_REQUEST',
  404: 'NOT_FOUND',
  413: 'BODY_TOO_LARGE',
  414: 'URL_TOO_LONG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
};

interface FromFastify {
  code?: unknown;
  statusCode?: unknown;
}

/** What Fastify found wrong before a route was asked: the body's size, type or syntax. */
function fromFastify(error: Error, contentType: unknown): ProblemAnswer | undefined {
  const { code, statusCode } = error as FromFastify;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  const said = error.message.replace(/\.$/, '');
  const messages: Record<string, string> = {
    FST_ERR_CTP_BODY_TOO_LARGE: 'Expected a smaller body, got one beyond the limit of this service',
    FST_ERR_CTP_INVALID_MEDIA_TYPE: `Expected content-type to be application/json, got ${describe(contentType)}`,
    FST_ERR_CTP_EMPTY_JSON_BODY: 'Expected the body to be JSON, got an empty one',
    FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'Expected as many bytes as content-length says, got another number',
  };
  const message = messages[String(code)] ?? `Expected the body to be JSON, got a mistake in it: ${said}`;
  return { status: statusCode, body: { error: { code: CODES[statusCode] ?? CODES[400]!, message } } };
}

/**
 * The answer to any error.
 *
 * @param contentType - of the request, for the message
 */
export function problemAnswer(thrown: unknown, contentType?: unknown): ProblemAnswer {
  const error = fromForeign(thrown);
  if (error instanceof HttpProblem) {
    const { status, code, message, retryAfter } = error;
    return { status, body: { error: { code, message } }, ...(retryAfter !== undefined && { retryAfter }) };
  }
  const status = error instanceof TimeRNNError ? LIBRARY[error.code] : undefined;
  if (error instanceof TimeRNNError && status !== undefined) {
    const { code, message } = error;
    return { status, body: { error: { code, message } }, ...(status === 503 && { retryAfter: 1 }) };
  }
  const known = error instanceof Error ? fromFastify(error, contentType) : undefined;
  return (
    known ?? { status: 500, body: { error: { code: 'INTERNAL', message: 'Something went wrong in the service' } } }
  );
}
