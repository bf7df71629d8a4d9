/** Option and result types of the language model; their meaning and checks live in `language-model.ts` and `options.ts`. */
import type { Vocabulary } from '../data/vocabulary.js';

/** One recurrent layer of a model. */
export type LayerOptions = RNNLayerOptions | LSTMLayerOptions | GRULayerOptions;

/** A plain RNN layer: h_t = f(h_{t−1}·Wh + x_t·Wx + b). Small and fast; its memory is short. */
export interface RNNLayerOptions {
  /** The cell. */
  cell: 'rnn';
  /** Hidden size H, a positive integer. */
  size: number;
  /** The function f. @default 'tanh' */
  activation?: 'tanh' | 'relu';
}

/** An LSTM layer: gates i, f, g, o and a cell state c beside h. Four times the weights of `rnn`, a long memory. */
export interface LSTMLayerOptions {
  /** The cell. */
  cell: 'lstm';
  /** Hidden size H, a positive integer. */
  size: number;
}

/** A GRU layer: gates r, z, n. Three times the weights of `rnn`, a memory like that of an LSTM. */
export interface GRULayerOptions {
  /** The cell. */
  cell: 'gru';
  /** Hidden size H, a positive integer. */
  size: number;
  /**
   * Where the reset gate acts: after the recurrent product (PyTorch's form, and the faster one) or before it (the
   * book's). Weights of one form do not fit the other.
   * @default true
   */
  resetAfter?: boolean;
}

/** The whole identity of an architecture: a small JSON object, kept in every model file. Defaults are left out. */
export interface ModelSpec {
  /** Token ids below `vocabulary`, each embedded in `embedding` numbers. */
  input: {
    /** The only kind so far. */
    kind: 'tokens';
    /** Vocabulary size V. */
    vocabulary: number;
    /** Embedding size D. */
    embedding: number;
  };
  /** Recurrent layers, first one next to the input. */
  layers: LayerOptions[];
  /** Scores over the vocabulary. */
  output: {
    /** The only kind so far. */
    kind: 'softmax';
  };
}

/** What a language model is made of. */
export interface LanguageModelOptions {
  /** What the tokens are; the model is trained and asked with this one only. */
  vocabulary: Vocabulary;
  /** Embedding size D, a positive integer. */
  embedding: number;
  /**
   * Recurrent layers, first one next to the input; at least one. In a variable of its own TypeScript needs its type:
   * `const layers: LayerOptions[] = …`, or `as const`.
   */
  layers: readonly LayerOptions[];
  /**
   * Seed of the initialisation: an integer in [0, 2⁵³).
   * @default 1
   */
  seed?: number;
}

/** How a model is trained. */
export interface TrainOptions {
  /** Streams N of the mini-batch. @default 32, or as many as have a whole window each where the corpus is short */
  streams?: number;
  /** Steps T of a window: how far back the gradient flows. @default 64 */
  window?: number;
  /** Passes over the corpus. @default 1 */
  epochs?: number;
  /** Worker threads. @default os.availableParallelism() */
  workers?: number;
  /**
   * Fixed groups of streams that are computed together; at most `streams`. The result depends on it, so it does not
   * follow `workers`; no more workers are started than there are shards.
   * @default the power of two at or above streams/16, at least 2 where there are 2 streams
   */
  shards?: number;
  /** SGD step size, or a function of the epoch (from 0). @default 1 */
  learningRate?: number | ((epoch: number) => number);
  /** Global gradient norm above which gradients are scaled down; 0 turns clipping off. @default 0.5 */
  clip?: number;
  /** Windows in a round, i.e. between two progress reports. @default as many as take about a quarter of a second */
  reportEvery?: number;
  /** Stops the run at one window edge for all workers; the iteration then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What `train` yields after every round. */
export interface TrainProgress {
  /** Current epoch, from 0. */
  epoch: number;
  /** Epochs of the whole run. */
  epochs: number;
  /** Windows finished in this epoch. */
  window: number;
  /** Windows an epoch has. */
  windows: number;
  /** True for the last report of an epoch. */
  epochEnd: boolean;
  /** Predicted tokens so far, over all epochs. */
  tokens: number;
  /** Mean negative log-likelihood in nats a token, over this round. */
  loss: number;
  /** exp(loss). */
  perplexity: number;
  /** The same mean over the epoch so far. */
  epochLoss: number;
  /** Speed of this round. */
  tokensPerSecond: number;
  /** Global gradient norm of the round's last window, before clipping. */
  gradientNorm: number;
  /** Step size of this epoch. */
  learningRate: number;
}

/** How a perplexity is measured. */
export interface PerplexityOptions {
  /**
   * Streams read side by side. 1 carries one state through the whole text; more is faster and starts that many times
   * from an empty state. Each token is counted once either way.
   * @default 1
   */
  streams?: number;
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How text is generated. */
export interface GenerateOptions {
  /** Text to continue. @default the line end, or what stands for "nothing came before" where there is none */
  prompt?: string;
  /** Tokens to generate (characters or words). @default 200 */
  length?: number;
  /** 1 samples the model's distribution; below sharpens, above flattens; 0 takes the most likely token. @default 1 */
  temperature?: number;
  /** Sample among the k most likely tokens only; 0 = all. @default 0 */
  topK?: number;
  /** Same seed, same text. An integer in [0, 2⁵³). @default 1 */
  seed?: number;
  /** Whether `<unk>` may be sampled. @default false */
  allowUnknown?: boolean;
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How a text is scored. */
export interface LogProbabilityOptions {
  /** Text that comes before; its own probability is not counted. @default as for `prompt` of generate */
  context?: string;
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}
