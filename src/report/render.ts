/**
 * Renders a training run as one self-contained HTML page: curves, a table of epochs, samples, settings.
 * Refuses to do: network access (the page forbids it to itself), file access, measuring.
 */
import type { ReportAssets } from './assets.js';
import { client } from './client.js';
import { escapeHtml, jsonForScript, scriptSource, styleSource } from './escape.js';
import { chartData } from './series.js';
import { style } from './style.js';
import type { ReportData, ReportEpoch, ReportTable } from './types.js';

// The page may run what is inside it and load nothing at all.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

const whole = new Intl.NumberFormat('en-GB');
const bits = (loss: number): string => (loss / Math.LN2).toFixed(3);
const perplexity = (loss: number): string => {
  const value = Math.exp(loss);
  return value < 1000 ? value.toFixed(2) : whole.format(Math.round(value));
};

/** Seconds as `1 m 05 s` or `2 h 03 m`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return minutes < 60
    ? `${minutes} m ${rest(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${rest(minutes % 60)} m`;
}

function bestEpoch(epochs: readonly ReportEpoch[]): ReportEpoch | undefined {
  const scored = epochs.filter((epoch) => Number.isFinite(epoch.heldOutLoss));
  return scored.reduce<ReportEpoch | undefined>(
    (best, epoch) => (best && best.heldOutLoss! < epoch.heldOutLoss! ? best : epoch),
    undefined,
  );
}

function tile(name: string, value: string, small = '', lead = false): string {
  const more = small ? `<small>${escapeHtml(small)}</small>` : '';
  return `<dl class="tile${lead ? ' lead' : ''}"><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}${more}</dd></dl>`;
}

function tiles(data: ReportData): string {
  const last = data.epochs.at(-1);
  const best = bestEpoch(data.epochs);
  const out: string[] = [];
  const per = data.unit === 'char' ? 'bits a character' : `bits a ${data.unit}`;
  if (best?.heldOutLoss !== undefined) {
    const when = best === last ? '' : `, epoch ${best.epoch}`;
    out.push(
      tile('Held-out perplexity', perplexity(best.heldOutLoss), `${bits(best.heldOutLoss)} ${per}${when}`, true),
    );
  }
  if (last) out.push(tile('Training perplexity', perplexity(last.loss), `${bits(last.loss)} ${per}, last epoch`));
  const seconds = data.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const tokens = data.rounds.at(-1)?.tokens ?? last?.tokens ?? 0;
  const noun = data.unit === 'char' ? 'characters' : `${data.unit}s`;
  if (last && seconds > 0) {
    // Not the tokens of the last epoch's end: of a run that went on, the epochs here may be a part.
    const trained = data.epochs.reduce((sum, epoch) => sum + epoch.tokensPerSecond * epoch.seconds, 0);
    out.push(tile('Speed', `${whole.format(Math.round(trained / seconds))}/s`, `${noun} in training`));
    out.push(tile('Training time', duration(seconds), `${whole.format(tokens)} ${noun}`));
  }
  out.push(tile('Parameters', whole.format(data.parameters), `${(data.parameters * 4e-6).toFixed(1)} MB as float32`));
  return `<section class="tiles" aria-label="Results">${out.join('')}</section>`;
}

function chart(kind: string, title: string, remark: string, small = false): string {
  return `<section class="card"><h2>${title}<small>${remark}</small></h2><div class="chart${small ? ' small' : ''}" data-chart="${kind}" role="img" aria-label="${title} over predicted tokens"></div></section>`;
}

function epochTable(data: ReportData): string {
  if (data.epochs.length === 0) return '';
  const held = data.epochs.some((epoch) => epoch.heldOutLoss !== undefined);
  const best = bestEpoch(data.epochs);
  const unit = data.unit === 'char' ? 'Bits / character' : `Bits / ${escapeHtml(data.unit)}`;
  const head = ['Epoch', 'Training loss', 'Training perplexity']
    .concat(held ? ['Held-out loss', 'Held-out perplexity', unit] : [])
    .concat(['Learning rate', 'Tokens / s', 'Time']);
  const rows = data.epochs.map((epoch) => {
    const loss = epoch.heldOutLoss;
    const heldCells = loss === undefined ? ['–', '–', '–'] : [loss.toFixed(4), perplexity(loss), bits(loss)];
    const cells = [String(epoch.epoch), epoch.loss.toFixed(4), perplexity(epoch.loss)]
      .concat(held ? heldCells : [])
      .concat([
        String(Number(epoch.learningRate.toPrecision(4))),
        whole.format(Math.round(epoch.tokensPerSecond)),
        duration(epoch.seconds),
      ]);
    const best_ = epoch === best && data.epochs.length > 1 ? ' class="best"' : '';
    return `<tr${best_}>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  return `<section class="card"><h2>Epochs<small>loss in nats a token${held ? '; the best held-out epoch is highlighted' : ''}</small></h2><div class="scroll"><table class="epochs"><thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`;
}

function samples(data: ReportData): string {
  const written = data.epochs.filter((epoch) => epoch.sample !== undefined && epoch.sample !== '');
  if (written.length === 0) return '';
  const prompt = data.prompt ? `<b>${escapeHtml(data.prompt)}</b>` : '';
  const articles = written
    .map((epoch) => {
      const score = epoch.heldOutLoss === undefined ? '' : `, held-out perplexity ${perplexity(epoch.heldOutLoss)}`;
      return `<article><h3>After epoch ${epoch.epoch}${score}</h3><pre>${prompt}${escapeHtml(epoch.sample ?? '')}</pre></article>`;
    })
    .reverse();
  const remark = prompt ? 'what the model wrote after each epoch, newest first; the prompt in bold' : 'newest first';
  return `<section class="card"><h2>Samples<small>${remark}</small></h2><div class="samples">${articles.join('')}</div></section>`;
}

function facts(table: ReportTable): string {
  const rows = table.rows.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<section class="card"><h2>${escapeHtml(table.title)}</h2><table class="facts"><tbody>${rows.join('')}</tbody></table></section>`;
}

function charts(data: ReportData): string {
  if (data.rounds.length === 0) return '';
  const remark = 'training and held out, over tokens';
  return `<div class="grid">${chart('perplexity', 'Perplexity', remark)}${chart('loss', 'Loss', 'nats a token')}${chart('speed', 'Speed', 'tokens a second', true)}${chart('gradient', 'Gradient norm', 'before clipping', true)}</div><noscript><p class="note">The curves need JavaScript; the table below has the figures of each epoch.</p></noscript>`;
}

/**
 * @param data what the run collected
 * @param assets the plotting library, from `loadAssets`
 * @returns a complete HTML page that loads nothing from anywhere
 *
 * @example
 * ```ts
 * await writeFile('report.html', renderReport(data, await loadAssets()));
 * ```
 */
export function renderReport(data: ReportData, assets: ReportAssets): string {
  const subtitle = data.subtitle ? `<p>${escapeHtml(data.subtitle)}</p>` : '';
  const note = data.interrupted
    ? '<p class="note">This run was stopped before its last epoch; the model was saved as it was then.</p>'
    : '';
  const date = data.date.toISOString().slice(0, 16).replace('T', ' ');
  return `<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="timernn">
<title>${escapeHtml(data.title)}</title>
<style>${styleSource(assets.style)}${style}</style>
</head>
<body>
<main>
<header><div><h1>${escapeHtml(data.title)}</h1>${subtitle}</div><button class="theme" type="button">Dark</button></header>
${note}${tiles(data)}
${charts(data)}
<div class="stack">${samples(data)}${epochTable(data)}</div>
<div class="grid">${data.tables.map(facts).join('')}</div>
<footer>Written by timernn on ${date} UTC. Drag across a chart to zoom, double-click to see it whole.</footer>
</main>
<script type="application/json" id="data">${jsonForScript(chartData(data.rounds, data.epochs))}</script>
<script>${scriptSource(assets.script)}</script>
<script>${client}</script>
</body>
</html>
`;
}
