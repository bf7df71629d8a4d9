/** Option and result types of the language model, without those of training (`../train/types.ts`); checks: `language-model.ts`, `spec.ts`. */
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
  /**
   * Share of this layer's outputs that training sets to zero; the others are scaled by 1/(1 − dropout).
   * @default 0
   */
  dropout?: number;
  /**
   * Share of the recurrent weights `Wh` that training sets to zero, anew each window (DropConnect; Wan et al. 2013,
   * Merity et al. 2017).
   * @default 0
   */
  weightDrop?: number;
}

/** An LSTM layer: gates i, f, g, o and a cell state c beside h. Four times the weights of `rnn`, a long memory. */
export interface LSTMLayerOptions {
  /** The cell. */
  cell: 'lstm';
  /** Hidden size H, a positive integer. */
  size: number;
  /**
   * Share of this layer's outputs that training sets to zero; the others are scaled by 1/(1 − dropout).
   * @default 0
   */
  dropout?: number;
  /**
   * Share of the recurrent weights `Wh` that training sets to zero, anew each window (DropConnect; Wan et al. 2013,
   * Merity et al. 2017).
   * @default 0
   */
  weightDrop?: number;
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
  /**
   * Share of this layer's outputs that training sets to zero; the others are scaled by 1/(1 − dropout).
   * @default 0
   */
  dropout?: number;
  /**
   * Share of the recurrent weights `Wh` that training sets to zero, anew each window (DropConnect; Wan et al. 2013,
   * Merity et al. 2017).
   * @default 0
   */
  weightDrop?: number;
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
    /** Share of the embedded inputs that training drops. Left out where 0. */
    dropout?: number;
    /** Share of the vocabulary whose embeddings training drops, anew each window. Left out where 0. */
    wordDropout?: number;
  };
  /** Recurrent layers, first one next to the input. */
  layers: LayerOptions[];
  /** Scores over the vocabulary. */
  output: {
    /** The only kind so far. */
    kind: 'softmax';
    /** True where the output layer's weights are the embedding's (see {@link LanguageModelOptions.tied}); else left out. */
    tied?: true;
  };
  /** `locked` where one dropout mask serves all steps of a window; left out for one a step. */
  dropoutKind?: 'locked';
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
   * Shares the embedding's weights with the output layer (Press & Wolf 2017): fewer parameters, better models of small
   * corpora. Where the last layer's size is not the embedding's, a projection (H×D) comes between.
   * @default false
   */
  tied?: boolean;
  /** Share of the embedded inputs that training drops, in [0, 1). @default 0 */
  inputDropout?: number;
  /** Share of the vocabulary whose embeddings training drops, anew each window (Gal & Ghahramani 2016). @default 0 */
  wordDropout?: number;
  /**
   * How dropout masks of inputs and layers are drawn: `element` anew for each step, `locked` once for all steps of a
   * window (variational dropout; Gal & Ghahramani 2016).
   * @default 'element'
   */
  dropoutKind?: 'element' | 'locked';
  /**
   * Draws every weight and bias from ± this, as in many papers, instead of as its layer does by default (tensors of each
   * cell: see `docs/decisions/0004-initialisation.md`). A finite number above 0.
   * @default by the layer
   */
  initialRange?: number;
  /**
   * Starts tanh layers (`cell: 'rnn'`) with units of graded memory, in [0, 1]: `Wh` is a fifth of the matrix that it else
   * starts as, and unit k of H has `initialMemory`·k/(H−1) added on the diagonal (a single unit: `initialMemory`), about
   * the share of its state that it keeps from step to step. Units near 1 change slowly and carry what was said some
   * sentences ago, as the context units of Mikolov, Joulin, Chopra, Mathieu & Ranzato 2014 (arXiv 1412.7753) do; give `Wh`
   * small steps (`rateFactors`) where they are to stay so. Other layers start as they else do; refused where there is no
   * tanh layer. 0 is not the default: nothing on the diagonal, and the fifth.
   * @default `Wh` orthogonal, or drawn from `initialRange`
   */
  initialMemory?: number;
  /**
   * Seed of the initialisation: an integer in [0, 2⁵³).
   * @default 1
   */
  seed?: number;
}

/** How a perplexity is measured. */
export interface PerplexityOptions {
  /**
   * Streams read side by side. 1 carries one state through the whole text; more is faster and starts that many times
   * from an empty state. Each token is counted once either way.
   * @default 1
   */
  streams?: number;
  /**
   * Dynamic evaluation (Mikolov et al. 2010; Krause et al. 2018): the parameters follow the text. Each window is
   * measured first and learned from afterwards, so no token is seen before it is predicted. The model itself is left as it is.
   */
  dynamic?: DynamicOptions;
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How the parameters follow a text while it is measured. */
export interface DynamicOptions {
  /** Step size. @default 0.1 */
  learningRate?: number;
  /** Steps of a window. @default 20 */
  window?: number;
  /** Global gradient norm above which gradients are scaled down; 0 turns clipping off. @default 0.25 */
  clip?: number;
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
