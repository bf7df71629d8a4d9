/**
 * A run's directory: `run.json`, `metrics.jsonl`, `checkpoints/`, `best.safetensors`, and a lock while a process works in
 * it. Refuses to do: what is in a checkpoint (see `checkpoint.ts`), and writing while a worker runs.
 */
import { mkdir, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Corpus } from '../data/corpus.js';
import { TimeRNNError } from '../errors.js';
import { writeModel } from '../models/model-file.js';
import { type RunMemory, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { expectSameRun, identifyRun, type RunIdentity } from './identity.js';
import { appendMetrics, cutMetrics } from './metrics-file.js';
import type { ResolvedOptions } from './options.js';
import type { EpochMetrics, RunRecord } from './record.js';
import { machineOf, newRunFile, readRunFile, writeRunFile } from './run-file.js';
import { takeLock } from './run-lock.js';
import type { ResolvedRun } from './run-options.js';

/** `0000001234.safetensors`: names in the order of the windows that are done. */
const CHECKPOINT = /^\d{10,}\.safetensors$/;
const nameOf = (done: number): string => `${String(done).padStart(10, '0')}.safetensors`;

/** Where everything lies. */
function pathsOf(directory: string) {
  return {
    run: join(directory, 'run.json'),
    metrics: join(directory, 'metrics.jsonl'),
    best: join(directory, 'best.safetensors'),
    lock: join(directory, 'lock'),
    checkpoints: join(directory, 'checkpoints'),
  };
}

type Paths = ReturnType<typeof pathsOf>;

function fileError(path: string, cause: unknown): unknown {
  if (cause instanceof TimeRNNError) return cause;
  const got = cause instanceof Error ? cause.message : String(cause);
  return new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be writable, got ${got}`, { cause });
}

/** Names of checkpoints, newest first. */
async function listCheckpoints({ checkpoints }: Paths): Promise<string[]> {
  const names = (await readdir(checkpoints)).filter((name) => CHECKPOINT.test(name));
  return names.sort((a, b) => b.length - a.length || (a < b ? 1 : -1));
}

/** Temporary files of a process that was killed while it wrote; whoever has the lock may take them away. */
async function sweep(...folders: string[]): Promise<void> {
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      if (/^\..*\.tmp$/.test(name)) await unlink(join(folder, name));
    }
  }
}

/**
 * Loads the newest checkpoint that can be read. A damaged one is said so and put aside; checkpoints are written whole or
 * not at all, so it is the disk's doing.
 *
 * @returns whether there was any
 * @throws ERR_TIMERNN_FORMAT or ERR_TIMERNN_FILE, that of the newest, where none can be read
 */
async function loadNewest(paths: Paths, memory: RunMemory, identity: RunIdentity): Promise<boolean> {
  const names = await listCheckpoints(paths);
  const damaged: { path: string; error: unknown }[] = [];
  for (const name of names) {
    const path = join(paths.checkpoints, name);
    try {
      Object.assign(memory.state, await readCheckpoint(path, memory, identity));
    } catch (error) {
      damaged.push({ path, error });
      continue;
    }
    for (const { path: bad, error } of damaged) {
      const reason = error instanceof Error ? error.message : String(error);
      process.emitWarning(`The run goes on from ${path}, since a newer checkpoint is damaged: ${reason}`, {
        code: 'TIMERNN_CHECKPOINT_DAMAGED',
      });
      await rename(bad, `${bad}.damaged`);
    }
    return true;
  }
  if (damaged[0] !== undefined) throw damaged[0].error;
  return false;
}

/** Compares with the run that is there, or writes down the one that starts. @throws ERR_TIMERNN_OPTION where they differ */
async function agree(run: ResolvedRun, paths: Paths, identity: RunIdentity): Promise<void> {
  const { directory, fileSystem } = run;
  const found = await readRunFile(paths.run);
  if (found === undefined) return writeRunFile(paths.run, await newRunFile(identity), fileSystem);
  const asked = JSON.parse(JSON.stringify(identity)) as RunIdentity;
  expectSameRun(directory, found, asked);
  const { isa } = machineOf();
  if (found.machine?.isa !== isa) {
    process.emitWarning(
      `The run in ${directory} was started with ${found.machine?.isa} kernels and goes on with ${isa}: its result may ` +
        'differ from that of a run that was never stopped',
      { code: 'TIMERNN_RUN_MACHINE' },
    );
  }
  if (found.options.epochs === asked.options.epochs) return;
  await writeRunFile(paths.run, { ...found, options: asked.options }, fileSystem);
}

/** Records a run in its directory. */
class RunDirectory implements RunRecord {
  readonly #run: ResolvedRun;
  readonly #paths: Paths;
  readonly #memory: RunMemory;
  readonly #identity: RunIdentity;
  readonly #unlock: () => Promise<void>;
  /** Where the state was when it was last saved. */
  #saved = '';
  #savedSeconds = 0;
  /** Set once something could not be written: what is on the disk is then older than a checkpoint may say. */
  #failed = false;

  constructor(
    run: ResolvedRun,
    {
      paths,
      memory,
      identity,
      unlock,
    }: { paths: Paths; memory: RunMemory; identity: RunIdentity; unlock: () => Promise<void> },
  ) {
    this.#run = run;
    this.#paths = paths;
    this.#memory = memory;
    this.#identity = identity;
    this.#unlock = unlock;
  }

  /** Takes note that the state is that of a checkpoint. */
  markSaved(): void {
    this.#saved = this.#position;
    this.#savedSeconds = this.#memory.state.seconds;
  }

  async save(): Promise<void> {
    const path = join(this.#paths.checkpoints, nameOf(this.#memory.state.done));
    await this.#write(async () => {
      await writeCheckpoint(path, this.#memory, this.#identity, this.#run.fileSystem);
      this.markSaved();
      const names = await listCheckpoints(this.#paths);
      for (const name of names.slice(this.#run.keep)) await unlink(join(this.#paths.checkpoints, name));
    });
  }

  windowsLeft(): number {
    const { checkpointWindows } = this.#run;
    const { done } = this.#memory.state;
    return Number.isFinite(checkpointWindows) ? checkpointWindows - (done % checkpointWindows) : checkpointWindows;
  }

  async round(): Promise<void> {
    const { checkpointWindows, checkpointSeconds } = this.#run;
    const { done, seconds } = this.#memory.state;
    const due = done % checkpointWindows === 0 || seconds - this.#savedSeconds >= checkpointSeconds;
    if (due) await this.save();
  }

  async epoch(metrics: EpochMetrics, best: Float32Array<SharedArrayBuffer> | undefined): Promise<void> {
    const { fileSystem } = this.#run;
    // The checkpoint last: a run that is killed before it does the end of the epoch again, and overwrites the others.
    await this.#write(async () => {
      if (best !== undefined) {
        await writeModel(this.#paths.best, { ...this.#memory.target.parts, params: best }, fileSystem);
      }
      await appendMetrics(this.#paths.metrics, metrics, fileSystem);
    });
    await this.save();
  }

  async close(sound: boolean): Promise<void> {
    try {
      if (sound && !this.#failed && this.#saved !== this.#position) await this.save();
    } finally {
      await this.#unlock();
    }
  }

  get #position(): string {
    const { epoch, done } = this.#memory.state;
    return `${epoch} ${done}`;
  }

  async #write(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.#failed = true;
      throw fileError(this.#run.directory, error);
    }
  }
}

async function prepare(
  run: ResolvedRun,
  paths: Paths,
  memory: RunMemory,
  identity: RunIdentity,
): Promise<{ resumed: boolean }> {
  const { directory, resume, fileSystem } = run;
  await mkdir(paths.checkpoints, { recursive: true });
  await sweep(directory, paths.checkpoints);
  const holds = (await listCheckpoints(paths)).length > 0 || (await readRunFile(paths.run)) !== undefined;
  if (holds && !resume) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected run.directory to hold no run, or run.resume to be true, got a run in ${directory}`,
    );
  }
  await agree(run, paths, identity);
  const resumed = await loadNewest(paths, memory, identity);
  await cutMetrics(paths.metrics, memory.state.epoch, fileSystem);
  return { resumed };
}

/**
 * Opens the directory of a run: starts it there, or fills memory and state with where it was.
 *
 * @throws ERR_TIMERNN_BUSY, ERR_TIMERNN_OPTION, ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT, or the signal's reason
 */
export async function openRun(
  run: ResolvedRun,
  memory: RunMemory,
  corpus: Corpus,
  options: ResolvedOptions,
): Promise<RunRecord> {
  const paths = pathsOf(run.directory);
  const { target, plan } = memory;
  const identity = await identifyRun(target, corpus, options, plan.run.shardRows.length);
  try {
    await mkdir(run.directory, { recursive: true });
  } catch (error) {
    throw fileError(run.directory, error);
  }
  const unlock = await takeLock(paths.lock);
  try {
    const record = new RunDirectory(run, { paths, memory, identity, unlock });
    const { resumed } = await prepare(run, paths, memory, identity);
    // From the start on, the directory alone is enough to go on.
    if (resumed) record.markSaved();
    else await record.save();
    return record;
  } catch (error) {
    await unlock();
    throw fileError(run.directory, error);
  }
}
