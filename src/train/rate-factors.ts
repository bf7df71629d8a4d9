/** Factors of the step size, tensor by tensor. Refuses to do: steps. */
import type { Placement } from '../memory/layout.js';
import { expectRate, LARGEST_FLOAT, optionError } from './checks.js';

const covers = (key: string, name: string): boolean => name === key || name.startsWith(`${key}.`);

/**
 * What the step size of each tensor is multiplied by: the factor of the longest key that is its name or the start of it, up
 * to a dot; 1 where there is none.
 *
 * @returns a number a tensor, in table order; undefined where all are 1
 * @throws ERR_TIMERNN_OPTION for a number below 0 or not finite, and for a key that no tensor has
 */
export function resolveRateFactors(given: unknown, tensors: readonly Placement[]): number[] | undefined {
  if (given === undefined) return undefined;
  const prototype = typeof given === 'object' && given !== null ? Object.getPrototypeOf(given) : undefined;
  // A Map has no entries of its own: it would be taken for no factor at all.
  if (prototype === undefined || (prototype !== null && Object.getPrototypeOf(prototype) !== null)) {
    throw optionError('rateFactors', 'a plain object of names of tensors and numbers', given);
  }
  const entries = Object.entries(given as object);
  for (const [key, value] of entries) {
    expectRate(`rateFactors[${JSON.stringify(key)}]`, value, LARGEST_FLOAT);
    if (tensors.some(({ name }) => covers(key, name))) continue;
    const names = tensors.map(({ name }) => name).join(', ');
    throw optionError('a key of rateFactors', `one of ${names}, or the start of one up to a dot`, key);
  }
  const factors = tensors.map(({ name }) => {
    const keys = entries.filter(([key]) => covers(key, name)).sort(([a], [b]) => b.length - a.length);
    return (keys[0]?.[1] ?? 1) as number;
  });
  return factors.every((factor) => factor === 1) ? undefined : factors;
}

/** Those that are not 1, by the names of their tensors: as they are written down. */
export const namedRateFactors = (factors: readonly number[], tensors: readonly Placement[]): Record<string, number> =>
  Object.fromEntries(tensors.flatMap(({ name }, i) => (factors[i] === 1 ? [] : [[name, factors[i]!]])));
