/**
 * Bearer tokens. They are compared as hashes and in constant time, so that neither their length nor a common beginning can be
 * measured. Refuses to do: users and rights; whoever has a token may do everything.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { HttpProblem } from './problem.js';

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Throws unless a request may come in; undefined where everybody may. */
export type Gate = (authorization: string | undefined) => void;

/** @param tokens - any of them is good */
export function bearerGate(tokens: readonly string[]): Gate | undefined {
  if (tokens.length === 0) return undefined;
  const known = tokens.map(hash);
  return (authorization) => {
    const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    const candidate = hash(given ?? '');
    let matches = 0;
    // All of them, always: which one matched must not show in the time either.
    for (const one of known) matches += timingSafeEqual(one, candidate) ? 1 : 0;
    if (matches > 0 && given !== undefined) return;
    const got = authorization === undefined ? 'none' : 'another one';
    throw new HttpProblem(
      401,
      'UNAUTHORIZED',
      `Expected a header "authorization: Bearer …" with a valid token, got ${got}`,
    );
  };
}
