/**
 * Turns what a schema found into one sentence.
 * Refuses to do: the schema (see `schema.ts`).
 */
import { z } from 'zod';
import { describe } from '../errors.js';

/** `model.layers[0].size`. */
function placeOf(path: readonly PropertyKey[]): string {
  const keys = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`));
  return keys.join('').replace(/^\./, '') || 'the recipe';
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((from, key) => (from as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/** A union reports the misses of all its members; the one that got furthest into the value is what the person meant. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.flat().filter((one) => one.path.length > 0 || one.code === 'unrecognized_keys');
  const found =
    inner.find((one) => one.path.length > 0 && one.path[0] !== 'name') ??
    inner.find((one) => one.code === 'unrecognized_keys');
  return found === undefined ? issue : { ...found, path: [...issue.path, ...found.path], message: found.message };
}

/** The fields that an object of plain shape may have, on the way down from a recipe; undefined for one of several shapes. */
function fieldsAt(root: unknown, path: readonly PropertyKey[]): string[] | undefined {
  let from = root;
  for (const key of path) {
    while (from instanceof z.ZodOptional || from instanceof z.ZodNullable || from instanceof z.ZodDefault)
      from = from.unwrap();
    if (!(from instanceof z.ZodObject)) return undefined;
    from = (from.shape as Record<PropertyKey, unknown>)[key];
  }
  while (from instanceof z.ZodOptional || from instanceof z.ZodNullable || from instanceof z.ZodDefault)
    from = from.unwrap();
  return from instanceof z.ZodObject ? Object.keys(from.shape) : undefined;
}

/**
 * What is wrong with a value, in a sentence that names the field, what was expected and what came.
 *
 * @param issues - what the schema found; its messages are what was expected
 * @param root - the schema of the whole, for the names of the fields that exist
 */
export function refusal(issues: readonly z.core.$ZodIssue[], value: unknown, root: unknown): string {
  // A misspelt field is missing too: its own name says more than that of the one that is not there.
  const first = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  const issue = deepest(first);
  const place = placeOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const names = fieldsAt(root, issue.path);
    const which = names === undefined ? 'only fields that exist' : `only the fields ${names.join(', ')}`;
    return `Expected ${place} to have ${which}, got ${issue.keys.map((key) => describe(key)).join(', ')}`;
  }
  const isOurs = !/^(Invalid|Too|Expected|Unrecognized)\b/.test(issue.message);
  const what = isOurs
    ? issue.message
    : issue.code === 'invalid_type' && issue.expected === 'number'
      ? 'a number'
      : 'an object';
  return `Expected ${place} to be ${what}, got ${describe(at(value, issue.path))}`;
}
