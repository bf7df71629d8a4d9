/**
 * Why the addon did not load, and what mends it: a pure function of the error and of facts about the machine.
 * Refuses to do: look at the machine itself (see `native.ts`).
 */

export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

export type NativeCause =
  | 'explicit-path'
  | 'not-compiled'
  | 'install-script'
  | 'build-failed'
  | 'blas'
  | 'architecture'
  | 'libc'
  | 'damaged'
  | 'unknown';

/** What the header of a binary says about itself. */
export interface BinaryKind {
  format: 'elf' | 'mach-o' | 'unknown';
  /** As Node names it (`x64`, `arm64`, …), or the number in the header. */
  arch: string;
}

export interface NativeFacts {
  /** Folder of the package. */
  root: string;
  /** Files that were looked for, in order. */
  candidates: string[];
  /** The one that exists, if any. */
  found?: string;
  /** Value of TIMERNN_NATIVE. */
  explicit?: string;
  binary?: BinaryKind;
  /** A checkout of the repository, as opposed to an installed package. */
  checkout: boolean;
  /** Log of a build that was tried, if there is one. */
  buildLog?: string;
  packageManager?: PackageManager;
  /** Major version of the package manager, where known. */
  packageManagerMajor?: number;
  platform: string;
  arch: string;
  /** C library of this process, on Linux. */
  libc?: 'glibc' | 'musl';
}

export interface NativeDiagnosis {
  cause: NativeCause;
  /** Several lines: what is wrong, possible solutions, details. */
  message: string;
}

const ELF_MACHINES: Record<number, string> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  22: 's390x',
};
const MACHO_CPUS: Record<number, string> = { 16777223: 'x64', 16777228: 'arm64' };

/** Reads format and machine from the first 20 bytes of a binary. Only little-endian machines are told apart. */
export function identifyBinary(head: Uint8Array): BinaryKind {
  if (head.length < 20) return { format: 'unknown', arch: 'unknown' };
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint32(0) === 0x7f454c46) {
    const machine = view.getUint16(18, head[5] !== 2);
    return { format: 'elf', arch: ELF_MACHINES[machine] ?? `ELF machine ${machine}` };
  }
  if (view.getUint32(0, true) === 0xfeedfacf) {
    const cpu = view.getUint32(4, true);
    return { format: 'mach-o', arch: MACHO_CPUS[cpu] ?? `Mach-O cpu ${cpu}` };
  }
  return { format: 'unknown', arch: 'unknown' };
}

/** `timernn build` as this package manager runs it. */
function buildCommand(facts: NativeFacts): string {
  if (facts.checkout) return 'npm run build:native';
  switch (facts.packageManager) {
    case 'pnpm':
      return 'pnpm exec timernn build';
    case 'yarn':
      return 'yarn timernn build';
    case 'bun':
      return 'bunx timernn build';
    default:
      return 'npx timernn build';
  }
}

/** How this package manager is told to run the install script, and why it may not have. */
function approval(facts: NativeFacts): { why: string; steps: string[] } {
  switch (facts.packageManager) {
    case 'pnpm':
      return {
        why: 'pnpm 10 and later runs install scripts only of packages that the project approved.',
        steps: ['pnpm approve-builds   (choose timernn), or for one time: pnpm rebuild timernn'],
      };
    case 'yarn':
      return {
        why: 'Yarn does not run it where enableScripts is off or --ignore-scripts was given.',
        steps: ['add to package.json "dependenciesMeta": { "timernn": { "built": true } }, then: yarn rebuild timernn'],
      };
    case 'bun':
      return {
        why: 'Bun runs install scripts only of trusted packages.',
        steps: ['bun pm trust timernn'],
      };
    default: {
      const why =
        'npm 12 and later runs install scripts only of packages that the project approved; earlier ones leave them out with --ignore-scripts.';
      const rebuild = 'npm rebuild timernn --foreground-scripts';
      const old = facts.packageManagerMajor !== undefined && facts.packageManagerMajor < 11;
      return { why, steps: [old ? rebuild : `npm approve-scripts timernn && ${rebuild}`] };
    }
  }
}

const BLAS_PACKAGES = [
  'Debian, Ubuntu:  apt-get install libopenblas-dev',
  'Fedora, RHEL:    dnf install openblas-devel',
  'Alpine:          apk add openblas-dev',
  'macOS:           brew install openblas',
];

/** Another C library's loader or symbols, or a newer version of the same. */
const LIBC_PATTERN =
  /ld-musl|libc\.musl|ld-linux|version `?(?:GLIBC|GLIBCXX|CXXABI)|Error relocating|symbol not found.*_chk|libc\.so\.6/i;
const BLAS_PATTERN = /lib(?:open|c|f)?blas|cblas_|openblas_/i;
const ARCHITECTURE_PATTERN = /wrong ELF class|incompatible architecture|Exec format error|wrong architecture/i;
const DAMAGED_PATTERN =
  /invalid ELF header|file too short|not a mach-o|slice is not valid|did not self-register|ELF load command|not a valid (?:Win32|mach-o)/i;

const systemName = (facts: NativeFacts): string =>
  [facts.platform, facts.arch, facts.libc].filter((part) => part !== undefined).join(' ');

/** Decides between the causes; the order matters: what the file's own header says goes before the loader's words. */
function causeOf(said: string, facts: NativeFacts): NativeCause {
  if (facts.found === undefined) {
    if (facts.explicit !== undefined) return 'explicit-path';
    if (facts.buildLog !== undefined) return 'build-failed';
    return facts.checkout ? 'not-compiled' : 'install-script';
  }
  const { binary } = facts;
  if (binary !== undefined) {
    const expected = facts.platform === 'darwin' ? 'mach-o' : 'elf';
    if (binary.format === 'unknown') return 'damaged';
    if (binary.format !== expected || binary.arch !== facts.arch) return 'architecture';
  }
  // The file's own path is no part of the cause, whatever its folders are called.
  const reason = facts.found === undefined ? said : said.replaceAll(facts.found, '');
  if (ARCHITECTURE_PATTERN.test(reason)) return 'architecture';
  if (BLAS_PATTERN.test(reason)) return 'blas';
  if (LIBC_PATTERN.test(reason)) return 'libc';
  if (DAMAGED_PATTERN.test(reason)) return 'damaged';
  return 'unknown';
}

/** One sentence and the numbered remedies of each cause. */
function explain(cause: NativeCause, facts: NativeFacts): { what: string; remedies: string[] } {
  const build = buildCommand(facts);
  const again = `Compile it for this machine:  ${build}`;
  switch (cause) {
    case 'explicit-path':
      return {
        what: `TIMERNN_NATIVE names a file that does not exist: ${facts.explicit}`,
        remedies: ['Correct TIMERNN_NATIVE, or unset it to use the addon inside the package'],
      };
    case 'not-compiled':
      return {
        what: 'it has not been compiled in this checkout.',
        remedies: [`Compile it:  ${build}`, 'Or set everything up, system packages too:  bash scripts/setup.sh'],
      };
    case 'install-script': {
      const { why, steps } = approval(facts);
      return {
        what: `the install script has not run, so it was never compiled. ${why}`,
        remedies: [`Compile it now:  ${build}`, ...steps.map((step) => `Let the install script run:  ${step}`)],
      };
    }
    case 'build-failed':
      return {
        what: `its last build failed; the log is ${facts.buildLog}`,
        remedies: [`Build again and read what is missing:  ${build}`],
      };
    case 'blas':
      return {
        what: 'the BLAS library that it was linked with (OpenBLAS) is absent or lacks the CBLAS functions.',
        remedies: [
          `Install OpenBLAS:\n${BLAS_PACKAGES.map((line) => `       ${line}`).join('\n')}`,
          `If it still fails, link it anew:  ${build}`,
        ],
      };
    case 'architecture':
      return {
        what: `it was built for another machine (${facts.binary === undefined ? 'unknown' : `${facts.binary.format} ${facts.binary.arch}`}); this is ${systemName(facts)}.`,
        remedies: [again, 'Do not copy node_modules from one kind of machine to another: install there'],
      };
    case 'libc':
      return {
        what: `it was built with another C library than this system's (${systemName(facts)}): glibc and musl do not mix, nor does a newer glibc or libstdc++ with an older one.`,
        remedies: [again, 'In a Dockerfile, build and run on the same base image'],
      };
    case 'damaged':
      return { what: 'the file is damaged or is no addon of ours.', remedies: [`Compile it again:  ${build}`] };
    case 'unknown':
      return { what: 'the system refused to load it.', remedies: [`Compile it again:  ${build}`] };
  }
}

/**
 * Says which cause a failed load of the addon has and how to mend it.
 * @param reason what `process.dlopen` said; empty where no file was found
 */
export function diagnoseNative(reason: string, facts: NativeFacts): NativeDiagnosis {
  const cause = causeOf(reason, facts);
  const { what, remedies } = explain(cause, facts);
  if (facts.found !== undefined && facts.explicit !== undefined) {
    remedies.push('Or unset TIMERNN_NATIVE, to use the addon inside the package');
  }
  const lines = [`Could not load the native part of timernn: ${what}`, '', 'Possible solutions:'];
  remedies.forEach((remedy, index) => {
    lines.push(`  ${index + 1}. ${remedy}`);
  });
  if (reason !== '') lines.push('', `The system said: ${reason}`);
  lines.push('', facts.found === undefined ? 'Looked for:' : 'Found:');
  for (const file of facts.found === undefined ? facts.candidates : [facts.found]) lines.push(`  ${file}`);
  return { cause, message: lines.join('\n') };
}
