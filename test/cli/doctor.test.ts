/** What doctor makes of facts, good and bad; and the real command. */
import test from 'ava';
import { findingLines } from '#src/cli/commands/doctor.js';
import { examine } from '#src/cli/doctor/checks.js';
import { type DoctorFacts, parseCpuMax } from '#src/cli/doctor/facts.js';
import { plain } from '#src/cli/format.js';
import type { SystemInfo } from '#src/native-types.js';
import { jsonLines, timernn } from './helpers/cli.js';

const native: SystemInfo = {
  isa: 'avx512',
  isaAvailable: ['generic', 'avx2', 'avx512'],
  gemm: 'packed',
  cpuFeatures: ['avx2', 'fma', 'avx512f'],
  blas: { config: 'OpenBLAS 0.3.21 DYNAMIC_ARCH', coreType: 'Cooperlake', parallel: 1, threads: 1 },
  compiler: '12.2.0',
};

const healthy: DoctorFacts = {
  node: 'v20.20.2',
  platform: 'linux',
  arch: 'x64',
  system: 'Linux 6.1',
  cpu: 'Some CPU',
  cores: 8,
  parallelism: 8,
  memory: 16e9,
  environment: {},
  native,
  measured: { fmaPeak: 110, square: 104, skinny: 80 },
};

const find = (facts: Partial<DoctorFacts>, subject: string) => {
  const found = examine({ ...healthy, ...facts }).find((finding) => finding.subject === subject);
  if (found === undefined) throw new Error(`Expected a finding on ${subject}`);
  return found;
};

test('a healthy machine has nothing but good findings, with the shares of the peak', (t) => {
  const findings = examine(healthy);
  t.true(findings.every(({ status, remedy }) => status === 'ok' && remedy === undefined));
  t.is(find({}, 'sgemm 2048³').found, '104.0 GFLOP/s, 95 % of the peak');
});

test('each ill has its finding and its remedy', (t) => {
  const blas = (change: Partial<SystemInfo['blas']>) => ({
    native: { ...native, blas: { ...native.blas, ...change } },
  });
  const ills: [Partial<DoctorFacts>, subject: string, status: string, remedy: RegExp][] = [
    [{ node: 'v20.18.3' }, 'Node', 'fail', /20\.19/],
    [{ node: 'v18.20.0' }, 'Node', 'fail', /20\.19/],
    [{ platform: 'win32' }, 'Platform', 'fail', /WSL/],
    [{ cpuQuota: 2 }, 'CPU', 'warn', /--workers 2/],
    [{ cpuQuota: 0.5 }, 'CPU', 'warn', /--workers 1/],
    [{ native: { ...native, isa: 'avx2' } }, 'Kernels', 'warn', /TIMERNN_ISA/],
    [{ native: { ...native, isa: 'generic', isaAvailable: ['generic'] } }, 'Kernels', 'warn', /timernn build/],
    [{ native: { ...native, gemm: 'blas' } }, 'Products', 'warn', /TIMERNN_GEMM/],
    [blas({ coreType: 'Prescott' }), 'BLAS', 'warn', /OPENBLAS_CORETYPE=SkylakeX/],
    [blas({ config: '', coreType: '' }), 'BLAS', 'warn', /libopenblas-dev/],
    [blas({ parallel: 2, threads: 8 }), 'BLAS threads', 'warn', /OMP_NUM_THREADS=1/],
    [blas({ threads: 8 }), 'BLAS threads', 'warn', /OPENBLAS_NUM_THREADS=1/],
    [{ measured: { fmaPeak: 110, square: 30, skinny: 80 } }, 'sgemm 2048³', 'warn', /idle machine/],
  ];
  for (const [facts, subject, status, remedy] of ills) {
    const finding = find(facts, subject);
    t.is(String(finding.status), status, subject);
    t.regex(finding.remedy ?? '', remedy);
  }
  const { native: _, measured: __, ...without } = healthy;
  const broken = examine({
    ...without,
    nativeError: 'Could not load it.\n\nPossible solutions:\n  1. npx timernn build',
  });
  const finding = broken.find(({ subject }) => subject === 'Native part');
  t.like(finding, { status: 'fail', found: 'Could not load it.' });
  t.regex(finding?.remedy ?? '', /timernn build/);
});

test('newer Nodes are fine', (t) => {
  for (const node of ['v20.19.0', 'v22.0.0', 'v24.1.0']) t.is(find({ node }, 'Node').status, 'ok');
});

test('the limit of a control group', (t) => {
  t.is(parseCpuMax('150000 100000\n'), 1.5);
  t.is(parseCpuMax('max 100000\n'), undefined);
  t.is(parseCpuMax(''), undefined);
});

test('a finding is printed with its remedy below', (t) => {
  const lines = findingLines({ subject: 'BLAS', status: 'warn', found: 'none', remedy: 'do\nthis' }, plain);
  t.deepEqual(lines, ['! BLAS               none', `${' '.repeat(21)}do`, `${' '.repeat(21)}this`]);
});

test('doctor works without the addon, says so, and exits with 1', async (t) => {
  const env = { TIMERNN_NATIVE: '/nonexistent/timernn.node' };
  const text = await timernn(['doctor'], { env });
  t.is(text.code, 1);
  t.regex(text.stdout, /✗ Native part/);
  t.is(text.stderr, '');
  const json = await timernn(['doctor', '--json'], { env });
  t.is(json.code, 1);
  const [report] = jsonLines(json.stdout);
  t.is(report?.ok, false);
  t.regex(String((report?.facts as DoctorFacts | undefined)?.nativeError), /Could not load/);
});

test('doctor on this machine: kernels, BLAS and measured speeds', async (t) => {
  const { code, stdout } = await timernn(['doctor', '--json']);
  t.is(code, 0);
  const { ok, facts } = jsonLines(stdout)[0] as unknown as { ok: boolean; facts: DoctorFacts };
  t.true(ok);
  t.truthy(facts.native?.isa);
  t.true((facts.measured?.fmaPeak ?? 0) > 0 && (facts.measured?.square ?? 0) > 0 && (facts.measured?.skinny ?? 0) > 0);
});
