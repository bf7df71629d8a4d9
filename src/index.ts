/**
 * timernn: train and serve recurrent sequence models inside Node.js.
 *
 * @packageDocumentation
 */
export { Corpus, type CorpusFileOptions, type CorpusOptions, type CorpusTokensOptions } from './data/corpus.js';
export {
  type TextOptions,
  type Unit,
  Vocabulary,
  type VocabularyJSON,
  type VocabularyOptions,
} from './data/vocabulary.js';
export { type ErrorCode, TimeRNNError } from './errors.js';
export { exportOnnx } from './exchange/onnx.js';
export { exportPyTorch } from './exchange/pytorch-export.js';
export { type ImportOptions, importPyTorch } from './exchange/pytorch-import.js';
export { LanguageModel } from './models/language-model.js';
export type {
  DynamicOptions,
  GenerateOptions,
  GRULayerOptions,
  LanguageModelOptions,
  LayerOptions,
  LogProbabilityOptions,
  LSTMLayerOptions,
  ModelSpec,
  PerplexityOptions,
  RNNLayerOptions,
} from './models/types.js';
export { Predictor } from './sessions/predictor.js';
export { Session } from './sessions/session.js';
export type {
  Precision,
  PredictorOptions,
  PredictorStats,
  RequestOptions,
  SessionGenerateOptions,
  SessionOptions,
  StepOptions,
  TokenLike,
  TokenProbability,
} from './sessions/types.js';
export type {
  AverageOptions,
  OptimizerName,
  OptimizerNumbers,
  OptimizerOptions,
  RunOptions,
  ScheduleOptions,
  TrainOptions,
  TrainProgress,
} from './train/types.js';
