/** What RNN and TimeRNN share beside the recurrence: the choice of the activation. */
import { describe, TimeRNNError } from '../errors.js';
import { nativeCell } from '../models/spec.js';
import { expectOptions } from './checks.js';
import type { RecurrentOptions } from './recurrent.js';

/** Options of a plain RNN layer. */
export interface RNNOptions extends RecurrentOptions {
  /**
   * The function f of h = f(h·Wh + x·Wx + b).
   * @default 'tanh'
   */
  activation?: 'tanh' | 'relu';
}

/**
 * The native cell of these options.
 *
 * @param names - of the layer's options, but for the activation
 * @throws ERR_TIMERNN_OPTION for an activation that is neither, and for an option that does not exist
 */
export function rnnCell(layer: string, options: RNNOptions, names: readonly string[]): string {
  expectOptions(layer, options, [...names, 'activation']);
  const { activation = 'tanh' } = options;
  if (activation !== 'tanh' && activation !== 'relu') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected activation to be tanh or relu, got ${describe(activation)}`);
  }
  return nativeCell({ cell: 'rnn', size: 1, activation });
}
