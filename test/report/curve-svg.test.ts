/** The curve picture: well-formed, self-contained, and with the figures of the run in it. */
import test from 'ava';
import { bestEpoch, type CurveData, curveSvg, epochTicks, logTicks } from '#src/report/curve-svg.js';

const data = (change: Partial<CurveData> = {}): CurveData => ({
  title: 'A run',
  subtitle: 'LSTM 2 × 200',
  epochs: [
    { epoch: 1, trainPerplexity: 600, heldOutPerplexity: 380 },
    { epoch: 2, trainPerplexity: 220, heldOutPerplexity: 130.25 },
    { epoch: 3, trainPerplexity: 100, heldOutPerplexity: 141 },
  ],
  lines: [{ label: 'target (test)', perplexity: 115 }],
  ...change,
});

/** Every element is closed, in order, and attributes are quoted: enough to know that a parser takes it. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([a-z]+)((?:\s[\w:-]+="[^"<]*")*)(\s*\/?)>/g,
    (_, end: string, name: string, __, close: string) => {
      if (end === '/') {
        if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      } else if (!close.includes('/')) open.push(name);
      return '';
    },
  );
  if (open.length > 0) throw new Error(`${open.join(', ')} not closed`);
  if (/[<>]|&(?!(?:amp|lt|gt|quot|#39);)/.test(rest)) throw new Error(`stray markup: ${rest.slice(0, 200)}`);
}

test('it is well-formed and shows title, ticks, legend, the best epoch and the target', (t) => {
  const svg = curveSvg(data());
  t.notThrows(() => assertWellFormed(svg));
  for (const part of [
    'A run',
    'LSTM 2 × 200',
    'best 130.3, epoch 2',
    'target (test) 115.0',
    'training',
    'held out',
    '>200<',
  ]) {
    t.true(svg.includes(part), part);
  }
  t.regex(svg, /viewBox="0 0 800 450"/);
  t.notRegex(svg, /NaN|Infinity|undefined/);
});

test('it loads nothing and runs nothing', (t) => {
  const svg = curveSvg(data());
  t.notRegex(svg, /<(script|image|style|foreignObject|use)|href|url\(/);
});

test('words are escaped wherever they stand', (t) => {
  const evil = `<script>"&'`;
  const svg = curveSvg(data({ title: evil, subtitle: evil, lines: [{ label: evil, perplexity: 100 }] }));
  t.notThrows(() => assertWellFormed(svg));
  t.false(svg.includes('<script'));
});

test('points lie inside the picture, lower perplexities lower', (t) => {
  const svg = curveSvg(data({ totalEpochs: 10 }));
  const paths = [...svg.matchAll(/<path d="([^"]+)"/g)].map(([, d]) =>
    [...d!.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => ({ x: Number(x), y: Number(y) })),
  );
  t.is(paths.length, 2);
  for (const points of paths) {
    t.is(points.length, 3);
    t.true(points.every(({ x, y }) => x > 0 && x < 800 && y > 0 && y < 450));
  }
  const [first, second, third] = paths[0]!;
  t.true(first!.y < second!.y && second!.y < third!.y, 'the y axis of SVG points down');
  t.true(third!.x < 300, 'three of ten epochs fill less than a third of the axis');
});

test('one epoch, none, nothing held out and figures that are no numbers still make a picture', (t) => {
  for (const epochs of [
    [],
    [{ epoch: 1, trainPerplexity: 5 }],
    [{ epoch: 1, trainPerplexity: Number.NaN, heldOutPerplexity: Number.POSITIVE_INFINITY }],
  ]) {
    const svg = curveSvg({ title: 'x', epochs });
    t.notThrows(() => assertWellFormed(svg));
    t.notRegex(svg, /NaN|Infinity|undefined|held out/);
  }
});

test('the best epoch is the last with the lowest held-out perplexity', (t) => {
  t.is(bestEpoch(data().epochs)?.epoch, 2);
  t.is(bestEpoch([{ epoch: 1, trainPerplexity: 3 }]), undefined);
  const equal = [7, 5, 5, 6].map((heldOutPerplexity, i) => ({ epoch: i + 1, trainPerplexity: 3, heldOutPerplexity }));
  t.is(bestEpoch(equal)?.epoch, 3);
});

test('ticks are round numbers inside the range, and not too many', (t) => {
  t.deepEqual(logTicks(65, 720), [70, 100, 150, 200, 300, 400, 500, 700]);
  t.deepEqual(logTicks(0.9, 430), [1, 2, 5, 10, 20, 50, 100, 200]);
  for (const [low, high] of [
    [1.01, 1.4],
    [3, 9],
    [80, 95],
    [100, 30_000],
    [1, 1e9],
  ] as const) {
    const ticks = logTicks(low, high);
    t.true(ticks.length >= 1 && ticks.length <= 10, `${low} to ${high}: ${ticks.join(', ')}`);
    t.true(ticks.every((tick) => tick >= low && tick <= high));
  }
  t.deepEqual(epochTicks(4), [1, 2, 3, 4]);
  t.deepEqual(epochTicks(40), [1, 5, 10, 15, 20, 25, 30, 35, 40]);
  t.true(epochTicks(500).length <= 13);
});
