/**
 * npm run bench:profile: where the time of a step goes, workload by workload.
 *
 *   --workloads W1,W3    some of the workloads (language models and layers alone)
 *   --workers 2          threads of our side
 *   --seconds 3          how long each workload is watched
 *
 * The runner says what each window spent in compute, reduction, update and waiting at barriers. What happens inside the
 * compute is sampled with Linux's perf and told apart by the functions on the stack; without perf the run says so and
 * shows the runner's figures alone.
 */
import { parseArgs } from 'node:util';
import { choose, positive } from './options.mjs';
import { findPerf, record, sampleStacks } from './profile/perf.mjs';
import { CATEGORIES, categoryOf } from './profile/rules.mjs';
import { here, Side } from './side.mjs';
import { percent, table } from './table.mjs';
import { workloads } from './workloads.mjs';

function readOptions() {
  const watched = workloads.filter(({ kind }) => kind !== 'step');
  const { values } = parseArgs({
    options: {
      workloads: { type: 'string' },
      workers: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '3' },
    },
  });
  return {
    chosen: values.workloads === undefined ? watched : choose('workloads', values.workloads, watched),
    workers: Math.ceil(positive('workers', values.workers)),
    seconds: positive('seconds', values.seconds),
  };
}

/** Samples a category, as parts of the samples within the compute. */
function splitCompute(stacks) {
  const counts = new Map(CATEGORIES.map((category) => [category, 0]));
  let all = 0;
  for (const stack of stacks) {
    const category = categoryOf(stack);
    if (category === undefined) continue;
    counts.set(category, counts.get(category) + 1);
    all++;
  }
  return { samples: all, parts: new Map([...counts].map(([category, count]) => [category, all && count / all])) };
}

async function profile(workload, { workers, seconds }, perf) {
  const argument = JSON.stringify({ workload, workers, corpus: 1_000_000 });
  const side = new Side(process.execPath, [here('profile/subject.mjs'), argument], { cpus: 2 });
  try {
    const { pid } = await side.next();
    await side.ask({ cmd: 'tune', seconds: 0.5 });
    const watching = perf === undefined ? undefined : record(perf, pid, seconds);
    const [measured, recording] = await Promise.all([side.ask({ cmd: 'measure', seconds }), watching]);
    const stacks = recording === undefined ? [] : await sampleStacks(perf, recording);
    return { workload, measured, ...splitCompute(stacks) };
  } finally {
    await side.close();
  }
}

function row({ workload, measured, samples, parts }) {
  const { compute, reduce, update, wait } = measured.parts;
  const total = compute + reduce + update + wait;
  // Shares of the samples within the compute become shares of the whole step.
  const inside = CATEGORIES.map((name) => (samples > 0 ? percent((parts.get(name) * compute) / total) : undefined));
  const outside = [reduce, update, wait].map((part) => percent(part / total));
  return [workload.name, percent(compute / total), ...inside, ...outside, samples];
}

async function main() {
  const options = readOptions();
  const perf = findPerf();
  const rows = [];
  for (const workload of options.chosen) rows.push(row(await profile(workload, options, perf)));
  const head = ['', 'compute', ...CATEGORIES, 'reduction', 'update', 'barrier wait', 'samples'];
  console.log(`Where a step's time goes on ${options.workers} workers; the columns after "compute" are parts of it\n`);
  console.log(table(head, rows));
  if (perf === undefined) {
    console.log('\nperf is absent (Debian: linux-perf), so the compute is not told apart.');
  } else {
    console.log("\nSampled with perf. An RNN's fused tanh counts as recurrent product, packing with its product.");
  }
}

main().catch((error) => {
  console.error(`bench:profile: ${error.message}`);
  process.exitCode = 1;
});
