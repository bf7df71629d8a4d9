/** Option and report types of training; their checks live in `options.ts` and `optimizer-options.ts`. */
import type { Corpus } from '../data/corpus.js';

/**
 * How a model is trained. `save()` in the loop's body writes the parameters of that moment: neither the best ones, nor the
 * average of an averaging optimiser, which the model gets when the run ends by itself. With `heldOut`, `best.safetensors` of
 * `run` has what was best so far, the average as it was then; the average of the moment is in the checkpoints alone.
 */
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
  /** Step size, or a function of the epoch (from 0). @default 1; 0.001 for adam, adamw and rmsprop, 0.01 for adagrad */
  learningRate?: number | ((epoch: number) => number);
  /**
   * How the step size changes from there. Not together with a function as `learningRate`; where the
   * optimiser averages a plateau must not `restore`.
   * @default constant
   */
  schedule?: ScheduleOptions;
  /** Windows over which the step size rises to where the schedule has it; the first of n has 1/n of it. @default 0 */
  warmup?: number;
  /** What makes steps of gradients: a name, or a name with its numbers. @default 'sgd' */
  optimizer?: OptimizerName | OptimizerOptions;
  /** Decoupled weight decay λ: p ← p − η·λ·p at each step, apart from the gradient. @default 0; 0.01 for adamw */
  weightDecay?: number;
  /**
   * What the step size is multiplied by for some tensors, as with the parameter groups of other libraries: by name
   * (`layers.0.Wh`), or by the start of a name up to a dot (`layers`); the longest counts. 0 leaves a tensor as it is.
   * Weight decay goes with the step size. With `tied`, `embedding.W` is the output's matrix too, and `output` means its
   * bias and projection alone.
   * @default 1 for all
   */
  rateFactors?: Record<string, number>;
  /** Global gradient norm above which gradients are scaled down; 0 turns clipping off. @default 0.5 */
  clip?: number;
  /** Each number of the gradient is cut off at ± this, after `clip`; 0 turns it off. @default 0 */
  clipValue?: number;
  /** Activation penalty α: α · mean(h²) of the last layer's outputs after dropout (Merity et al. 2017). @default 0 */
  activationPenalty?: number;
  /** Temporal activation penalty β: β · mean((h_t − h_{t−1})²) of the last layer's outputs. @default 0 */
  temporalPenalty?: number;
  /**
   * Draws the length of each window: normal around `window` (5 % of them around half of it) with a deviation of 5, at
   * least 5, at most window + 20; the step size follows the length (Merity et al. 2017).
   * @default false
   */
  randomWindows?: boolean;
  /** Seed of dropout masks and window lengths: an integer in [0, 2⁵³). @default 1 */
  seed?: number;
  /** Text that is measured after each epoch, never trained on. */
  heldOut?: Corpus;
  /** Streams of that measurement; see {@link PerplexityOptions.streams}. @default 1 */
  heldOutStreams?: number;
  /** Whether the model ends with the parameters of the epoch that was best on `heldOut`. @default true where there is `heldOut` */
  keepBest?: boolean;
  /** Ends the run after that many epochs in a row without a better `heldOut`. @default never */
  patience?: number;
  /** Called with each report, before it is yielded. A promise is awaited; what it throws or rejects with ends the run. */
  onProgress?: (progress: TrainProgress) => unknown;
  /** A directory that the run is recorded in, with checkpoints that it can go on from. One process at a time. */
  run?: RunOptions;
  /** Windows in a round, i.e. between two progress reports. @default as many as take about a quarter of a second */
  reportEvery?: number;
  /** Stops the run at one window edge for all workers; the iteration then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Optimisers. */
export type OptimizerName = OptimizerOptions['name'];

/** An optimiser and its numbers; the defaults are PyTorch's, but for momentum (theirs 0) and asgd's lambda (theirs 1e-4). */
export type OptimizerOptions = AverageOptions & OptimizerNumbers;

/**
 * The average of the parameters after each step from some step on (Polyak & Juditsky 1992), of any optimiser. It is what
 * counts then: held-out text is measured with it, and the model ends with it, or with what `keepBest` kept.
 */
export interface AverageOptions {
  /**
   * The step (updates of the run) after which the average starts, or `'non-monotonic'`: once `heldOut` was worse than
   * the best of all but the last `patience` epochs (Merity et al. 2017). Default: no average; for `asgd`
   * 'non-monotonic' where there is `heldOut`, else 0.
   */
  averageFrom?: number | 'non-monotonic';
  /** Epochs, with 'non-monotonic'. @default 5 */
  patience?: number;
}

/** An optimiser and the numbers of its own. */
export type OptimizerNumbers =
  | { name: 'sgd' }
  /** v ← μ·v + g; p ← p − η·v. `momentum` μ, default 0.9. */
  | { name: 'momentum' | 'nesterov'; momentum?: number }
  /** Duchi et al. 2011, as PyTorch has it: s ← s + g²; p ← p − η·g / (√s + ε). `epsilon` ε, default 1e-10. */
  | { name: 'adagrad'; epsilon?: number }
  /**
   * Tieleman & Hinton 2012, as PyTorch has it: s ← ρ·s + (1 − ρ)·g²; p ← p − η·g / (√s + ε). `smoothing` ρ, default 0.99;
   * `epsilon` ε, default 1e-8.
   */
  | { name: 'rmsprop'; smoothing?: number; epsilon?: number }
  /** Kingma & Ba 2015; Loshchilov & Hutter 2019. Defaults 0.9, 0.999, 1e-8. */
  | { name: 'adam' | 'adamw'; beta1?: number; beta2?: number; epsilon?: number }
  /** SGD that averages without being asked, and whose step size may fall by itself, as in PyTorch. `lambda` 0; `power` 0.75. */
  | { name: 'asgd'; lambda?: number; power?: number };

/** How the step size changes from epoch to epoch. `learningRate` is where it starts. */
export type ScheduleOptions =
  | { kind: 'constant' }
  /** Times `factor` after every `every` epochs (default 1), first after epoch `from` (default 1). */
  | { kind: 'step'; factor: number; every?: number; from?: number }
  /** Times `factor` after each epoch. */
  | { kind: 'exponential'; factor: number }
  /**
   * Times `factor` after an epoch whose `heldOut` was not better than the best so far by `threshold` (a share of the
   * loss, default 0) `patience` times in a row (default 1); training goes on from the best parameters where `restore`
   * (default true; refused with an average), and ends once the step size is below `minimum` (default 0). Where it goes back,
   * the model in the loop's body is the best one already, not that of the report.
   */
  | { kind: 'plateau'; factor: number; patience?: number; threshold?: number; restore?: boolean; minimum?: number }
  /** Half a cosine from `learningRate` to `minimum` (default 0) over all windows of the run. */
  | { kind: 'cosine'; minimum?: number };

/** Where and how often a run is recorded. */
export interface RunOptions {
  /**
   * A directory of its own: `run.json` (what was asked, on which machine, and where the weights came from),
   * `metrics.jsonl` (a line an epoch), `checkpoints/`, and with `heldOut` `best.safetensors`, the model as it was best
   * (the average, once there is one), also while the run goes on.
   * Refused where it holds such files without a `run.json`, since they are somebody else's.
   */
  directory: string | URL;
  /**
   * Seconds of training between checkpoints; a round is cut short where one is due. There is one at the end of each
   * epoch, too, and where the run is stopped or left.
   * @default 300
   */
  checkpointSeconds?: number;
  /** Windows between checkpoints; instead of seconds. */
  checkpointWindows?: number;
  /** Checkpoints that are kept. @default 2 */
  keep?: number;
  /**
   * Goes on from the newest checkpoint, to the same bits as a run that was never stopped; also with another number of
   * workers. The options and corpora must be those of the run, and a function as `learningRate` the same one, which
   * nobody can check; `epochs` may be more than before, unless the schedule is a cosine. The model's own parameters do
   * not matter, but one that was not trained or loaded must be drawn with the run's `seed`, `initialRange` and `initialMemory`. A directory that has no run yet starts anew, and so does one
   * whose checkpoints are gone, with a warning (TIMERNN_RUN_WITHOUT_CHECKPOINT). A newest checkpoint that the disk has damaged is passed over
   * with a warning (TIMERNN_CHECKPOINT_DAMAGED), one of another run or one that cannot be read now is refused; the model
   * is then as it was before. Another kind of kernels than the run was started with makes other bits, which is a
   * warning, too (TIMERNN_RUN_MACHINE). The parameters and the losses that are recorded are
   * the same to the bit.
   * @default false: a directory that holds a run is refused
   */
  resume?: boolean;
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
  /** Step size of the round's last window; where lengths are drawn, as a window of the usual length has it. */
  learningRate: number;
  /** Mean negative log-likelihood in nats a token of `heldOut`; in the last report of an epoch, where there is `heldOut`. */
  heldOutLoss?: number;
  /** exp(heldOutLoss). */
  heldOutPerplexity?: number;
  /** Whether no epoch before was better on `heldOut`. */
  best?: boolean;
  /**
   * True where `heldOutLoss` is that of the optimiser's average, which the model in the loop's body is not: it still has
   * the parameters that are averaged. Left out otherwise.
   */
  averaging?: true;
}
