/** The precisions that weights may have, for options and the command line. */
import type { Precision } from './types.js';

export const PRECISIONS = ['float32', 'bfloat16', 'int8'] as const satisfies readonly Precision[];
