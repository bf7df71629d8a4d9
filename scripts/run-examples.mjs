/**
 * Runs every example with TIMERNN_EXAMPLE_QUICK=1 (seconds instead of minutes), one after the other; each is one check.
 * An example that fails, prints nothing or takes more than five minutes is a failure.
 *
 *   node scripts/run-examples.mjs [name.mjs …]
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Checks, expectSuccess, root } from './checks.mjs';

const named = process.argv.slice(2);
const examples = named.length > 0 ? named : readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.mjs'));

const checks = new Checks();
for (const example of examples.sort()) {
  await checks.check(`example ${example}`, async () => {
    const options = { env: { TIMERNN_EXAMPLE_QUICK: '1', NO_COLOR: '1' }, timeout: 300_000 };
    const output = await expectSuccess(process.execPath, [join('examples', example)], options);
    if (output.trim() === '') throw new Error('Expected the example to print something');
  });
}
checks.finish();
