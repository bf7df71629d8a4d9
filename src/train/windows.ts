/**
 * Where the windows of an epoch begin and end, in steps of a stream. A function of the options, the seed and the epoch
 * alone. Refuses to do: depending on rounds or on the number of workers.
 */
import { native } from '../native.js';

/** Least steps of a window whose length is drawn, and how much longer than `window` one may be. */
export const SHORTEST_DRAWN = 5;
const LONGER = 20;
/** Deviation of a drawn length; how many are drawn around half of `window` (Merity et al. 2017, section 5). */
const DEVIATION = 5;
const SHARE_OF_HALVES = 0.05;
/** Numbers that one length takes: which mean, and two for a normal deviate. */
const DRAWS = 3;
/** The seed's sequence of numbers for epoch e is this one plus e; what else draws from it has lower ones. */
const FIRST_STREAM = 2 ** 30;

/** How windows are cut. */
export interface WindowRule {
  /** Steps of each stream in an epoch. */
  steps: number;
  /** Steps T of a window, or what drawn lengths lie around. */
  window: number;
  random: boolean;
  seed: bigint;
}

/** Most windows an epoch can have. */
export function mostWindows({ steps, window, random }: WindowRule): number {
  return Math.ceil(steps / (random ? SHORTEST_DRAWN : window));
}

/** Most steps a window can have. */
export function mostSteps({ window, random }: WindowRule): number {
  return random ? window + LONGER : window;
}

/** A normal deviate from two uniform ones (Box & Muller 1958); 1 − u is never 0, whose logarithm there is not. */
const normal = (u: number, v: number): number => Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);

function drawLength(draws: Float32Array, w: number, window: number): number {
  const at = DRAWS * w;
  const mean = draws[at]! < SHARE_OF_HALVES ? window / 2 : window;
  const length = Math.floor(mean + DEVIATION * normal(draws[at + 1]!, draws[at + 2]!));
  return Math.min(window + LONGER, Math.max(SHORTEST_DRAWN, length));
}

/**
 * Fills `edges`, so that window w covers steps [edges[w], edges[w + 1]); what is left of it is filled with `steps`.
 *
 * @param edges - `mostWindows(rule) + 1` long
 * @returns how many windows the epoch has
 */
export function fillEdges(edges: Uint32Array, rule: WindowRule, epoch: number): number {
  const { steps, window, random, seed } = rule;
  const draws = new Float32Array(random ? DRAWS * mostWindows(rule) : 0);
  if (random) native.uniform(draws, 0, 1, seed, FIRST_STREAM + (epoch % FIRST_STREAM));
  let windows = 0;
  for (let at = 0; at < steps; windows++) {
    edges[windows] = at;
    const left = steps - at;
    const length = Math.min(left, random ? drawLength(draws, windows, window) : window);
    const rest = left - length;
    // A drawn window takes a rest that would make too short a one after it.
    at += random && rest < SHORTEST_DRAWN && left <= mostSteps(rule) ? left : length;
  }
  edges.fill(steps, windows);
  return windows;
}
