/** Loader of the addon: each cause it can tell apart, and real loads in child processes. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'ava';
import { diagnoseNative, identifyBinary, type NativeCause, type NativeFacts } from '#src/native-diagnose.js';

/** The compiled test lies in build/test/. */
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const installed: NativeFacts = {
  root: '/app/node_modules/timernn',
  candidates: ['/app/node_modules/timernn/build/Release/timernn.node'],
  checkout: false,
  platform: 'linux',
  arch: 'x64',
  libc: 'glibc',
};
const found: NativeFacts = {
  ...installed,
  found: '/app/node_modules/timernn/build/Release/timernn.node',
  binary: { format: 'elf', arch: 'x64' },
};

interface Case {
  title: string;
  reason?: string;
  facts: NativeFacts;
  cause: NativeCause;
  says: string[];
}

const cases: Case[] = [
  {
    title: 'install script not run under npm',
    facts: { ...installed, packageManager: 'npm', packageManagerMajor: 12 },
    cause: 'install-script',
    says: [
      'npx timernn build',
      'npm approve-scripts timernn && npm rebuild timernn',
      installed.candidates[0] as string,
    ],
  },
  {
    title: 'install script not run under an npm without approvals',
    facts: { ...installed, packageManager: 'npm', packageManagerMajor: 10 },
    cause: 'install-script',
    says: ['--ignore-scripts', 'run:  npm rebuild timernn --foreground-scripts'],
  },
  {
    title: 'install script not run under pnpm',
    facts: { ...installed, packageManager: 'pnpm', packageManagerMajor: 10 },
    cause: 'install-script',
    says: ['pnpm exec timernn build', 'pnpm approve-builds'],
  },
  {
    title: 'install script not run under Yarn',
    facts: { ...installed, packageManager: 'yarn' },
    cause: 'install-script',
    says: ['yarn timernn build', 'dependenciesMeta'],
  },
  {
    title: 'install script not run under Bun',
    facts: { ...installed, packageManager: 'bun' },
    cause: 'install-script',
    says: ['bunx timernn build', 'bun pm trust timernn'],
  },
  {
    title: 'checkout that was never built',
    facts: { ...installed, checkout: true },
    cause: 'not-compiled',
    says: ['npm run build:native', 'scripts/setup.sh'],
  },
  {
    title: 'build that failed',
    facts: { ...installed, buildLog: '/app/build.log' },
    cause: 'build-failed',
    says: ['/app/build.log', 'npx timernn build'],
  },
  {
    title: 'TIMERNN_NATIVE that names nothing',
    facts: { ...installed, explicit: '/nowhere/x.node', candidates: ['/nowhere/x.node'] },
    cause: 'explicit-path',
    says: ['/nowhere/x.node', 'TIMERNN_NATIVE'],
  },
  {
    title: 'OpenBLAS absent, glibc',
    reason: 'libopenblas.so.0: cannot open shared object file: No such file or directory',
    facts: found,
    cause: 'blas',
    says: [
      'apt-get install libopenblas-dev',
      'dnf install openblas-devel',
      'apk add openblas-dev',
      'brew install openblas',
    ],
  },
  {
    title: 'OpenBLAS absent, musl',
    reason: `Error loading shared library libopenblas.so.3: No such file or directory (needed by ${found.found})`,
    facts: { ...found, libc: 'musl' },
    cause: 'blas',
    says: ['apk add openblas-dev'],
  },
  {
    title: 'BLAS without CBLAS',
    reason: 'timernn.node: undefined symbol: cblas_sgemm',
    facts: found,
    cause: 'blas',
    says: ['CBLAS'],
  },
  {
    title: 'ELF of another machine, which the system only calls absent',
    reason: `${found.found}: cannot open shared object file: No such file or directory`,
    facts: { ...found, binary: { format: 'elf', arch: 'arm64' } },
    cause: 'architecture',
    says: ['elf arm64', 'this is linux x64 glibc', 'npx timernn build'],
  },
  {
    title: 'Linux binary on macOS',
    reason: 'slice is not valid mach-o file',
    facts: { ...found, platform: 'darwin', arch: 'arm64' },
    cause: 'architecture',
    says: ['elf x64', 'darwin arm64'],
  },
  {
    title: 'wrong word size in the words of the system alone',
    reason: 'wrong ELF class: ELFCLASS32',
    facts: found,
    cause: 'architecture',
    says: ['another machine'],
  },
  {
    title: 'built on musl, run on glibc',
    reason: 'libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory',
    facts: found,
    cause: 'libc',
    says: ['musl', 'base image'],
  },
  {
    title: 'built on a newer glibc',
    reason: "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by timernn.node)",
    facts: found,
    cause: 'libc',
    says: ['GLIBC_2.38'],
  },
  {
    title: 'no binary at all',
    reason: 'timernn.node: file too short',
    facts: { ...found, binary: { format: 'unknown', arch: 'unknown' } },
    cause: 'damaged',
    says: ['damaged', 'npx timernn build'],
  },
  {
    title: 'anything else',
    reason: 'cannot allocate memory in static TLS block',
    facts: found,
    cause: 'unknown',
    says: ['static TLS block', 'npx timernn build'],
  },
];

for (const { title, reason = '', facts, cause, says } of cases) {
  test(`diagnosis: ${title}`, (t) => {
    const diagnosis = diagnoseNative(reason, facts);
    t.is(diagnosis.cause, cause);
    t.true(diagnosis.message.startsWith('Could not load the native part of timernn: '));
    t.true(diagnosis.message.includes('Possible solutions:'));
    for (const text of says) t.true(diagnosis.message.includes(text), `Expected ${text} in\n${diagnosis.message}`);
  });
}

test("diagnosis: a folder's name in the path is not taken for the cause", (t) => {
  const path = '/home/libblas-fan/node_modules/timernn/build/Release/timernn.node';
  t.is(diagnoseNative(`${path}: some other trouble`, { ...found, found: path }).cause, 'unknown');
});

test('diagnosis: a broken file named by TIMERNN_NATIVE says so', (t) => {
  const { message } = diagnoseNative('file too short', { ...found, explicit: found.found as string });
  t.true(message.includes('unset TIMERNN_NATIVE'));
});

test('identifyBinary tells formats and machines apart', (t) => {
  const elf = (machine: number) => Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, ...Array(12).fill(0), machine, 0]);
  t.deepEqual(identifyBinary(elf(62)), { format: 'elf', arch: 'x64' });
  t.deepEqual(identifyBinary(elf(183)), { format: 'elf', arch: 'arm64' });
  t.deepEqual(identifyBinary(elf(99)), { format: 'elf', arch: 'ELF machine 99' });
  const mach = Uint8Array.from([0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 0x01, ...Array(12).fill(0)]);
  t.deepEqual(identifyBinary(mach), { format: 'mach-o', arch: 'arm64' });
  t.deepEqual(identifyBinary(new TextEncoder().encode('#!/bin/sh, not an addon')), {
    format: 'unknown',
    arch: 'unknown',
  });
  t.deepEqual(identifyBinary(new Uint8Array(3)), { format: 'unknown', arch: 'unknown' });
});

// ---- real loads, in child processes ----------------------------------------------------------------------------------

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Imports a module and prints its native part's function names, or the error's code and message as JSON. */
function importIn(module: string, env: Record<string, string>): Promise<Outcome> {
  const script = `import(${JSON.stringify(pathToFileURL(module).href)}).then(
    ({ native }) => console.log(JSON.stringify({ functions: Object.keys(native).length })),
    (error) => console.log(JSON.stringify({ code: error.code, message: error.message })))`;
  const { npm_config_user_agent: _, TIMERNN_NATIVE: __, ...inherited } = process.env;
  return new Promise((done) => {
    execFile(process.execPath, ['-e', script], { env: { ...inherited, ...env } }, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

const parse = ({ stdout }: Outcome) => JSON.parse(stdout) as { functions?: number; code?: string; message: string };

/** A package folder in a consumer's node_modules with our compiled loader and no addon. */
function makeConsumer(): { consumer: string; packageFolder: string; loader: string } {
  const consumer = mkdtempSync(join(tmpdir(), 'timernn-loader-'));
  const packageFolder = join(consumer, 'node_modules', 'timernn');
  mkdirSync(join(packageFolder, 'dist'), { recursive: true });
  for (const file of ['package.json', 'CMakeLists.txt']) copyFileSync(join(root, file), join(packageFolder, file));
  for (const file of readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.js'))) {
    copyFileSync(join(root, 'dist', file), join(packageFolder, 'dist', file));
  }
  return { consumer, packageFolder, loader: join(packageFolder, 'dist', 'native.js') };
}

test('load: the addon of this checkout loads', async (t) => {
  const outcome = await importIn(join(root, 'dist', 'native.js'), {});
  t.true((parse(outcome).functions ?? 0) > 0, outcome.stdout + outcome.stderr);
});

test('load: TIMERNN_NATIVE with a missing file', async (t) => {
  const result = parse(await importIn(join(root, 'dist', 'native.js'), { TIMERNN_NATIVE: '/nowhere/timernn.node' }));
  t.is(result.code, 'ERR_TIMERNN_NATIVE');
  t.true(result.message.includes('names a file that does not exist: /nowhere/timernn.node'), result.message);
});

test('load: no build folder; the lockfile decides on the commands; then garbage; then an explicit path', async (t) => {
  const { consumer, packageFolder, loader } = makeConsumer();
  t.teardown(() => rmSync(consumer, { recursive: true, force: true }));

  writeFileSync(join(consumer, 'pnpm-lock.yaml'), '');
  const missing = parse(await importIn(loader, {}));
  t.is(missing.code, 'ERR_TIMERNN_NATIVE');
  t.true(missing.message.includes('the install script has not run'), missing.message);
  t.true(missing.message.includes('pnpm approve-builds'), missing.message);
  const agent = parse(await importIn(loader, { npm_config_user_agent: 'npm/12.0.0 node/v24.0.0 linux x64' }));
  t.true(agent.message.includes('npm approve-scripts timernn'), agent.message);

  const release = join(packageFolder, 'build', 'Release');
  mkdirSync(release, { recursive: true });
  writeFileSync(join(release, 'timernn.node'), 'this is no addon, and long enough to have a header');
  const garbage = parse(await importIn(loader, {}));
  t.is(garbage.code, 'ERR_TIMERNN_NATIVE');
  t.true(garbage.message.includes('the file is damaged'), garbage.message);

  const explicit = await importIn(loader, { TIMERNN_NATIVE: join(root, 'build', 'Release', 'timernn.node') });
  t.true((parse(explicit).functions ?? 0) > 0, explicit.stdout + explicit.stderr);
});

test('load: an addon of another machine', async (t) => {
  const { consumer, packageFolder, loader } = makeConsumer();
  t.teardown(() => rmSync(consumer, { recursive: true, force: true }));
  const bytes = readFileSync(join(root, 'build', 'Release', 'timernn.node'));
  // One number of the header names the machine: ELF at offset 18, Mach-O at offset 4.
  const [offset, other] =
    process.platform === 'darwin' ? [4, process.arch === 'x64' ? 0x0c : 0x07] : [18, process.arch === 'x64' ? 183 : 62];
  bytes.writeUInt8(other, offset);
  mkdirSync(join(packageFolder, 'build', 'Release'), { recursive: true });
  writeFileSync(join(packageFolder, 'build', 'Release', 'timernn.node'), bytes);
  const result = parse(await importIn(loader, {}));
  t.is(result.code, 'ERR_TIMERNN_NATIVE');
  t.true(result.message.includes('it was built for another machine'), result.message);
});

// ---- explanations of a failed build ----------------------------------------------------------------------------------

const explanations: [log: string, says: string[]][] = [
  [
    'CMake Error at cmake/TimernnBlas.cmake:8 (message):\n  OpenBLAS was not found (no)',
    ['OpenBLAS', 'libopenblas-dev'],
  ],
  ['ERR! OMG CMake executable is not found. Please use', ['CMake is missing', 'cmake']],
  ['CMake Error: CMake 3.18 or higher is required.  You are running version 3.10', ['too old']],
  ['ERR! OMG C++ Compiler toolset is not available.', ['no working C++ compiler', 'g++']],
  ["g++: error: unrecognized command line option '-std=c++20'", ['compiler is too old']],
  ['c++: fatal error: Killed signal terminated program cc1plus', ['out of memory', 'TIMERNN_BUILD_JOBS=1']],
  ['fatal error: error writing to /tmp/x.s: No space left on device', ['disk is full']],
  ["core.cpp:1:1: error: 'x' was not declared", ['the compiler stopped', 'timernn-build.log']],
];

for (const [log, says] of explanations) {
  test(`failed build: ${says[0]}`, async (t) => {
    const url = pathToFileURL(join(root, 'scripts', 'build-native.mjs')).href;
    const { explainBuildFailure } = (await import(url)) as {
      explainBuildFailure: (text: string, command: string) => string;
    };
    const message = explainBuildFailure(log, 'npx timernn build');
    for (const text of ['could not be compiled', 'Possible solutions:', 'npx timernn build', ...says]) {
      t.true(message.includes(text), `Expected ${text} in\n${message}`);
    }
  });
}
