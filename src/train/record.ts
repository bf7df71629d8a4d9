/** What the trainer tells whoever records a run. Refuses to do: files (see `run-directory.ts`). */

/** An epoch as it is recorded: a line of `metrics.jsonl`. */
export interface EpochMetrics {
  /** From 1. */
  epoch: number;
  /** Predicted tokens of the run so far. */
  tokens: number;
  /** Mean negative log-likelihood in nats a token over the epoch. */
  loss: number;
  perplexity: number;
  heldOutLoss?: number;
  heldOutPerplexity?: number;
  /** Step size of the epoch's last window; where lengths are drawn, as a window of the usual length has it. */
  learningRate: number;
  tokensPerSecond: number;
  /** Seconds of training in this epoch. */
  seconds: number;
  /** Whether no epoch before was better on held-out text; left out where there is none. */
  best?: boolean;
  /** Whether the held-out loss is that of averaged parameters; left out where not. */
  averaging?: true;
}

/** Records a run. Every call is made between two rounds, and waits for the disk. */
export interface RunRecord {
  /** Most windows until a checkpoint is due; asked before every round. */
  windowsLeft(): number;
  /** A round ended inside an epoch. */
  round(): Promise<void>;
  /** An epoch has ended, and what follows from it is in the state. `best`: the parameters, where no epoch was better. */
  epoch(metrics: EpochMetrics, best: Float32Array<SharedArrayBuffer> | undefined): Promise<void>;
  /** The run is left. `sound`: memory is that of a window's edge, so that a checkpoint of it is one. */
  close(sound: boolean): Promise<void>;
}
