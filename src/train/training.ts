/**
 * One training run between its rounds: rates and edges before an epoch, held-out text and what follows after it, and
 * which parameters the model ends with. Refuses to do: mathematics, files, and choosing anything that changes the result
 * by the number of workers.
 */
import { corpusLoss } from '../models/evaluate.js';
import type { RoundPool } from '../pool/round-pool.js';
import { type JudgeRules, judge } from './judge.js';
import type { AverageFrom } from './optimizer-options.js';
import type { ResolvedOptions } from './options.js';
import type { RunPlan } from './plan-run.js';
import type { EpochMetrics } from './record.js';
import { epochFactor, fillRates, type RatePlan, rateAt } from './schedules.js';
import { addRound, endEpoch, type RunState } from './state.js';
import type { TrainingTarget } from './target.js';
import type { TrainProgress } from './types.js';
import { fillEdges } from './windows.js';

/** Slots that say where the parameters were going: meaningless once those have been put back. */
const DIRECTIONS: ReadonlySet<string> = new Set(['momentum', 'm']);

/** An average was asked for, and the run was over before it began. */
function warnOfNoAverage(averageFrom: AverageFrom, done: number, epochs: number): void {
  const when =
    'step' in averageFrom
      ? `averageFrom is update ${averageFrom.step}`
      : epochs < averageFrom.patience + 2
        ? `what starts it cannot come before the end of epoch ${averageFrom.patience + 2}`
        : 'held-out text had not stopped getting better, or only with the last epoch';
  process.emitWarning(
    `The run ended after ${done} updates, before its average began (${when}): the model has parameters that are not averaged`,
    { code: 'TIMERNN_NO_AVERAGE' },
  );
}

/** What the end of an epoch leads to. */
export interface EpochEnd {
  report: TrainProgress;
  metrics: EpochMetrics;
  /** The parameters, where no epoch was better on held-out text. */
  best: Float32Array<SharedArrayBuffer> | undefined;
}

/** A run in memory. */
export class Training {
  /** False while a round is under way or has failed: memory is then not that of a window's edge. */
  sound = true;
  /** Windows of the epoch under way. */
  windows = 0;
  readonly #target: TrainingTarget;
  readonly #options: ResolvedOptions;
  readonly #plan: RunPlan;
  readonly #state: RunState;
  /** Of the epoch under way. */
  #rates: RatePlan | undefined;

  constructor(target: TrainingTarget, options: ResolvedOptions, plan: RunPlan, state: RunState) {
    this.#target = target;
    this.#options = options;
    this.#plan = plan;
    this.#state = state;
  }

  /** Whether there is nothing left to train. */
  get over(): boolean {
    return this.#state.ended || this.#state.epoch >= this.#options.epochs;
  }

  /** Whether the windows of this epoch are done. */
  get epochOver(): boolean {
    return this.#state.window >= this.windows;
  }

  /** Lays out the epoch that the state is in, also in its middle. */
  startEpoch(): void {
    const { epoch, window, done, judgement } = this.#state;
    const { run, rule } = this.#plan;
    const { schedule, warmup, epochs } = this.#options;
    if (window === 0) for (const state of run.states) state.fill(0);
    this.windows = fillEdges(run.edges, rule, epoch);
    this.#rates = {
      base: this.#options.learningRate(epoch) * epochFactor(schedule, epoch) * judgement.plateau.factor,
      schedule,
      warmup,
      epoch,
      epochs,
      done: done - window,
      edges: run.edges,
      windows: this.windows,
      steps: rule.steps,
      usualSteps: rule.random ? rule.window : undefined,
    };
    fillRates(run.rates, this.#rates);
  }

  /** Runs at most `most` windows of the epoch. @returns how many, and in what time */
  async round(pool: RoundPool, most: number): Promise<{ windows: number; seconds: number }> {
    const { window: from, done, averageFrom, epochLoss } = this.#state;
    const { clip, clipValue } = this.#options;
    const to = Math.min(this.windows, from + most);
    // Timed inside the lock: waiting for a save or an evaluation is not the speed of training.
    return this.#target.lock.write(async () => {
      const started = performance.now();
      this.sound = false;
      const result = await pool.round({
        from,
        to,
        done,
        clip,
        clipValue,
        averageFrom: averageFrom ?? Number.POSITIVE_INFINITY,
        lossBefore: epochLoss,
      });
      this.sound = true;
      this.#target.parts.origin = { kind: 'trained' };
      const seconds = Math.max(performance.now() - started, 1e-3) / 1000;
      addRound(this.#state, result, seconds);
      return { windows: result.windows, seconds };
    });
  }

  /** What the last round is reported as. */
  report(): TrainProgress {
    const { epoch, window, tokens, epochLoss, epochTokens, lastRound } = this.#state;
    const loss = lastRound.lossSum / lastRound.tokens;
    return {
      epoch,
      epochs: this.#options.epochs,
      window,
      windows: this.windows,
      epochEnd: this.epochOver,
      tokens,
      loss,
      perplexity: Math.exp(loss),
      epochLoss: epochLoss / epochTokens,
      tokensPerSecond: lastRound.tokens / lastRound.seconds,
      gradientNorm: lastRound.gradientNorm,
      learningRate: rateAt(this.#rates!, window - 1),
    };
  }

  /** Measures held-out text and does what follows from it; the state is then that of the next epoch's start. */
  async endEpoch(): Promise<EpochEnd> {
    const state = this.#state;
    // Before anything is judged: a judgement may start the averaging.
    const counted = this.#counted;
    const heldOutLoss = await this.#measure(counted);
    const report = this.report();
    const { epochTokens, epochSeconds } = state;
    const averaging = counted !== this.#target.params;
    let best: boolean | undefined;
    if (heldOutLoss !== undefined) {
      const verdict = judge(state, this.#rules(), heldOutLoss);
      if (verdict.best) this.#plan.best?.set(counted);
      if (verdict.restore) await this.#restoreBest();
      best = verdict.best;
      Object.assign(report, { heldOutLoss, heldOutPerplexity: Math.exp(heldOutLoss), best });
      if (averaging) report.averaging = true;
    }
    const metrics: EpochMetrics = {
      epoch: report.epoch + 1,
      tokens: report.tokens,
      loss: report.epochLoss,
      perplexity: Math.exp(report.epochLoss),
      ...(heldOutLoss !== undefined && { heldOutLoss, heldOutPerplexity: Math.exp(heldOutLoss) }),
      learningRate: report.learningRate,
      tokensPerSecond: epochTokens / epochSeconds,
      seconds: epochSeconds,
      ...(best !== undefined && { best }),
      ...(averaging && heldOutLoss !== undefined && { averaging: true }),
    };
    endEpoch(state);
    return { report, metrics, best: best ? counted : undefined };
  }

  /** Puts what the run was for into the model: the best parameters, or the average. */
  async finish(): Promise<void> {
    const { params, lock } = this.#target;
    const keeps = this.#options.heldOut?.keepBest && this.#state.judgement.best !== null;
    const final = (keeps ? this.#plan.best : undefined) ?? this.#counted;
    const { averageFrom } = this.#options.optimizer;
    if (averageFrom !== undefined && !this.#averages) warnOfNoAverage(averageFrom, this.#state.done, this.#state.epoch);
    if (final !== params) await lock.write(async () => params.set(final));
  }

  /** Whether there is an average. */
  get #averages(): boolean {
    const { averageFrom, done } = this.#state;
    return averageFrom !== null && done > averageFrom;
  }

  /** The parameters that count: the average once there is one. */
  get #counted(): Float32Array<SharedArrayBuffer> {
    return this.#averages ? this.#plan.run.slots.at(-1)! : this.#target.params;
  }

  async #measure(params: Float32Array<SharedArrayBuffer>): Promise<number | undefined> {
    const { heldOut, signal } = this.#options;
    if (heldOut === undefined) return undefined;
    const loss = await corpusLoss({ ...this.#target, params }, heldOut.corpus, heldOut.streams, signal);
    return loss / (heldOut.corpus.length - 1);
  }

  #rules(): JudgeRules {
    const { schedule, learningRate, optimizer, heldOut } = this.#options;
    return {
      schedule,
      learningRate: schedule.kind === 'plateau' ? learningRate(0) : 0,
      averageFrom: optimizer.averageFrom,
      patience: heldOut?.patience ?? Number.POSITIVE_INFINITY,
    };
  }

  async #restoreBest(): Promise<void> {
    const { best, slotNames, run } = this.#plan;
    const { params, lock } = this.#target;
    await lock.write(async () => {
      if (best !== undefined) params.set(best);
      for (const [i, name] of slotNames.entries()) if (DIRECTIONS.has(name)) run.slots[i]!.fill(0);
    });
  }
}
