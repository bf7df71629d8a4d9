/**
 * `timernn/layers`: the book's layers, one window at a time, for models that are put together by hand.
 *
 * @module
 */

export type { TimeRecurrentOptions } from './carried.js';
export type { IntegerGrid, IntegerRow } from './checks.js';
export type { RecurrentOptions, RecurrentTensors } from './recurrent.js';
export { RNN, type RNNGradients } from './rnn.js';
export type { RNNOptions } from './rnn-options.js';
export { type NamedTensors, Tensor, type TensorOptions } from './tensor.js';
export { type AffineTensors, TimeAffine, type TimeAffineOptions } from './time-affine.js';
export { TimeDropout, type TimeDropoutOptions } from './time-dropout.js';
export { type EmbeddingTensors, TimeEmbedding, type TimeEmbeddingOptions } from './time-embedding.js';
export { type GRUTensors, TimeGRU, type TimeGRUGradients, type TimeGRUOptions } from './time-gru.js';
export { TimeLSTM, type TimeLSTMGradients, type TimeLSTMOptions } from './time-lstm.js';
export { TimeRNN, type TimeRNNGradients, type TimeRNNOptions } from './time-rnn.js';
export { TimeSoftmaxWithLoss, type TimeSoftmaxWithLossOptions } from './time-softmax-with-loss.js';
