/** `run.json`: what was asked for, with what, on what. Refuses to do: what changes while the run goes on. */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FileSystem, writeFileAtomic } from '../checkpoint/atomic-write.js';
import { describe, TimeRNNError } from '../errors.js';
import type { Origin } from '../models/model-file.js';
import { native } from '../native.js';
import { packageRoot } from '../package-root.js';
import type { RunIdentity } from './identity.js';

/** `format` of the file, and the version that this release writes and reads. */
export const RUN_FORMAT = 'timernn.run';
export const RUN_VERSION = 1;

/** The machine that a run started on. */
export interface Machine {
  cpu: string;
  /** Instruction set of the kernels; another one rounds otherwise. */
  isa: string;
  /** Whose matrix products they are, `packed` or `blas`; the other one rounds otherwise. */
  gemm: string;
}

/** The file's content. */
export interface RunFile extends RunIdentity {
  format: string;
  version: number;
  /** When the run was started, ISO 8601. */
  created: string;
  versions: { timernn: string; node: string };
  machine: Machine;
  /** What the parameters were before the first window; left out where a lost file was written anew. */
  initialWeights?: Origin;
}

async function libraryVersion(): Promise<string> {
  const root = packageRoot(dirname(fileURLToPath(import.meta.url)));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return version;
}

/** Which kernels run here. */
export function machineOf(): Machine {
  const { isa, gemm } = native.systemInfo();
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', isa, gemm };
}

/** What is written when a run starts. */
export async function newRunFile(identity: RunIdentity, initialWeights?: Origin): Promise<RunFile> {
  return {
    format: RUN_FORMAT,
    version: RUN_VERSION,
    created: new Date().toISOString(),
    versions: { timernn: await libraryVersion(), node: process.versions.node },
    machine: machineOf(),
    ...(initialWeights && { initialWeights }),
    ...identity,
  };
}

/** @throws ERR_TIMERNN_FILE */
export async function writeRunFile(path: string, content: RunFile, fileSystem?: FileSystem): Promise<void> {
  await writeFileAtomic(path, [Buffer.from(`${JSON.stringify(content, null, 2)}\n`)], fileSystem);
}

/** @returns undefined where there is no such file. @throws ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT */
export async function readRunFile(path: string): Promise<RunFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be readable, got ${String(cause)}`, { cause });
  }
  const wrong = (expected: string, got: string) =>
    new TimeRNNError('ERR_TIMERNN_FORMAT', `Expected ${path} to have ${expected}, got ${got}`);
  let content: Partial<RunFile> | null;
  try {
    content = JSON.parse(text) as Partial<RunFile> | null;
  } catch {
    throw wrong('JSON', describe(text));
  }
  if (content?.format !== RUN_FORMAT) throw wrong(`the format ${RUN_FORMAT}`, describe(content?.format));
  if (content.version !== RUN_VERSION) throw wrong(`the version ${RUN_VERSION}`, describe(content.version));
  const { options } = content;
  if (options === null || typeof options !== 'object' || !Number.isInteger(options.epochs)) {
    throw wrong('options with epochs', describe(options));
  }
  return content as RunFile;
}
