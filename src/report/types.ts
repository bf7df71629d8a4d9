/** The data of a training report: plain values that a run collects while it trains. */

/** One progress report of the trainer: a round of many windows. */
export interface ReportRound {
  /** Predicted tokens so far, over all epochs. */
  tokens: number;
  /** Mean negative log-likelihood of the round, in nats a token. */
  loss: number;
  tokensPerSecond: number;
  /** Global gradient norm before clipping. */
  gradientNorm: number;
}

/** What is known at the end of an epoch. */
export interface ReportEpoch {
  /** From 1. */
  epoch: number;
  /** Predicted tokens at the end of the epoch, over all epochs. */
  tokens: number;
  /** Mean training loss over the epoch, in nats a token. */
  loss: number;
  /** Held-out loss in nats a token; left out where nothing is held out. */
  heldOutLoss?: number;
  /** Whether that is the loss of the optimiser's average of the parameters; left out where not. */
  averaging?: true;
  learningRate: number;
  tokensPerSecond: number;
  /** Seconds of training in this epoch, without evaluation. */
  seconds: number;
  /** Text that the model generated after the epoch. */
  sample?: string;
}

/** A titled table of names and values. */
export interface ReportTable {
  title: string;
  rows: readonly (readonly [name: string, value: string])[];
}

export interface ReportData {
  title: string;
  /** One sentence below the title. */
  subtitle?: string;
  /** Token unit: decides between bits a character and bits a word. */
  unit: string;
  rounds: readonly ReportRound[];
  epochs: readonly ReportEpoch[];
  /** Parameters of the model. */
  parameters: number;
  /** Settings, machine and the like, in the order in which they are shown. */
  tables: readonly ReportTable[];
  /** What each sample continues; shown in front of it. */
  prompt?: string;
  /** True where the run was stopped before its last epoch. */
  interrupted?: boolean;
  /** When the run ended. */
  date: Date;
}
