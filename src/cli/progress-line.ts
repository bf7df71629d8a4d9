/**
 * The progress of a training run as one line of text. Pure: figures in, string out, never wider than the terminal.
 */
import type { TrainProgress } from '../train/types.js';
import { clock, compact, type Paint, perplexity, plain } from './format.js';

export interface LineOptions {
  columns: number;
  paint: Paint;
  /** Seconds that are left, or undefined where nothing can be said yet. */
  secondsLeft?: number | undefined;
}

/** Share of the whole run that is done, in [0, 1]. */
export function shareDone(progress: Pick<TrainProgress, 'epoch' | 'epochs' | 'window' | 'windows'>): number {
  const epoch = progress.windows > 0 ? progress.window / progress.windows : 1;
  return Math.min(1, (progress.epoch + epoch) / progress.epochs);
}

/** A bar of `width` cells, filled to the nearest cell. */
export function bar(share: number, width: number, paint: Paint = plain): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return paint('cyan', '━'.repeat(filled)) + paint('dim', '─'.repeat(width - filled));
}

/** The parts that stay, most important first: a narrow terminal loses the last ones. */
function fields(progress: TrainProgress, secondsLeft: number | undefined): string[] {
  return [
    `epoch ${progress.epoch + 1}/${progress.epochs}`,
    `loss ${progress.loss.toFixed(3)}`,
    `perplexity ${perplexity(progress.perplexity)}`,
    `${compact(progress.tokensPerSecond)} tokens/s`,
    ...(secondsLeft === undefined ? [] : [`${clock(secondsLeft)} left`]),
  ];
}

/**
 * The line that a terminal shows and rewrites; one column stays free so that no terminal wraps it. The bar is that of
 * the whole run, all epochs, and is called so.
 */
export function liveLine(progress: TrainProgress, options: LineOptions): string {
  const { columns, paint, secondsLeft } = options;
  const room = Math.max(0, columns - 1);
  const share = shareDone(progress);
  const head = 'run ';
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`;
  const parts = fields(progress, secondsLeft);
  const width = () => head.length + percent.length + parts.reduce((sum, part) => sum + part.length + 2, 0);
  while (parts.length > 0 && width() > room) parts.pop();
  const free = room - width() - 1;
  const cells = free >= 6 ? Math.min(30, free) : 0;
  const drawn = cells > 0 ? `${bar(share, cells, paint)} ` : '';
  const tail = parts.map((part) => `  ${part}`).join('');
  return width() > room ? `${head}${percent}`.slice(0, room) : `${paint('bold', head)}${drawn}${percent}${tail}`;
}

/** The line that a log file gets. */
export function logLine(progress: TrainProgress, secondsLeft: number | undefined): string {
  return [`run ${Math.floor(shareDone(progress) * 100)}%`, ...fields(progress, secondsLeft)].join('  ');
}
