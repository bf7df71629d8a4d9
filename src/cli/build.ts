/**
 * `timernn build`: compiles the addon in the package's own folder, for those whose install script did not run.
 * Needs no addon. Refuses to do: install compilers or libraries; it names what is missing.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TimeRNNError } from '../errors.js';
import { packageRoot } from '../package-root.js';

export interface BuildOptions {
  /** Shows all that CMake and the compiler say, not only errors. @default false */
  verbose?: boolean;
  /** Builds with debug information and without optimisation, into build/Debug. @default false */
  debug?: boolean;
}

/**
 * Compiles the addon; progress and errors go to the terminal.
 * @throws ERR_TIMERNN_NATIVE where it fails; the cause and its remedies have been printed by then
 */
export async function buildAddon(options: BuildOptions = {}): Promise<void> {
  const root = packageRoot(dirname(fileURLToPath(import.meta.url)));
  const args = [join(root, 'scripts', 'build-native.mjs')];
  if (options.verbose === true) args.push('--verbose');
  if (options.debug === true) args.push('--debug');
  const code = await new Promise<number | null>((done, fail) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', fail);
    child.on('close', done);
  });
  if (code !== 0) {
    throw new TimeRNNError(
      'ERR_TIMERNN_NATIVE',
      'Expected the native part to compile, but the build failed (see above)',
    );
  }
}
