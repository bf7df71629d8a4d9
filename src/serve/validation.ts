/**
 * Values against zod schemas, with messages in the words of this library.
 * Refuses to do: changing a value to make it fit. Nothing is coerced, and fields that do not exist are refused.
 */
import type { z } from 'zod';
import { describe } from '../errors.js';

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
};

/** `tokens[3]`; the name of the whole where the path is empty. */
function placeOf(path: readonly PropertyKey[], whole: string): string {
  const keys = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return keys.join('').replace(/^\./, '') || whole;
}

/** `at most 5 characters`, with what is counted. */
function bound(origin: string, edge: string): string {
  if (origin === 'string') return `to have ${edge} characters`;
  if (origin === 'array') return `to have ${edge} entries`;
  return `to be ${edge}`;
}

function expectation(issue: z.core.$ZodIssue, fields: readonly string[]): string {
  switch (issue.code) {
    case 'invalid_type':
      return `to be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'too_big':
      return bound(issue.origin, `${issue.inclusive === false ? 'below' : 'at most'} ${issue.maximum}`);
    case 'too_small':
      return bound(issue.origin, `${issue.inclusive === false ? 'above' : 'at least'} ${issue.minimum}`);
    case 'invalid_value':
      return `to be ${issue.values.map((value) => describe(value)).join(' or ')}`;
    case 'unrecognized_keys':
      return fields.length === 0 ? 'to have no fields' : `to have only the fields ${fields.join(', ')}`;
    default:
      // A phrase of the schema itself.
      return issue.message;
  }
}

/** A string or an array that is too long is told by its length: it is never repeated. */
function gotOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'unrecognized_keys') return describe(issue.keys[0]);
  const got = issue.path.reduce<unknown>(
    (from, key) => (from as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
  const sized = issue.code === 'too_big' || issue.code === 'too_small';
  if (sized && (typeof got === 'string' || Array.isArray(got))) return String(got.length);
  if (issue.code === 'custom' && issue.path.length === 0) {
    const fields = Object.keys((got ?? {}) as object).map((key) => describe(key));
    return fields.length === 0 ? 'no fields' : fields.slice(0, 8).join(', ');
  }
  return got === undefined ? 'nothing' : describe(got);
}

/**
 * Checks a value.
 *
 * @param whole - what the value is called
 * @param refuse - makes the error of the message
 */
export function parse<T>(schema: z.ZodType<T>, value: unknown, whole: string, refuse: (message: string) => Error): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const { shape } = schema as { shape?: Record<string, { shape?: object; unwrap?: () => { shape?: object } }> };
  const key = issue.path.at(-1);
  const inner = key === undefined ? shape : (shape?.[String(key)]?.unwrap?.().shape ?? shape?.[String(key)]?.shape);
  const phrase = expectation(issue, Object.keys(inner ?? {}));
  throw refuse(`Expected ${placeOf(issue.path, whole)} ${phrase}, got ${gotOf(issue, value)}`);
}
