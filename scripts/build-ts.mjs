/**
 * Compiles src/ into dist/. Writes beside it and then swaps, so that files whose source is gone do not stay (and get
 * packed), and a failed compilation leaves the last good dist/ in place.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** npm runs this for `npm pack` too, in a clone where nothing may have been installed yet. */
function findCompiler() {
  try {
    return createRequire(import.meta.url).resolve('typescript/bin/tsc');
  } catch {
    console.error(
      'TypeScript is not installed: run `npm ci` in this folder first (npm pack compiles src/ into dist/).',
    );
    process.exit(1);
  }
}
const tsc = findCompiler();
const next = join(root, 'build', 'dist-next');
const dist = join(root, 'dist');

rmSync(next, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json', '--outDir', next, '--noEmitOnError'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
if (status !== 0) {
  rmSync(next, { recursive: true, force: true });
  process.exit(status ?? 1);
}
// npm sets this bit when it installs the package; `npx timernn` in the checkout needs it too.
const cli = join(next, 'cli', 'main.js');
if (existsSync(cli)) chmodSync(cli, 0o755);
rmSync(dist, { recursive: true, force: true });
renameSync(next, dist);
