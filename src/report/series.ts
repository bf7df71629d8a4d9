/**
 * From rounds and epochs to aligned chart columns: thinned, smoothed, on one x axis (predicted tokens).
 */
import type { ReportEpoch, ReportRound } from './types.js';

/** Columns of one chart: x first, then one column a line; null where a line has no point. */
export type Columns = (number | null)[][];

export interface ChartData {
  loss: Columns;
  perplexity: Columns;
  speed: Columns;
  gradient: Columns;
  /** x of the end of each epoch. */
  epochs: number[];
}

/** Most points that a line keeps: about the pixels of a wide chart, so that long runs do not make heavy pages. */
export const MAX_POINTS = 1500;

/** Averages neighbours until at most `limit` rounds are left. The last x of each group is kept. */
export function thin(rounds: readonly ReportRound[], limit = MAX_POINTS): ReportRound[] {
  const group = Math.ceil(rounds.length / limit);
  if (group <= 1) return [...rounds];
  const out: ReportRound[] = [];
  for (let from = 0; from < rounds.length; from += group) {
    const part = rounds.slice(from, from + group);
    const mean = (key: keyof ReportRound) => part.reduce((sum, round) => sum + round[key], 0) / part.length;
    out.push({
      tokens: part[part.length - 1]!.tokens,
      loss: mean('loss'),
      tokensPerSecond: mean('tokensPerSecond'),
      gradientNorm: mean('gradientNorm'),
    });
  }
  return out;
}

/**
 * Exponential moving average over tokens, not over points: rounds differ in length. The weight of a point falls to 1/e
 * after `span` tokens; the start is corrected for the missing past.
 */
export function smooth(rounds: readonly ReportRound[], key: 'loss' | 'tokensPerSecond', span: number): number[] {
  let mean = 0;
  let weight = 0;
  let before = 0;
  return rounds.map((round) => {
    const keep = span > 0 ? Math.exp(-(round.tokens - before) / span) : 0;
    before = round.tokens;
    mean = mean * keep + round[key] * (1 - keep);
    weight = weight * keep + (1 - keep);
    return weight > 0 ? mean / weight : round[key];
  });
}

const rounded = (value: number): number | null => (Number.isFinite(value) ? Number(value.toPrecision(6)) : null);

/** Puts lines with different x on one x axis, as uPlot wants them. */
export function align(lines: readonly { x: readonly number[]; y: readonly number[] }[]): Columns {
  const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const position = new Map(xs.map((x, index) => [x, index]));
  const columns = lines.map((line) => {
    const column: (number | null)[] = new Array(xs.length).fill(null);
    line.x.forEach((x, index) => {
      column[position.get(x)!] = rounded(line.y[index] ?? Number.NaN);
    });
    return column;
  });
  return [xs, ...columns];
}

/** All columns of the page. Lines: per round, smoothed, held out (or a subset of them). */
export function chartData(allRounds: readonly ReportRound[], epochs: readonly ReportEpoch[]): ChartData {
  const rounds = thin(allRounds);
  const x = rounds.map((round) => round.tokens);
  const span = (x[x.length - 1] ?? 0) / 100;
  const loss = smooth(rounds, 'loss', span);
  const heldOut = epochs.filter((epoch) => epoch.heldOutLoss !== undefined);
  const heldX = heldOut.map((epoch) => epoch.tokens);
  const heldLoss = heldOut.map((epoch) => epoch.heldOutLoss ?? Number.NaN);
  return {
    loss: align([
      { x, y: rounds.map((round) => round.loss) },
      { x, y: loss },
      { x: heldX, y: heldLoss },
    ]),
    perplexity: align([
      { x, y: rounds.map((round) => Math.exp(round.loss)) },
      { x, y: loss.map(Math.exp) },
      { x: heldX, y: heldLoss.map(Math.exp) },
    ]),
    speed: align([
      { x, y: rounds.map((round) => round.tokensPerSecond) },
      { x, y: smooth(rounds, 'tokensPerSecond', span) },
    ]),
    gradient: align([{ x, y: rounds.map((round) => round.gradientNorm) }]),
    epochs: epochs.map((epoch) => epoch.tokens),
  };
}
