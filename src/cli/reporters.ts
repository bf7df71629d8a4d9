/**
 * The faces of a training run: a line that rewrites itself, plain lines for log files, JSON lines for programs.
 * Refuses to do: training, files.
 */

import type { ReportEpoch } from '../report/types.js';
import type { TrainProgress } from '../train/types.js';
import {
  bits,
  bitsUnit,
  cellName,
  clock,
  compact,
  count,
  perplexity,
  printable,
  shellQuote,
  tokenNoun,
} from './format.js';
import type { Interrupted } from './interrupt.js';
import { jsonLine, type Sink, type TerminalAbilities } from './output.js';
import { liveLine, logLine } from './progress-line.js';
import type { ResultFigure, RunFacts, TrainingEnd } from './run-facts.js';

/** What a run leaves behind. */
export type SavedThing = 'model' | 'report' | 'results' | 'curve';

const SAVED: Record<SavedThing, string> = {
  model: 'Model saved',
  report: 'Report',
  results: 'Results',
  curve: 'Curve',
};

/** Listens to a run. Each method is optional in effect: an empty one is fine. */
export interface Reporter {
  start(facts: RunFacts): void;
  progress(progress: TrainProgress, secondsLeft: number | undefined): void;
  /** The run does something that is no training and takes a while. */
  busy(what: string): void;
  epoch(epoch: ReportEpoch, epochs: number): void;
  saved(what: SavedThing, path: string): void;
  /** The figures of a recipe's finished run. */
  results(figures: readonly ResultFigure[], remark: string): void;
  /** `remark`: what has to be said of the model that is left. */
  interrupted(reason: Interrupted, goOn: string | undefined, remark?: string): void;
  done(end: TrainingEnd): void;
}

/** Breaks text at spaces, behind a margin; line breaks of the text stay. */
export function block(text: string, columns: number, margin: string): string[] {
  const width = Math.max(20, Math.min(columns, 100) - margin.length - 1);
  const lines: string[] = [];
  for (const paragraph of printable(text).split('\n')) {
    let rest = paragraph;
    while (rest.length > width) {
      const space = rest.lastIndexOf(' ', width);
      const cut = space > 0 ? space : width;
      lines.push(rest.slice(0, cut));
      rest = rest.slice(space > 0 ? cut + 1 : cut);
    }
    lines.push(rest);
  }
  return lines.map((line) => margin + line);
}

/** Back to the start of the line, and erases it. */
export const CLEAR_LINE = '\r\u001b[K';

/** What --resume finds. */
function resumeWords({ resume, epochs }: RunFacts): string {
  if (resume === undefined) return '';
  if (resume === 'new') return ' (holds nothing to go on with: a new run starts there)';
  const { epoch, window } = resume;
  if (epoch > epochs) return `, where ${count(epoch - 1)} epoch${epoch === 2 ? ' is' : 's are'} done`;
  return `, goes on from ${window === 0 ? 'the start' : `window ${count(window)}`} of epoch ${count(epoch)}`;
}

/**
 * For people. On a terminal one line is rewritten in place. Elsewhere the first line comes after a few seconds, and the
 * others further and further apart, so that the log of a long run stays short.
 */
export class TextReporter implements Reporter {
  readonly #sink: Sink;
  readonly #abilities: () => TerminalAbilities;
  readonly #now: () => number;
  readonly #everyMs: number;
  #facts: RunFacts | undefined;
  #averaging = false;
  #liveShown = false;
  #started: number | undefined;
  #lastLine = 0;

  /**
   * @param abilities asked for each line, since a terminal may be resized
   * @param now milliseconds, for the distance between plain lines
   * @param everyMs the shortest such distance; it grows to a tenth of the time so far, up to a minute
   */
  constructor(sink: Sink, abilities: () => TerminalAbilities, now: () => number = Date.now, everyMs = 5000) {
    this.#sink = sink;
    this.#abilities = abilities;
    this.#now = now;
    this.#everyMs = everyMs;
  }

  /** A line that stays. */
  line(text = ''): void {
    this.#sink.write(`${this.#liveShown ? CLEAR_LINE : ''}${text}\n`);
    this.#liveShown = false;
  }

  start(facts: RunFacts): void {
    this.#facts = facts;
    const { paint } = this.#abilities();
    const noun = tokenNoun(facts.unit);
    const layers = facts.layers.map((layer) => `${cellName(layer)} ${layer.size}`).join(' → ');
    const held = facts.heldOutTokens > 0 ? `, ${count(facts.heldOutTokens)} held out` : '';
    const fact = (name: string, value: string) => this.line(`${paint('dim', name.padEnd(9))} ${printable(value)}`);
    if (facts.recipe !== undefined) {
      fact('recipe', `${facts.recipe.name}: ${facts.recipe.title}`);
      fact('published', facts.recipe.published);
      fact('target', facts.recipe.target);
    }
    fact('corpus', `${count(facts.trainTokens)} ${noun}${held}, vocabulary ${count(facts.vocabulary)}`);
    fact(
      'model',
      `embedding ${facts.embedding} → ${layers} → softmax${facts.tied ? ' (tied)' : ''}, ${count(facts.parameters)} parameters${facts.dropout === undefined ? '' : `, dropout: ${facts.dropout}`}`,
    );
    fact(
      'training',
      `${facts.epochs} epoch${facts.epochs === 1 ? '' : 's'}, ${facts.streams} streams × ${facts.window} steps, ${facts.workers} worker${facts.workers === 1 ? '' : 's'}, ${facts.optimizer}, step size ${facts.schedule}`,
    );
    if (facts.run !== undefined) fact('run', `${facts.run}${resumeWords(facts)}`);
    fact('saves to', `${facts.out}${facts.replaces ? ' (replaces the file that is there)' : ''}`);
    this.line();
  }

  progress(progress: TrainProgress, secondsLeft: number | undefined): void {
    const { live, columns, paint } = this.#abilities();
    if (live) this.#show(liveLine(progress, { columns, paint, secondsLeft }));
    else if (this.#isLineDue()) this.line(logLine(progress, secondsLeft));
  }

  #isLineDue(): boolean {
    const now = this.#now();
    if (this.#started === undefined) {
      this.#started = now;
      this.#lastLine = now;
    }
    const distance = Math.max(this.#everyMs, Math.min(60_000, (now - this.#started) / 10));
    if (now - this.#lastLine < distance) return false;
    this.#lastLine = now;
    return true;
  }

  busy(what: string): void {
    const { live, columns, paint } = this.#abilities();
    if (live) this.#show(paint('dim', what.slice(0, columns - 1)));
  }

  epoch(epoch: ReportEpoch, epochs: number): void {
    const { columns, paint } = this.#abilities();
    const unit = this.#facts?.unit ?? 'token';
    const held = epoch.heldOutLoss;
    const heldText =
      held === undefined
        ? ''
        : `, held out ${paint('green', perplexity(Math.exp(held)))} (${bits(held).toFixed(2)} ${bitsUnit(unit)})`;
    if (epoch.averaging && !this.#averaging) {
      this.#averaging = true;
      this.line('Held-out text is measured with the average of the parameters now.');
    }
    // Short enough for 80 columns.
    const name = paint('bold', `epoch ${epoch.epoch}/${epochs}`);
    const speed = paint('dim', `${compact(epoch.tokensPerSecond)} tok/s`);
    this.line(`${name}  perplexity ${perplexity(Math.exp(epoch.loss))}${heldText}  ${speed}`);
    if (epoch.sample !== undefined) {
      const text = `${this.#facts?.prompt ?? ''}${epoch.sample}`;
      for (const line of block(text, columns, '  │ ')) this.line(paint('dim', line));
      this.line();
    }
    this.#lastLine = this.#now();
  }

  saved(what: SavedThing, path: string): void {
    this.line(`${SAVED[what]}: ${path}`);
  }

  results(figures: readonly ResultFigure[], remark: string): void {
    const { paint } = this.#abilities();
    const width = Math.max(...figures.map(({ name }) => name.length));
    this.line();
    for (const { name, perplexity: value } of figures) {
      this.line(`${name.padEnd(width)}  perplexity ${paint('green', perplexity(value))}`);
    }
    if (remark !== '') this.line(remark);
  }

  interrupted(reason: Interrupted, goOn: string | undefined, remark?: string): void {
    this.line(`Stopped by ${reason.signalName}.`);
    if (remark !== undefined) this.line(remark);
    this.line(goOn === undefined ? 'All epochs were done.' : `Go on with: ${goOn}`);
  }

  done({ seconds, done, epochs, kept }: TrainingEnd): void {
    const early = done < epochs ? ` Ended after epoch ${done} of ${epochs}: held-out text got no better.` : '';
    const of = kept === undefined || kept === done ? '' : ` The model is that of epoch ${kept}, the best.`;
    this.line(`Trained for ${clock(seconds)}.${early}${of}`);
  }

  #show(text: string): void {
    this.#sink.write(`${CLEAR_LINE}${text}`);
    this.#liveShown = true;
  }
}

/** For programs: one object a line, told apart by `event`. Epochs count from 1, as everywhere on the command line. */
export class JsonReporter implements Reporter {
  readonly #sink: Sink;
  #unit = 'token';

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  start(facts: RunFacts): void {
    this.#unit = facts.unit;
    this.#write({ event: 'start', ...facts });
  }

  progress(progress: TrainProgress, secondsLeft: number | undefined): void {
    const epoch = progress.epoch + 1;
    this.#write({ event: 'progress', ...progress, epoch, ...(secondsLeft === undefined ? {} : { secondsLeft }) });
  }

  busy(): void {}

  epoch(epoch: ReportEpoch, epochs: number): void {
    const held = epoch.heldOutLoss;
    const heldOut =
      held === undefined
        ? {}
        : { heldOut: { loss: held, perplexity: Math.exp(held), bitsPerToken: bits(held), unit: this.#unit } };
    const { heldOutLoss: _, ...rest } = epoch;
    this.#write({ event: 'epoch', ...rest, epochs, perplexity: Math.exp(epoch.loss), ...heldOut });
  }

  saved(what: SavedThing, path: string): void {
    this.#write({ event: 'saved', what, path });
  }

  results(figures: readonly ResultFigure[]): void {
    this.#write({ event: 'results', figures });
  }

  interrupted(reason: Interrupted, goOn: string | undefined, remark?: string): void {
    const more = { ...(goOn === undefined ? {} : { goOn }), ...(remark === undefined ? {} : { remark }) };
    this.#write({ event: 'interrupted', signal: reason.signalName, ...more });
  }

  done(end: TrainingEnd): void {
    this.#write({ event: 'done', ...end });
  }

  #write(value: object): void {
    this.#sink.write(jsonLine(value));
  }
}

/** Tells several reporters the same. */
export function both(reporters: readonly Reporter[]): Reporter {
  return {
    start: (facts) => reporters.forEach((to) => void to.start(facts)),
    progress: (progress, left) => reporters.forEach((to) => void to.progress(progress, left)),
    busy: (what) => reporters.forEach((to) => void to.busy(what)),
    epoch: (epoch, epochs) => reporters.forEach((to) => void to.epoch(epoch, epochs)),
    saved: (what, path) => reporters.forEach((to) => void to.saved(what, path)),
    results: (figures, remark) => reporters.forEach((to) => void to.results(figures, remark)),
    interrupted: (reason, goOn, remark) => reporters.forEach((to) => void to.interrupted(reason, goOn, remark)),
    done: (end) => reporters.forEach((to) => void to.done(end)),
  };
}

/** A command line as one would type it. */
export const commandLine = (words: readonly string[]): string => words.map(shellQuote).join(' ');
