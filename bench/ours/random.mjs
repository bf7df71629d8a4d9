/** Numbers for the benchmark: small and fast, spread over the range, the same in each run. */
export function* random(seed) {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Fills an array with numbers in ±bound. */
export function fill(array, bound, seed = 1) {
  const numbers = random(seed);
  for (let i = 0; i < array.length; i++) array[i] = (numbers.next().value * 2 - 1) * bound;
  return array;
}
