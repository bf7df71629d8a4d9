/**
 * npm run bench: the workloads of `workloads.mjs`, our side and the peers taking turns in one run.
 *
 *   --quick              a fraction of a second each, stock peers, nothing written: only shows that it runs
 *   --workloads W1,W3    some of the workloads
 *   --peers PyTorch      some of the peers
 *   --repeats 5          turns of each side; medians are reported
 *   --seconds 1.5        length of one turn
 *   --no-peers           our side alone
 *   --compile-limit 90   seconds that a peer may spend on compiling a variant
 *
 * TIMERNN_PYTHON names the Python that has PyTorch and NumPy (default: python3). A peer that does not run is named with
 * the reason, and the run goes on; our side failing ends it with exit code 1.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { describeMachine, resultFiles } from './machine.mjs';
import { measure } from './measure.mjs';
import { readOptions } from './options.mjs';
import { watchOthers } from './others.mjs';
import { report } from './report.mjs';

const rate = ({ name, tokensPerSecond }) => `${name} ${Math.round(tokensPerSecond)}`;

async function main() {
  const options = readOptions();
  const absent = new Map();
  const machine = describeMachine();
  const others = watchOthers();
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);
  const results = [];
  for (const workload of options.chosen) {
    for (const result of await measure(workload, options, absent)) {
      results.push(result);
      console.error(`${workload.name} × ${result.threads}, tokens/s: ${result.sides.map(rate).join(', ')}`);
    }
    // A run may take an hour; what it has so far is kept if it is stopped.
    if (!options.quick) write(report({ machine, options, absent, results }), { machine, options, absent, results });
  }
  machine.othersCores = others();
  const text = report({ machine, options, absent, results });
  console.log(`\n${text}`);
  if (!options.quick) console.log(`\nWritten: ${write(text, { machine, options, absent, results })}`);
}

/** Tables and turns as files. @returns their paths */
function write(text, { machine, options, absent, results }) {
  const { folder, json, markdown } = resultFiles(machine);
  mkdirSync(folder, { recursive: true });
  const { chosen, peers, ...settings } = options;
  const all = { machine, settings, absent: Object.fromEntries(absent), results };
  writeFileSync(json, `${JSON.stringify(all, null, 1)}\n`);
  writeFileSync(markdown, `${text}\n`);
  return `${json}, ${markdown}`;
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
