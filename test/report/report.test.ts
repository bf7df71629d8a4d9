/** The report page: what it shows, what it escapes, and that it loads nothing. */
import { Script } from 'node:vm';
import test from 'ava';
import { loadAssets } from '#src/report/assets.js';
import { client } from '#src/report/client.js';
import { escapeHtml, jsonForScript, scriptSource } from '#src/report/escape.js';
import { renderReport } from '#src/report/render.js';
import { align, chartData, MAX_POINTS, smooth, thin } from '#src/report/series.js';
import type { ReportData, ReportRound } from '#src/report/types.js';

const EVIL = `</script><script>alert("1")</script><img src=x onerror='alert(2)'><!-- & \u2028`;

const rounds: ReportRound[] = Array.from({ length: 40 }, (_, i) => ({
  tokens: (i + 1) * 1000,
  loss: 1.5 + 3 / (i + 1),
  tokensPerSecond: 50_000 + i,
  gradientNorm: 0.5 + 1 / (i + 1),
}));

const data = (change: Partial<ReportData> = {}): ReportData => ({
  title: 'A run',
  unit: 'char',
  rounds,
  epochs: [
    {
      epoch: 1,
      tokens: 20_000,
      loss: 2,
      heldOutLoss: 1.9,
      learningRate: 1,
      tokensPerSecond: 50_000,
      seconds: 20,
      sample: 'one',
    },
    {
      epoch: 2,
      tokens: 40_000,
      loss: 1.7,
      heldOutLoss: 1.6,
      learningRate: 0.5,
      tokensPerSecond: 50_000,
      seconds: 65,
      sample: 'two',
    },
  ],
  parameters: 340_000,
  tables: [{ title: 'Machine', rows: [['CPU', 'Some CPU']] }],
  date: new Date('2030-01-02T03:04:05Z'),
  ...change,
});

const render = async (change: Partial<ReportData> = {}) => renderReport(data(change), await loadAssets());

/** The page without what is inside its scripts: what the browser reads as elements. */
const markup = (html: string): string => html.replace(/(<script[^>]*>).*?(?=<\/script>)/gs, '$1');

/** The JSON that the page carries, read back as the page's script reads it. */
const carried = (html: string): Record<string, number[][]> => {
  const found = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html);
  if (found?.[1] === undefined) throw new Error('Expected the page to carry its data');
  return JSON.parse(found[1]) as Record<string, number[][]>;
};

test('the page shows results, epochs, samples and tables', async (t) => {
  const html = await render({ prompt: 'Call me ' });
  for (const part of [
    'A run',
    'Held-out perplexity',
    '4.95', // exp(1.6)
    '2.308', // 1.6 nats in bits
    '340,000',
    '1 m 05 s',
    '<b>Call me </b>two',
    'Some CPU',
    '2030-01-02 03:04 UTC',
    'class="best"',
  ]) {
    t.true(html.includes(part), part);
  }
  t.true(html.indexOf('<b>Call me </b>two') < html.indexOf('<b>Call me </b>one'), 'newest sample first');
});

test('the curves are in the page: every round, smoothed, and held out at the end of each epoch', async (t) => {
  const { loss, perplexity, epochs } = carried(await render());
  t.deepEqual(
    loss?.[0],
    rounds.map((round) => round.tokens),
  );
  t.is(loss?.[1]?.[39], 1.575);
  t.is(loss?.[3]?.[19], 1.9);
  t.is(loss?.[3]?.[20], null as unknown as number);
  t.true(Math.abs((perplexity?.[3]?.[39] ?? 0) - Math.exp(1.6)) < 1e-4);
  t.deepEqual(epochs as unknown as number[], [20_000, 40_000]);
});

test('every text is escaped, wherever it stands', async (t) => {
  const epochs = data().epochs.map((epoch) => ({ ...epoch, sample: EVIL }));
  const html = await render({
    title: EVIL,
    subtitle: EVIL,
    unit: EVIL,
    prompt: EVIL,
    epochs,
    tables: [{ title: EVIL, rows: [[EVIL, EVIL]] }],
  });
  t.false(html.includes('alert("1")'));
  t.false(html.includes('<img'));
  t.false(/onerror='/.test(html));
  // Exactly the page's own three scripts: data, uPlot, client.
  t.is(html.match(/<script/g)?.length, 3);
  t.is(html.match(/<\/script/g)?.length, 3);
});

test('escaping: entities, script ends, line separators, numbers that JSON lacks', (t) => {
  t.is(escapeHtml(`<a href="x" b='y'>&`), '&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;');
  const json = jsonForScript({ text: EVIL, bad: Number.NaN });
  t.notRegex(json, /[<>&\u2028\u2029]/);
  t.deepEqual(JSON.parse(json), { text: EVIL, bad: null });
  t.notRegex(scriptSource('a = "</script>"; b = "</SCRIPT>"; c = "<!--"'), /<\/script|<!--/i);
});

test('the page is self-contained: it refers to nothing outside and forbids itself to load', async (t) => {
  const html = await render();
  t.false(/<(link|img|iframe|object|embed|base|form|audio|video|source)\b/i.test(html));
  t.false(/\s(src|href|srcset|action|data)\s*=/i.test(markup(html)));
  t.false(/@import|url\(/i.test(html));
  t.true(/http-equiv="Content-Security-Policy" content="default-src 'none';/.test(html));
  // The only addresses are in the licence comment of the plotting library.
  const addresses = html.match(/https?:\/\/[^\s"'<)]+/g) ?? [];
  t.deepEqual(
    addresses.filter((address) => !address.startsWith('https://github.com/leeoniya/uPlot')),
    [],
  );
  t.false(/\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon)\b/.test(html));
});

test('the scripts of the page are well-formed', async (t) => {
  t.notThrows(() => new Script(client));
  const { script } = await loadAssets();
  t.notThrows(() => new Script(scriptSource(script)));
  t.false(client.includes('</script'));
});

test('a run without epochs, without held-out text, or with only one round still makes a page', async (t) => {
  const nothing = await render({ rounds: [], epochs: [], interrupted: true });
  t.true(/was stopped before its last epoch/.test(nothing));
  t.false(/<div class="chart/.test(nothing));
  const { heldOutLoss: _, sample: __, ...bare } = data().epochs[0]!;
  const page = await render({ rounds: rounds.slice(0, 1), epochs: [bare], unit: 'word' });
  t.false(/Held-out/.test(page));
  t.false(/NaN|undefined/.test(markup(page)));
});

test('thinning keeps the mean and the end, and bounds the page', (t) => {
  const many = Array.from({ length: 10 * MAX_POINTS + 3 }, (_, i) => ({ ...rounds[0]!, tokens: i + 1, loss: i % 2 }));
  const few = thin(many);
  t.true(few.length <= MAX_POINTS);
  t.is(few.at(-1)?.tokens, many.length);
  t.true(few.slice(0, -1).every((round) => Math.abs(round.loss - 0.5) < 0.05));
  t.deepEqual(thin(rounds), rounds);
});

test('smoothing: a constant stays, the start is not dragged to zero, rounds count by their tokens', (t) => {
  const flat = rounds.map((round) => ({ ...round, loss: 2 }));
  t.true(smooth(flat, 'loss', 5000).every((value) => Math.abs(value - 2) < 1e-9));
  t.is(smooth(rounds, 'loss', 5000)[0], rounds[0]?.loss);
  // One long round weighs as much as ten short ones of the same value.
  const short = Array.from({ length: 10 }, (_, i) => ({ ...rounds[0]!, tokens: 1000 + (i + 1) * 100, loss: 1 }));
  const start = { ...rounds[0]!, tokens: 1000, loss: 4 };
  const long = { ...rounds[0]!, tokens: 2000, loss: 1 };
  const bySteps = smooth([start, ...short], 'loss', 800).at(-1)!;
  t.true(Math.abs(bySteps - smooth([start, long], 'loss', 800).at(-1)!) < 1e-9);
  t.deepEqual(smooth([start, long], 'loss', 0), [4, 1]);
});

test('lines with different x are put on one axis', (t) => {
  t.deepEqual(
    align([
      { x: [1, 3], y: [10, 30] },
      { x: [2, 3], y: [200, Number.NaN] },
    ]),
    [
      [1, 2, 3],
      [10, null, 30],
      [null, 200, null],
    ],
  );
  t.deepEqual(chartData([], []).loss, [[], [], [], []]);
});
