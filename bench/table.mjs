/** Text tables that are markdown as well, and how numbers look in them. */

/** Columns as wide as their longest cell, all but the first to the right. */
export function table(head, rows) {
  const all = [head, ...rows].map((row) => Array.from(row, (cell) => String(cell ?? '–')));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const pad = (cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  const line = (row) => `| ${row.map(pad).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(all[0]), line(rule), ...all.slice(1).map(line)].join('\n');
}

export function tokens(rate) {
  if (rate === undefined) return undefined;
  if (rate < 1000) return rate.toFixed(0);
  return `${(rate / 1000).toFixed(rate < 10_000 ? 2 : rate < 100_000 ? 1 : 0)}k`;
}

export const percent = (share) => (share === undefined ? undefined : `${(share * 100).toFixed(0)} %`);
export const times = (ratio) => (ratio === undefined ? undefined : ratio.toFixed(2));
export const megabytes = (bytes) => (bytes === undefined ? undefined : `${(bytes / 2 ** 20).toFixed(0)} MB`);
