/** Rounds as tests ask a runner for them. */
import type { RoundCall } from '#src/native-training.js';

/** Window k of a run alone, on one rank, without clipping where `more` has none. */
export function oneWindow(k: number, more: Partial<RoundCall>): RoundCall {
  const place = { rank: 0, workers: 1, from: k, to: k + 1, done: k };
  return { ...place, clip: 0, clipValue: 0, averageFrom: 0, lossBefore: 0, ...more };
}
