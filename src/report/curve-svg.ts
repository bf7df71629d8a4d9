/**
 * The curve of a run as one SVG picture: perplexity of training and held-out text by epoch, on a logarithmic axis.
 * Self-contained: no script, no font, no address. Refuses to do: files, and choosing what is shown.
 */
import { escapeHtml } from './escape.js';

/** The figures of one epoch. */
export interface CurveEpoch {
  /** From 1. */
  epoch: number;
  trainPerplexity: number;
  /** Left out where nothing was held out. */
  heldOutPerplexity?: number;
}

/** A line across the picture, e.g. a target. */
export interface CurveLine {
  label: string;
  perplexity: number;
}

/** What a picture shows. */
export interface CurveData {
  title: string;
  /** One line below the title. */
  subtitle?: string;
  epochs: readonly CurveEpoch[];
  /** Epochs of the whole run, for the width of the axis. @default those that there are */
  totalEpochs?: number;
  lines?: readonly CurveLine[];
}

interface Point {
  x: number;
  y: number;
}

const WIDTH = 800;
const HEIGHT = 450;
const BOX = { left: 66, right: 776, top: 90, bottom: 398 };
const COLOUR = {
  train: '#8a94a6',
  held: '#1f5fbf',
  best: '#1f5fbf',
  line: '#c2570c',
  other: '#7a3fb0',
  grid: '#e4e7ec',
  axis: '#5b6472',
  text: '#1d2430',
};
/** About how wide words are: nobody here can measure the reader's font. */
const textWidth = (words: string, size: number): number => words.length * size * 0.57;

const round = (value: number): number => Math.round(value * 100) / 100;

/** Perplexity with as many digits as mean something. */
const shown = (value: number): string =>
  value < 10 ? value.toFixed(3) : value < 100 ? value.toFixed(2) : value < 1000 ? value.toFixed(1) : value.toFixed(0);

/** 1, 1.2, 1.5, 2, … 10 and their like in every decade: numbers that one reads without thinking. */
const MANTISSAS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
const COARSE = [1, 2, 5];
const COARSEST = [1];

/**
 * Ticks of a logarithmic axis: round numbers within the range, as many as fit.
 *
 * @param low - above 0
 */
export function logTicks(low: number, high: number, most = 9): number[] {
  const decades: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)); 10 ** exponent <= high; exponent++) decades.push(exponent);
  const of = (mantissas: readonly number[]) =>
    decades
      .flatMap((exponent) => mantissas.map((mantissa) => Number((mantissa * 10 ** exponent).toPrecision(3))))
      .filter((tick) => tick >= low && tick <= high);
  const fine = [...MANTISSAS, 1.1, 1.3, 1.4, 1.6, 1.7, 1.8, 1.9, 2.2, 3.5, 4.5, 5.5].sort((a, b) => a - b);
  const sets = [fine, MANTISSAS, [1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5], COARSE, COARSEST].map(of);
  const fits = sets.find((ticks) => ticks.length <= most);
  return fits ?? of(COARSEST);
}

/** Ticks of the epochs: 1, then multiples of a round step. */
export function epochTicks(last: number, most = 12): number[] {
  const step =
    [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000].find((size) => last / size <= most) ?? Math.ceil(last / most);
  const ticks = Array.from({ length: Math.floor(last / step) }, (_, index) => (index + 1) * step);
  return step === 1 ? ticks : [1, ...ticks];
}

const isDrawn = (value: number | undefined): value is number =>
  value !== undefined && Number.isFinite(value) && value > 0;

/** From the lowest to the highest figure with some room; the first epoch of a run may be far above all others. */
function range(data: CurveData): [low: number, high: number] {
  const values = data.epochs.flatMap(({ trainPerplexity, heldOutPerplexity }) => [trainPerplexity, heldOutPerplexity]);
  const all = [...values, ...(data.lines ?? []).map((line) => line.perplexity)].filter(isDrawn);
  if (all.length === 0) return [1, 1000];
  const low = Math.min(...all);
  const high = Math.max(...all);
  const room = Math.max(1.04, (high / low) ** 0.05);
  return [low / room, high * room];
}

function path(points: readonly Point[], colour: string, width: number): string {
  const d = points.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
  return `<path d="${d}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-linejoin="round" stroke-linecap="round"/>`;
}

const dots = (points: readonly Point[], colour: string, radius: number): string =>
  points.map(({ x, y }) => `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${colour}"/>`).join('');

interface TextStyle {
  anchor?: 'start' | 'middle' | 'end';
  size?: number;
  colour?: string;
  bold?: boolean;
  /** A white rim, for words on top of lines. */
  rim?: boolean;
}

function label(x: number, y: number, words: string, style: TextStyle = {}): string {
  const { anchor = 'start', size = 12, colour = COLOUR.axis, bold = false, rim = false } = style;
  const rimmed = rim ? ' paint-order="stroke" stroke="#fff" stroke-width="4" stroke-linejoin="round"' : '';
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${colour}" text-anchor="${anchor}"${bold ? ' font-weight="600"' : ''}${rimmed}>${escapeHtml(words)}</text>`;
}

type Scale = (value: number) => number;

function axes(x: Scale, y: Scale, ticks: readonly number[], epochs: readonly number[]): string {
  const rows = ticks.map((tick) => {
    const at = round(y(tick));
    const line = `<line x1="${BOX.left}" x2="${BOX.right}" y1="${at}" y2="${at}" stroke="${COLOUR.grid}"/>`;
    return line + label(BOX.left - 8, at + 4, String(tick), { anchor: 'end' });
  });
  const columns = epochs.map((tick) => {
    const at = round(x(tick));
    const line = `<line x1="${at}" x2="${at}" y1="${BOX.bottom}" y2="${BOX.bottom + 4}" stroke="${COLOUR.axis}"/>`;
    return line + label(at, BOX.bottom + 19, String(tick), { anchor: 'middle' });
  });
  const base = `<line x1="${BOX.left}" x2="${BOX.right}" y1="${BOX.bottom}" y2="${BOX.bottom}" stroke="${COLOUR.axis}"/>`;
  const middle = (BOX.top + BOX.bottom) / 2;
  const yName = `<text transform="translate(16 ${middle}) rotate(-90)" font-size="12" fill="${COLOUR.axis}" text-anchor="middle">perplexity (log)</text>`;
  return `${rows.join('')}${base}${columns.join('')}${label((BOX.left + BOX.right) / 2, BOX.bottom + 40, 'epoch', { anchor: 'middle' })}${yName}`;
}

/** Lines across; their names stand in the legend, where no curve can run through them. */
function across(lines: readonly CurveLine[], y: Scale): string {
  return lines
    .map((line, index) => {
      const at = round(y(line.perplexity));
      return `<line x1="${BOX.left}" x2="${BOX.right}" y1="${at}" y2="${at}" ${lineStyle(index)}/>`;
    })
    .join('');
}

/** The first line, the target, is the one to look at. */
const lineStyle = (index: number): string =>
  index === 0
    ? `stroke="${COLOUR.line}" stroke-width="1.5" stroke-dasharray="7 4"`
    : `stroke="${COLOUR.other}" stroke-width="1.5" stroke-dasharray="2 4"`;

/** Names of curves and lines in one row that ends at the right. */
function legend(hasHeld: boolean, lines: readonly CurveLine[]): string {
  const solid = (colour: string) => `stroke="${colour}" stroke-width="2.5" stroke-linecap="round"`;
  const entries: [name: string, style: string][] = [
    ['training', solid(COLOUR.train)],
    ...(hasHeld ? ([['held out', solid(COLOUR.held)]] as [string, string][]) : []),
    ...lines.map((line, index): [string, string] => [`${line.label} ${shown(line.perplexity)}`, lineStyle(index)]),
  ];
  const widths = entries.map(([name]) => 27 + textWidth(name, 12) + 22);
  let x = BOX.right + 22 - widths.reduce((sum, width) => sum + width, 0);
  return entries
    .map(([name, style], index) => {
      const key = `<line x1="${round(x)}" x2="${round(x + 20)}" y1="69" y2="69" ${style}/>`;
      const entry = key + label(x + 27, 73, name, { colour: COLOUR.text });
      x += widths[index]!;
      return entry;
    })
    .join('');
}

/** Rings the best epoch and writes its figure beside it, on the side where there is room. */
function markBest(best: CurveEpoch & { heldOutPerplexity: number }, x: Scale, y: Scale): string {
  const at = { x: x(best.epoch), y: y(best.heldOutPerplexity) };
  const anchor = at.x > BOX.right - 130 ? 'end' : at.x < BOX.left + 70 ? 'start' : 'middle';
  const words = `best ${shown(best.heldOutPerplexity)}, epoch ${best.epoch}`;
  const above = at.y - 14;
  const inside = above > BOX.top + 8 ? above : at.y + 24;
  const ring = `<circle cx="${round(at.x)}" cy="${round(at.y)}" r="5.5" fill="#fff" stroke="${COLOUR.best}" stroke-width="2.5"/>`;
  return `${ring}${label(at.x, inside, words, { anchor, colour: COLOUR.best, bold: true, size: 13, rim: true })}`;
}

/** The last epoch with the lowest held-out perplexity, as the trainer keeps it; undefined where nothing was held out. */
export function bestEpoch(epochs: readonly CurveEpoch[]): (CurveEpoch & { heldOutPerplexity: number }) | undefined {
  let best: (CurveEpoch & { heldOutPerplexity: number }) | undefined;
  for (const epoch of epochs) {
    const { heldOutPerplexity } = epoch;
    if (!isDrawn(heldOutPerplexity)) continue;
    if (best === undefined || heldOutPerplexity <= best.heldOutPerplexity) best = { ...epoch, heldOutPerplexity };
  }
  return best;
}

/** Long titles are set smaller, so that none leaves the picture. */
const titleSize = (title: string): number => round(Math.max(9, Math.min(17, (WIDTH - 40) / (title.length * 0.61))));

/**
 * The picture, 800 × 450.
 *
 * @example
 * ```ts
 * await writeFile('curve.svg', curveSvg({ title: 'A run', epochs: [{ epoch: 1, trainPerplexity: 200, heldOutPerplexity: 180 }] }));
 * ```
 */
export function curveSvg(data: CurveData): string {
  const { epochs } = data;
  const [low, high] = range(data);
  const lastEpoch = Math.max(1, data.totalEpochs ?? 1, ...epochs.map((one) => one.epoch));
  // A single epoch stands in the middle.
  const inner = { left: BOX.left + 14, right: BOX.right - 14 };
  const x: Scale = (epoch) =>
    lastEpoch === 1
      ? (inner.left + inner.right) / 2
      : inner.left + ((epoch - 1) / (lastEpoch - 1)) * (inner.right - inner.left);
  const y: Scale = (value) => BOX.bottom - (Math.log(value / low) / Math.log(high / low)) * (BOX.bottom - BOX.top);
  const curve = (value: (epoch: CurveEpoch) => number | undefined): Point[] =>
    epochs.flatMap((epoch) => {
      const perplexity = value(epoch);
      return isDrawn(perplexity) ? [{ x: x(epoch.epoch), y: y(perplexity) }] : [];
    });
  const train = curve((epoch) => epoch.trainPerplexity);
  const held = curve((epoch) => epoch.heldOutPerplexity);
  const best = bestEpoch(epochs);
  const few = epochs.length <= 60;
  const lines = (data.lines ?? []).filter((line) => isDrawn(line.perplexity));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">`,
    `<title>${escapeHtml(data.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    label(20, 30, data.title, { size: titleSize(data.title), bold: true, colour: COLOUR.text }),
    data.subtitle === undefined ? '' : label(20, 50, data.subtitle, { size: 13 }),
    legend(held.length > 0, lines),
    axes(x, y, logTicks(low, high), epochTicks(lastEpoch)),
    across(lines, y),
    train.length > 0 ? path(train, COLOUR.train, 2) : '',
    few ? dots(train, COLOUR.train, 2) : '',
    held.length > 0 ? path(held, COLOUR.held, 2.5) : '',
    few ? dots(held, COLOUR.held, 2.5) : '',
    best === undefined ? '' : markBest(best, x, y),
    '</svg>',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}
