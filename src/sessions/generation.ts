/** Options of a session's `generate`, checked. Refuses to do: generating. */
import type { Vocabulary } from '../data/vocabulary.js';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { checkSeed } from '../models/generate.js';
import { checkNames, checkSignal, expectBoolean } from '../options.js';
import type { SessionGenerateOptions } from './types.js';

const NAMES: readonly string[] = [
  'length',
  'temperature',
  'topK',
  'seed',
  'allowUnknown',
  'signal',
] satisfies (keyof SessionGenerateOptions)[];
/** Beyond this all tokens are as likely as each other. */
const HOTTEST = 1e20;

/** @throws ERR_TIMERNN_OPTION */
export function generationOptions(options: SessionGenerateOptions, { unknownId, size }: Vocabulary) {
  checkNames(options, NAMES, 'generate');
  const { temperature = 1 } = options;
  if (typeof temperature !== 'number' || !(temperature >= 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected temperature to be a finite number of at least 0, got ${describe(temperature)}`,
    );
  }
  const allowUnknown = expectBoolean('allowUnknown', options.allowUnknown ?? false);
  const signal = checkSignal(options.signal);
  return {
    length: expectInteger('length', options.length ?? 200, 0),
    temperature: Math.min(temperature, HOTTEST),
    k: expectInteger('topK', options.topK ?? 0, 0),
    seed: checkSeed(options.seed ?? 1),
    ...(!allowUnknown && unknownId !== undefined && size > 1 && { excluded: unknownId }),
    ...(signal !== undefined && { signal }),
  };
}
