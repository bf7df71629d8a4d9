/** The page's own style sheet. Colours are variables, so that charts and page change theme together. */
export const style = `
:root {
  color-scheme: light;
  --page: #f6f7f9; --card: #ffffff; --line: #e2e6ec; --text: #17202e; --soft: #5b6778; --grid: #edf0f4;
  --train: #2563eb; --train-faint: #2563eb40; --held: #d9480f; --speed: #0f8a5f; --speed-faint: #0f8a5f40;
  --gradient: #7c4dce; --note: #fff6e5; --note-line: #f0c36d; --shadow: 0 1px 2px #1018280d, 0 4px 16px #1018280a;
}
:root[data-theme="dark"] {
  color-scheme: dark;
  --page: #0d1117; --card: #161c26; --line: #283242; --text: #e6ebf2; --soft: #93a1b5; --grid: #222b39;
  --train: #6ea8fe; --train-faint: #6ea8fe4d; --held: #ff9d5c; --speed: #4fd1a1; --speed-faint: #4fd1a14d;
  --gradient: #b794f6; --note: #2b2412; --note-line: #7a5d1a; --shadow: none;
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 24px; }
header { display: flex; gap: 16px; align-items: flex-start; justify-content: space-between; margin-bottom: 24px; }
h1 { margin: 0; font-size: 28px; line-height: 1.2; letter-spacing: -0.02em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 15px; font-weight: 650; letter-spacing: -0.005em; }
h2 small { color: var(--soft); font-weight: 400; font-size: 13px; margin-left: 6px; }
header p { margin: 6px 0 0; color: var(--soft); overflow-wrap: anywhere; }
button.theme {
  flex: none; border: 1px solid var(--line); background: var(--card); color: var(--soft); border-radius: 8px;
  padding: 6px 12px; font: inherit; font-size: 13px; cursor: pointer;
}
button.theme:hover, button.theme:focus-visible { color: var(--text); border-color: var(--soft); }
.note { background: var(--note); border: 1px solid var(--note-line); border-radius: 10px; padding: 10px 16px; margin: 0 0 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(168px, 1fr)); gap: 14px; margin: 0 0 20px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); }
.tile { margin: 0; padding: 14px 18px; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { margin: 2px 0 0; font-size: 26px; font-weight: 650; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; line-height: 1.25; }
.tile dd small { display: block; font-size: 12.5px; font-weight: 400; letter-spacing: 0; color: var(--soft); margin-top: 1px; }
.tile.lead dd { color: var(--held); }
.card { padding: 18px 20px; min-width: 0; }
.grid { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; margin-bottom: 20px; }
.stack > .card { margin-bottom: 20px; }
.chart { min-height: 260px; }
.chart.small { min-height: 170px; }
.uplot { width: 100%; font-family: inherit; }
.uplot .u-legend { margin: 6px 0 0; text-align: left; font-size: 12.5px; color: var(--soft); }
.uplot .u-legend th { font-weight: 500; padding-left: 0; }
.uplot .u-legend .u-value { color: var(--text); font-variant-numeric: tabular-nums; min-width: 3.1em; }
.uplot .u-inline tr { margin-right: 10px; }
.uplot .u-select { background: color-mix(in srgb, var(--train) 14%, transparent); }
.uplot .u-cursor-x, .uplot .u-cursor-y { border-color: var(--soft); }
.hint { color: var(--soft); font-size: 12.5px; margin: 8px 0 0; }
.scroll { overflow-x: auto; margin: 0 -20px -18px; padding: 0 20px 12px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
.epochs th, .epochs td { text-align: right; padding: 7px 0 7px 18px; border-top: 1px solid var(--grid); white-space: nowrap; }
.epochs thead th { color: var(--soft); font-weight: 500; font-size: 13px; border-top: 0; }
.epochs th:first-child, .epochs td:first-child { text-align: left; padding-left: 0; }
.epochs tr.best td { color: var(--held); font-weight: 600; }
.facts th { text-align: left; color: var(--soft); font-weight: 400; padding: 5px 16px 5px 0; vertical-align: top; width: 42%; }
.facts td { padding: 5px 0; overflow-wrap: anywhere; }
.facts tr + tr th, .facts tr + tr td { border-top: 1px solid var(--grid); }
.samples { display: grid; gap: 14px; }
.samples article { max-width: 820px; border-left: 3px solid var(--train-faint); padding: 2px 0 2px 16px; }
.samples article:first-child { border-left-color: var(--held); }
.samples h3 { margin: 0 0 4px; font-size: 13px; font-weight: 500; color: var(--soft); }
.samples pre {
  margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 15.5px; line-height: 1.55;
  font-family: "Iowan Old Style", Charter, "Palatino Linotype", Georgia, serif;
}
.samples b { font-weight: 600; }
footer { color: var(--soft); font-size: 13px; padding: 4px 0 8px; }
@media (max-width: 860px) { .grid { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 520px) {
  main { padding: 20px 14px; } h1 { font-size: 23px; } .card { padding: 14px; } .scroll { margin: 0 -14px -14px; padding: 0 14px 10px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 10px; } .tile { padding: 12px 14px; } .tile dd { font-size: 21px; }
}
@media print { button.theme, .hint { display: none; } body { background: #fff; } .card, .tile { box-shadow: none; break-inside: avoid; } }
`;
