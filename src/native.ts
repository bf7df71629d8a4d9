/**
 * The only importer of the addon (timernn.node). Finds it, loads it, and where that fails collects the facts for
 * `native-diagnose.ts`. Refuses to do: anything with the functions it exports.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TimeRNNError } from './errors.js';
import { diagnoseNative, identifyBinary, type NativeFacts, type PackageManager } from './native-diagnose.js';
import type { Binding } from './native-types.js';
import { packageRoot } from './package-root.js';

const LOCKFILES: [file: string, manager: PackageManager][] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
];

/** The package manager that runs this process, else the one whose lockfile lies in the consumer's folder or above. */
function packageManager(root: string): Pick<NativeFacts, 'packageManager' | 'packageManagerMajor'> {
  const agent = /^(npm|pnpm|yarn|bun)\/(\d+)/.exec(process.env.npm_config_user_agent ?? '');
  if (agent !== null) return { packageManager: agent[1] as PackageManager, packageManagerMajor: Number(agent[2]) };
  for (const start of [dirname(root), process.cwd()]) {
    for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
      const lock = LOCKFILES.find(([file]) => existsSync(join(folder, file)));
      if (lock !== undefined) return { packageManager: lock[1] };
    }
  }
  return {};
}

function libc(): 'glibc' | 'musl' | undefined {
  if (process.platform !== 'linux') return undefined;
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** First bytes of a file; empty where it cannot be read. */
function headOf(file: string): Uint8Array {
  const head = new Uint8Array(20);
  try {
    const handle = openSync(file, 'r');
    try {
      return head.subarray(0, readSync(handle, head));
    } finally {
      closeSync(handle);
    }
  } catch {
    return head.subarray(0, 0);
  }
}

function collectFacts(root: string, candidates: string[], found: string | undefined): NativeFacts {
  const log = join(root, 'build', 'timernn-build.log');
  const explicit = process.env.TIMERNN_NATIVE;
  const library = libc();
  return {
    root,
    candidates,
    checkout: existsSync(join(root, 'src', 'native.ts')),
    platform: process.platform,
    arch: process.arch,
    ...packageManager(root),
    ...(found === undefined ? {} : { found, binary: identifyBinary(headOf(found)) }),
    ...(explicit ? { explicit } : {}),
    ...(existsSync(log) ? { buildLog: log } : {}),
    ...(library === undefined ? {} : { libc: library }),
  };
}

function load(): Binding {
  const root = packageRoot(dirname(fileURLToPath(import.meta.url)));
  const explicit = process.env.TIMERNN_NATIVE;
  const candidates = explicit
    ? [resolve(explicit)]
    : ['Release', 'Debug'].map((config) => join(root, 'build', config, 'timernn.node'));
  const found = candidates.find((file) => existsSync(file));
  let reason: unknown;
  if (found !== undefined) {
    try {
      const binding = createRequire(import.meta.url)(found) as Binding;
      if (typeof binding.systemInfo === 'function') return binding;
      reason = new Error('Expected an addon that exports systemInfo (did not self-register as timernn)');
    } catch (error) {
      reason = error;
    }
  }
  const said = reason instanceof Error ? reason.message : reason === undefined ? '' : String(reason);
  const { message } = diagnoseNative(said, collectFacts(root, candidates, found));
  throw new TimeRNNError('ERR_TIMERNN_NATIVE', message, reason === undefined ? undefined : { cause: reason });
}

/**
 * The addon's functions. Importing this module throws where the addon does not load.
 * @throws ERR_TIMERNN_NATIVE with the cause and the commands that mend it
 */
export const native: Binding = load();
