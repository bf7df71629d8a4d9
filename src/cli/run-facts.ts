/** What a reporter is told of a run before it starts and after it has ended: plain values. */
import type { LayerOptions } from '../models/types.js';

/** What is known before the first window. */
export interface RunFacts {
  unit: string;
  vocabulary: number;
  parameters: number;
  trainTokens: number;
  heldOutTokens: number;
  layers: readonly LayerOptions[];
  embedding: number;
  streams: number;
  window: number;
  epochs: number;
  workers: number;
  /** `adam, averaged after update 200`. */
  optimizer: string;
  /** What the step size does: `cosine`, `exponential (factor 0.9), warm-up over 200 windows`. */
  schedule: string;
  /** Where the model goes. */
  out: string;
  /** Whether a file is there already, which the model will replace. */
  replaces: boolean;
  prompt?: string;
  /** Whether the output layer shares the embedding's weights. */
  tied?: boolean;
  /** What training drops: `input 0.2, layer 0 0.35; locked`; left out where it drops nothing. */
  dropout?: string;
  /** Where the run is recorded. */
  run?: string;
  /** With `--resume`: where the run goes on from, or that there is nothing to go on with. */
  resume?: RunPosition | 'new';
  /** The recipe that the run follows. */
  recipe?: RecipeFacts;
}

/** Where a recorded run was left. */
export interface RunPosition {
  /** From 1; one more than there are where all of them are done. */
  epoch: number;
  /** Windows of that epoch that are done. */
  window: number;
}

/** What is said of a recipe before it is run. */
export interface RecipeFacts {
  name: string;
  title: string;
  /** Figures of the source and of the recipe, in words. */
  published: string;
  target: string;
}

/** How a training ended that no signal stopped. */
export interface TrainingEnd {
  /** Of training, all epochs. */
  seconds: number;
  /** Epochs that were trained, and how many were asked for: fewer where held-out text got no better. */
  done: number;
  epochs: number;
  /** The epoch whose parameters the model has, where the best are kept. */
  kept?: number;
}

/** A perplexity that was measured at the end. */
export interface ResultFigure {
  /** `validation`, `test`, `test, dynamic …`. */
  name: string;
  perplexity: number;
}
