/** Tables of what is refused: one test for each row. */
import test from 'ava';

/** A call and the whole message it is refused with. */
export type Refused = [what: string, call: () => unknown, message: string];

export function refuses(code: string, cases: readonly Refused[]): void {
  for (const [what, call, message] of cases) {
    test(`${code}: ${what}`, (t) => {
      t.throws(call, { name: 'TimeRNNError', code, message });
    });
  }
}

/** A value that TypeScript would not let through, for callers that do not use it. */
export function untyped(value: unknown): never {
  return value as never;
}
