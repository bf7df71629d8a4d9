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
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw optionError('rateFactors', 'an object of names of tensors and numbers', given);
  }
  const entries = Object.entries(given);
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
