/**
 * Options that check themselves. A message names the option as it was typed: `--streams: expected a positive integer,
 * got "abc"`. What an option means is checked by the library; here only that the text is a number, a choice, a range.
 */
import { Option } from 'commander';
import { UsageError } from './failures.js';

interface Range {
  min?: number;
  max?: number;
  /** The value shown in the help and used where the option is left out. */
  default?: number;
}

const longName = (flags: string): string => /--[a-z-]+/.exec(flags)?.[0] ?? flags;

function fail(flags: string, expected: string, got: string): never {
  throw new UsageError(`${longName(flags)}: expected ${expected}, got ${JSON.stringify(got)}`);
}

function option<T>(flags: string, description: string, fallback: T | undefined, parse: (text: string) => T): Option {
  const made = new Option(flags, description).argParser(parse);
  if (fallback !== undefined) made.default(fallback);
  return made;
}

function wording(kind: string, { min, max }: Range): string {
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  if (min !== undefined) return `${kind} of at least ${min}`;
  return max === undefined ? kind : `${kind} of at most ${max}`;
}

/** `--name <n>`: an integer, positive unless `min` says otherwise. */
export function integerOption(flags: string, description: string, range: Range = {}): Option {
  const { min = 1, max = Number.MAX_SAFE_INTEGER } = range;
  const expected =
    range.max === undefined && min === 1 ? 'a positive integer' : wording('an integer', { ...range, min });
  return option(flags, description, range.default, (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text.trim()) || value < min || value > max) fail(flags, expected, text);
    return value;
  });
}

/** `--name <x>`: a finite number in [min, max]; `above` excludes its lower end. */
export function numberOption(flags: string, description: string, range: Range & { above?: number } = {}): Option {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, above } = range;
  const upTo = range.max === undefined ? '' : ` and at most ${max}`;
  const expected = above === undefined ? wording('a number', range) : `a number above ${above}${upTo}`;
  return option(flags, description, range.default, (text) => {
    const value = Number(text);
    const outside = value < min || value > max || (above !== undefined && value <= above);
    if (text.trim() === '' || !Number.isFinite(value) || outside) fail(flags, expected, text);
    return value;
  });
}

/** `--held-out <share>`: 0 or more, below 1. */
export function shareOption(flags: string, description: string, fallback?: number): Option {
  return option(flags, description, fallback, (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= 0 && value < 1)) fail(flags, 'a number of at least 0 and below 1', text);
    return value;
  });
}

/** `--average-from <when>`: the number of an update, or a word for "when it stops getting better". */
export function averageOption(flags: string, description: string): Option {
  return option(flags, description, undefined, (text) => {
    const value = Number(text);
    if (text === 'non-monotonic' || (/^\d+$/.test(text) && Number.isSafeInteger(value))) {
      return text === 'non-monotonic' ? text : value;
    }
    return fail(flags, 'an integer of at least 0 or non-monotonic', text);
  });
}

/** `--name <word>`: one of a few words. */
export function choiceOption(
  flags: string,
  description: string,
  choices: readonly string[],
  fallback?: string,
): Option {
  const expected = choices.length === 1 ? `"${choices[0]}"` : `one of ${choices.join(', ')}`;
  return option(flags, `${description} (${choices.join(', ')})`, fallback, (text) => {
    if (!choices.includes(text)) fail(flags, expected, text);
    return text;
  });
}
