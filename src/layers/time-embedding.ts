/**
 * TimeEmbedding: rows of a table, picked by token ids.
 */
import { expectInteger } from '../errors.js';
import { native } from '../native.js';
import {
  callNative,
  expectForward,
  expectIds,
  expectOptions,
  expectSeed,
  expectTensor,
  type Grid,
  type IntegerGrid,
} from './checks.js';
import { type NamedTensors, Tensor } from './tensor.js';

/** Options of {@link TimeEmbedding}. */
export interface TimeEmbeddingOptions {
  /** Vocabulary size V: ids lie in [0, V). */
  vocabularySize: number;
  /** Embedding size D. */
  embeddingSize: number;
  /**
   * Seed of the initialisation: an integer in [0, 2⁵³).
   * @default 1
   */
  seed?: number;
}

const NAMES: readonly string[] = ['vocabularySize', 'embeddingSize', 'seed'] satisfies (keyof TimeEmbeddingOptions)[];

/** Parameters of a {@link TimeEmbedding}, or their gradients. */
export interface EmbeddingTensors extends NamedTensors {
  /** V×D: one row for each token. */
  readonly W: Tensor;
}

/** W starts uniform in ±this, as the embedding of a language model does; an RNN's Wx of ±1/√D scales it down. */
const INITIAL_RANGE = 1;

/**
 * Looks up one row of W for each token id: xs[n, t] = W[ids[n, t]].
 *
 * W starts uniform in ±1. Ids are copied for the backward pass and what is returned is fresh.
 *
 * @example
 * ```ts
 * import { TimeEmbedding } from 'timernn/layers';
 * const embedding = new TimeEmbedding({ vocabularySize: 10, embeddingSize: 4, seed: 1 });
 * const xs = embedding.forward([[1, 2, 3], [4, 5, 6]]); // 2×3×4
 * embedding.backward(xs); // embedding.grads.W: 10×4
 * ```
 */
export class TimeEmbedding {
  /** W V×D; may be written in place. */
  readonly params: EmbeddingTensors;
  /** Gradient of W, overwritten by each `backward`; zeros before the first. */
  readonly grads: EmbeddingTensors;
  readonly #V: number;
  readonly #D: number;
  #ids: Grid | undefined;

  /** @throws ERR_TIMERNN_OPTION when a size is not a positive integer, the seed not an integer in [0, 2⁵³), or an option does not exist */
  constructor(options: TimeEmbeddingOptions) {
    expectOptions('TimeEmbedding', options, NAMES);
    this.#V = expectInteger('vocabularySize', options.vocabularySize);
    this.#D = expectInteger('embeddingSize', options.embeddingSize);
    const seed = expectSeed(options.seed ?? 1);
    this.params = Object.freeze({ W: Tensor.zeros([this.#V, this.#D]) });
    this.grads = Object.freeze({ W: Tensor.zeros([this.#V, this.#D]) });
    callNative(() => native.uniform(this.params.W.data, -INITIAL_RANGE, INITIAL_RANGE, seed, 0));
  }

  /**
   * @param ids N×T token ids in [0, V): rows of integers, or integers with a shape
   * @returns xs N×T×D
   * @throws ERR_TIMERNN_SHAPE when ids is not a full N×T grid
   * @throws ERR_TIMERNN_TOKEN when an id is not an integer in [0, V), with its position
   */
  forward(ids: IntegerGrid): Tensor {
    const grid = expectIds('ids', ids, this.#V);
    const xs = Tensor.zeros([grid.N, grid.T, this.#D]);
    callNative(() => native.embeddingForward(xs.data, grid.data, this.params.W.data, this.#V, this.#D));
    this.#ids = grid;
    return xs;
  }

  /**
   * Overwrites `grads`: each row of dW is the sum of dxs over the places where its token stood. Ids have no gradient,
   * so nothing is returned.
   *
   * @param dxs N×T×D, gradient of the loss at xs
   * @throws ERR_TIMERNN_STATE when `forward` was never called
   * @throws ERR_TIMERNN_SHAPE, ERR_TIMERNN_NOT_FINITE when `dxs` does not fit or is not finite
   */
  backward(dxs: Tensor): void {
    const { data, N, T } = expectForward('TimeEmbedding', this.#ids);
    expectTensor('dxs', dxs, [N, T, this.#D]);
    callNative(() => native.embeddingBackward(this.grads.W.data, dxs.data, data, this.#V, this.#D));
  }
}
