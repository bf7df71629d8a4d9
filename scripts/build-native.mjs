/**
 * Compiles the addon with cmake-js into build/Release/timernn.node, and says in plain words what is missing when that
 * fails. Used by the install script, `npm run build:native`, scripts/setup.sh and `timernn build`.
 * It refuses to install anything: scripts/setup.sh does that, for the repository only.
 *
 *   node scripts/build-native.mjs [--developer] [--debug] [--verbose]
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The one command that brings compiler, make, cmake and OpenBLAS, for each system that we know. */
const INSTALL_COMMANDS = {
  'Debian, Ubuntu': 'apt-get install g++ make cmake pkg-config libopenblas-dev',
  'Fedora, RHEL': 'dnf install gcc-c++ make cmake pkgconf-pkg-config openblas-devel',
  Alpine: 'apk add g++ make cmake pkgconf openblas-dev',
  macOS: 'xcode-select --install; brew install cmake openblas',
};

/** What a failed build's log is searched for; the first that matches is the cause. */
const CAUSES = [
  { pattern: /OpenBLAS was not found/, cause: 'OpenBLAS (library and header cblas.h) is missing.', packages: true },
  {
    pattern: /CMake executable is not found|spawn cmake ENOENT|CMake is not installed/,
    cause: 'CMake is missing.',
    packages: true,
  },
  {
    pattern: /CMake \d[\d.]* or higher is required/,
    cause: 'CMake is too old: 3.18 or later is needed.',
    packages: false,
    remedies: ['Install a newer CMake, e.g. with: pip install cmake'],
  },
  {
    pattern:
      /No CMAKE_CXX_COMPILER could be found|Compiler toolset is not available|is not able to compile a simple test program/i,
    cause: 'There is no working C++ compiler.',
    packages: true,
  },
  {
    pattern: /CMAKE_MAKE_PROGRAM is not set|unable to find a build program/i,
    cause: 'There is no make (or ninja).',
    packages: true,
  },
  {
    pattern:
      /unrecognized command[- ]line option .*std=|CXX_STANDARD is set to invalid value|dialect "CXX20"|no dialect.*C\+\+20/i,
    cause: 'The C++ compiler is too old: C++20 is needed (GCC 10, Clang 12 or later).',
    packages: false,
    remedies: ['Install a newer compiler and name it in the environment: CXX=g++-12'],
  },
  {
    pattern: /Killed signal terminated program|virtual memory exhausted|out of memory|cannot allocate memory/i,
    cause: 'The compiler ran out of memory.',
    packages: false,
    remedies: ['Compile one file at a time: set TIMERNN_BUILD_JOBS=1'],
  },
  {
    pattern: /No space left on device/i,
    cause: 'The disk is full.',
    packages: false,
    remedies: ['Free about 100 MB'],
  },
  {
    pattern: /EACCES|Permission denied|Read-only file system/i,
    cause: 'The folder of the package cannot be written to.',
    packages: false,
    remedies: ['Build as the user who owns the folder'],
  },
];

const causeOf = (log) => CAUSES.find(({ pattern }) => pattern.test(log));

/** How the build is started again: in a checkout `npx timernn` may not be there yet. */
const BUILD_COMMAND = existsSync(join(root, 'src')) ? 'npm run build:native' : 'npx timernn build';

/**
 * The cause of a failed build in plain words, and what to do about it.
 * @param {string} log everything that cmake-js printed
 * @param {string} command what starts the build again
 * @returns {string} several lines
 */
export function explainBuildFailure(log, command = BUILD_COMMAND) {
  const found = causeOf(log);
  const cause = found?.cause ?? 'the compiler stopped with an error (above).';
  const lines = [`The native part of timernn could not be compiled: ${cause}`, '', 'Possible solutions:'];
  for (const remedy of found?.remedies ?? []) lines.push(`  - ${remedy}`);
  if (found === undefined) {
    lines.push('  - Check that a C++20 compiler, make, CMake 3.18 and OpenBLAS are installed:');
  } else if (found.packages) {
    lines.push('  - Install what the build needs, with the command of your system:');
  }
  if (found === undefined || found.packages) {
    for (const [system, install] of Object.entries(INSTALL_COMMANDS)) {
      lines.push(`      ${`${system}:`.padEnd(16)} ${install}`);
    }
  }
  lines.push(`  - Then build again:  ${command}`);
  if (found === undefined) lines.push('  - All that the compiler said is in build/timernn-build.log');
  return lines.join('\n');
}

/**
 * A build folder that was made for another source folder (a moved or copied checkout) cannot be used again.
 * Removes CMake's part of it and leaves other things alone.
 */
export function dropForeignCache(buildDir, sourceDir) {
  const cache = join(buildDir, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (home === undefined || resolve(home) !== resolve(sourceDir)) dropCache(buildDir);
}

function dropCache(buildDir) {
  rmSync(join(buildDir, 'CMakeCache.txt'), { force: true });
  rmSync(join(buildDir, 'CMakeFiles'), { recursive: true, force: true });
}

/** The compiler takes up to about 1 GB a file: as many at a time as cores and memory allow. */
function jobs() {
  const wanted = Number(process.env.TIMERNN_BUILD_JOBS);
  if (Number.isInteger(wanted) && wanted > 0) return wanted;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2 ** 30)));
}

function runCmakeJs(args, verbose) {
  const bin = join(dirname(createRequire(import.meta.url).resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  return new Promise((done) => {
    const chunks = [];
    const child = spawn(process.execPath, [bin, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => {
      chunks.push(chunk);
      if (verbose) process.stdout.write(chunk);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => done({ ok: false, log: String(error) }));
    child.on('close', (code) => done({ ok: code === 0, log: Buffer.concat(chunks).toString() }));
  });
}

/**
 * Configures and builds. A cache of an earlier configuration may name things that are gone since: where configuring
 * fails on one, it is tried once more without.
 * @returns {Promise<{ ok: boolean, log: string, seconds: number }>}
 */
export async function buildNative({ developer = false, debug = false, verbose = false } = {}) {
  const started = performance.now();
  const out = join(root, 'build');
  const config = debug ? 'Debug' : 'Release';
  const common = ['-O', out, '-d', root, ...(debug ? ['-D'] : [])];
  const define = `--CDTIMERNN_DEVELOPER=${developer ? 'ON' : 'OFF'}`;
  dropForeignCache(out, root);
  const hadCache = existsSync(join(out, 'CMakeCache.txt'));
  let result = await runCmakeJs(['configure', ...common, define], verbose);
  if (!result.ok && hadCache) {
    dropCache(out);
    result = await runCmakeJs(['configure', ...common, define], verbose);
  }
  let log = result.log;
  if (result.ok) {
    result = await runCmakeJs(['build', ...common, '-p', String(jobs())], verbose);
    log += result.log;
  }
  const addon = join(out, config, 'timernn.node');
  const ok = result.ok && existsSync(addon);
  // The addon of an earlier build must not stand in for the one that failed.
  if (!ok) rmSync(addon, { force: true });
  // The log lies there only after a failure: the loader takes it as the sign of one.
  const logFile = join(out, 'timernn-build.log');
  rmSync(logFile, { force: true });
  if (!ok) {
    mkdirSync(out, { recursive: true });
    writeFileSync(logFile, log);
  }
  return { ok, log, seconds: (performance.now() - started) / 1000 };
}

/** The lines of a log worth showing: from the first error on, at most `count`. */
function excerpt(log, count = 40) {
  const lines = log.trimEnd().split('\n');
  const first = lines.findIndex((line) => /\b(?:fatal )?error\b/i.test(line));
  const from = first >= 0 ? Math.max(0, first - 2) : Math.max(0, lines.length - count);
  return lines.slice(from, from + count).join('\n');
}

/** Builds with a line before and after; on failure prints the end of the log and the explanation. @returns exit code */
export async function main(args) {
  const options = {
    developer: args.includes('--developer'),
    debug: args.includes('--debug'),
    verbose: args.includes('--verbose'),
  };
  const unknown = args.find((arg) => !['--developer', '--debug', '--verbose'].includes(arg));
  if (unknown !== undefined) {
    console.error(`Expected --developer, --debug or --verbose, got ${JSON.stringify(unknown)}`);
    return 2;
  }
  console.log('Compiling the native part of timernn (a minute or so)…');
  let result;
  try {
    result = await buildNative(options);
  } catch (error) {
    result = { ok: false, log: String(error), seconds: 0 };
  }
  if (result.ok) {
    console.log(`Compiled in ${result.seconds.toFixed(1)} s.`);
    return 0;
  }
  // Where the cause is known, what CMake and the compiler said adds nothing.
  if (!options.verbose && causeOf(result.log) === undefined) console.error(`${excerpt(result.log)}\n`);
  console.error(explainBuildFailure(result.log));
  return 1;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
