/** The numbers of dynamic evaluation that nobody chose. Needs no addon, so that help texts can name them. */
import type { DynamicOptions } from './types.js';

export const DYNAMIC_DEFAULTS = {
  learningRate: 0.1,
  window: 20,
  clip: 0.25,
} as const satisfies Required<DynamicOptions>;
