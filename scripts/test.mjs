/**
 * Runs all tests after scripts/setup.sh: the C++ tests with ctest, then the TypeScript tests with AVA, and prints one last
 * line `N passed, N failed` counted from what both runners reported. A runner that crashes, or runs no test, is a failure.
 *
 *   node scripts/test.mjs [AVA arguments]     with arguments only AVA runs, e.g. test/data/corpus.test.ts
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { dropForeignCache } from './build-native.mjs';
import { root, run, summary, tool } from './checks.mjs';
import { createTapReader } from './tap.mjs';

/** A step that only has to succeed; on failure its output is shown. */
async function step(title, command, args) {
  console.log(title);
  const { code, signal, output } = await run(command, args);
  if (code === 0) return true;
  console.log(output.trimEnd());
  console.log(`✖ ${title.replace(/…$/, '')}: ${command} ended with ${code ?? signal}`);
  return false;
}

/** Counts from ctest's JUnit file, whose first element carries them. */
function readJunit(file) {
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const head = /<testsuite\b[^>]*>/.exec(readFileSync(file, 'utf8'))?.[0] ?? '';
  const count = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = count('failures');
  const skipped = count('skipped') + count('disabled');
  return { passed: count('tests') - failed - skipped, failed, skipped };
}

async function runNativeTests() {
  const build = join(root, 'build-native');
  const junit = join(build, 'ctest.xml');
  const core = join(root, 'build', 'native', 'libtimernn_core.a');
  dropForeignCache(build, join(root, 'native'));
  rmSync(junit, { force: true });
  const configure = [
    '-S',
    'native',
    '-B',
    build,
    '-DCMAKE_BUILD_TYPE=Release',
    `-DTIMERNN_DEVELOPER=${process.env.CI ? 'ON' : 'OFF'}`,
    // scripts/setup.sh has just compiled the same sources for the addon.
    `-DTIMERNN_CORE_ARCHIVE=${existsSync(core) ? core : ''}`,
  ];
  const parallel = String(availableParallelism());
  const built =
    (await step('Configuring the C++ tests…', 'cmake', configure)) &&
    (await step('Compiling the C++ tests…', 'cmake', ['--build', build, '--parallel', parallel]));
  if (!built) return { passed: 0, failed: 1 };
  console.log('Running the C++ tests…');
  const args = ['--test-dir', build, '--output-junit', junit, '--output-on-failure', '--parallel', parallel];
  const result = await run('ctest', args, { onLine: (line) => line !== '' && console.log(`  ${line}`) });
  // Its closing list, e.g. `	 12 - native.control (Failed)`.
  const failures = result.output.split('\n').filter((line) => /^\s+\d+ - \S+ \((?!Skipped|Disabled)/.test(line));
  return { ...settle('ctest', readJunit(junit), result), failures: failures.map((line) => `  ✖ ${line.trim()}`) };
}

async function runTypeScriptTests(args) {
  // A type error is one failure; tsc writes the files all the same, and the tests run.
  const typed = await step('Compiling the TypeScript tests…', tool('tsc'), ['-p', 'test/tsconfig.json']);
  console.log('Running the TypeScript tests…');
  const reader = createTapReader((line) => console.log(line));
  const result = await run(tool('ava'), ['--tap', ...args], { onLine: reader.line });
  const counts = { ...settle('ava', reader.counts(), result), failures: reader.failures };
  return typed ? counts : { ...counts, failed: counts.failed + 1 };
}

/** Makes a runner's counts agree with how it ended: no test, or an exit code without a failed test, is one failure. */
function settle(name, counts, { code, signal }) {
  const executed = counts.passed + counts.failed;
  if (executed === 0) console.log(`✖ ${name} ran no test`);
  else if (code !== 0 && counts.failed === 0)
    console.log(`✖ ${name} ended with ${code ?? signal}, though no test failed`);
  else return counts;
  return { ...counts, failed: counts.failed + 1 };
}

const args = process.argv.slice(2);
const results = args.length > 0 ? [] : [await runNativeTests()];
results.push(await runTypeScriptTests(args));

const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
for (const { passed, failed, skipped = 0, failures: said = [] } of results) {
  failures.push(...said);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}
if (failures.length > 0) console.log(`\nFailed:\n${failures.join('\n')}`);
console.log(`\n${summary(total)}`);
if (total.failed > 0) process.exitCode = 1;
