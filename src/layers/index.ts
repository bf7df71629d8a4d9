/**
 * `timernn/layers`: the book's layers, one window at a time, for models that are put together by hand.
 *
 * @module
 */
export type { IntegerGrid, IntegerRow } from './checks.js';
export type { RecurrentTensors, RNNOptions } from './recurrent.js';
export { RNN, type RNNGradients } from './rnn.js';
export { Tensor, type TensorOptions } from './tensor.js';
export { type AffineTensors, TimeAffine, type TimeAffineOptions } from './time-affine.js';
export { type EmbeddingTensors, TimeEmbedding, type TimeEmbeddingOptions } from './time-embedding.js';
export { TimeRNN, type TimeRNNGradients, type TimeRNNOptions } from './time-rnn.js';
export { TimeSoftmaxWithLoss, type TimeSoftmaxWithLossOptions } from './time-softmax-with-loss.js';
