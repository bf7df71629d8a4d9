/**
 * A run's directory: `run.json`, `metrics.jsonl`, `checkpoints/`, `best.safetensors`, and a lock while a process works in
 * it. Refuses to do: what is in a checkpoint (see `checkpoint.ts`), and writing while a worker runs.
 */
import { mkdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Corpus } from '../data/corpus.js';
import { TimeRNNError } from '../errors.js';
import { type Origin, writeModel } from '../models/model-file.js';
import { type RunMemory, writeCheckpoint } from './checkpoint.js';
import { CheckpointDue } from './checkpoint-due.js';
import { loadNewest, sweep } from './checkpoint-folder.js';
import { checkpointName, listCheckpoints } from './checkpoint-names.js';
import { expectSameOrigin, expectSameRun, identifyRun, type RunIdentity } from './identity.js';
import { appendMetrics, cutMetrics } from './metrics-file.js';
import type { ResolvedOptions } from './options.js';
import type { EpochMetrics, RunRecord } from './record.js';
import { type Machine, machineOf, newRunFile, type RunFile, readRunFile, writeRunFile } from './run-file.js';
import { takeLock } from './run-lock.js';
import type { ResolvedRun } from './run-options.js';
import type { TrainingTarget } from './target.js';

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

/** What `mkdir` says of a file in the way helps nobody. */
function cannotMake(directory: string, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== 'EEXIST' && code !== 'ENOTDIR') return fileError(directory, cause);
  const got = code === 'EEXIST' ? 'a file' : 'a path through a file';
  return new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${directory} to be a folder, got ${got}`, { cause });
}

/** Files of a run that was under way, but nothing that it could go on from: somebody deleted or did not copy those. */
async function warnOfNothingToGoOn(directory: string, { metrics, best }: Paths): Promise<void> {
  const there = await Promise.all([metrics, best].map((path) => stat(path).catch(() => undefined)));
  if (there.every((found) => found === undefined)) return;
  process.emitWarning(
    `The run in ${directory} has no checkpoint to go on from: training starts anew, and its files are replaced`,
    { code: 'TIMERNN_RUN_WITHOUT_CHECKPOINT' },
  );
}

/** Kernels that round otherwise than those that the run was started with. */
function warnOfKernels(directory: string, recorded: Partial<Machine> | undefined): void {
  const own = machineOf();
  // A run of a release that did not record its products yet has nothing to compare.
  const differs = (['isa', 'gemm'] as const).filter(
    (name) => recorded?.[name] !== own[name] && (name === 'isa' || recorded?.[name] !== undefined),
  );
  if (differs.length === 0) return;
  const shown = (machine: Partial<Machine> | undefined) => differs.map((name) => machine?.[name]).join(', ');
  process.emitWarning(
    `The run in ${directory} was started with ${shown(recorded)} kernels and goes on with ${shown(own)}: its result may ` +
      'differ from that of a run that was never stopped',
    { code: 'TIMERNN_RUN_MACHINE' },
  );
}

/**
 * Compares with the run that is there.
 *
 * @returns what `run.json` is to say where that is not what it says
 * @throws ERR_TIMERNN_OPTION where they differ
 */
function agree(directory: string, found: RunFile, identity: RunIdentity, origin: Origin): RunFile | undefined {
  const asked = JSON.parse(JSON.stringify(identity)) as RunIdentity;
  expectSameRun(directory, found, asked);
  expectSameOrigin(directory, found.initialWeights, origin);
  warnOfKernels(directory, found.machine);
  return found.options.epochs === asked.options.epochs ? undefined : { ...found, options: asked.options };
}

/** Records a run in its directory. */
class RunDirectory implements RunRecord {
  readonly #run: ResolvedRun;
  readonly #paths: Paths;
  readonly #memory: RunMemory;
  readonly #identity: RunIdentity;
  readonly #unlock: () => Promise<void>;
  readonly #due: CheckpointDue;
  /** Where the state was when it was last saved. */
  #saved = '';
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
    this.#due = new CheckpointDue(run);
    this.#paths = paths;
    this.#memory = memory;
    this.#identity = identity;
    this.#unlock = unlock;
  }

  /** Takes note that the state is that of a checkpoint. */
  markSaved(): void {
    this.#saved = this.#position;
    this.#due.saved(this.#memory.state);
  }

  async save(): Promise<void> {
    const path = join(this.#paths.checkpoints, checkpointName(this.#memory.state.done));
    await this.#write(async () => {
      await writeCheckpoint(path, this.#memory, this.#identity, this.#run.fileSystem);
      this.markSaved();
      const names = await listCheckpoints(this.#paths.checkpoints);
      for (const name of names.slice(this.#run.keep)) await unlink(join(this.#paths.checkpoints, name));
    });
  }

  windowsLeft(): number {
    return this.#due.windowsLeft(this.#memory.state);
  }

  async round(): Promise<void> {
    if (this.#due.isDue(this.#memory.state)) await this.save();
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

/** Files that a run would overwrite must not be somebody else's. @throws ERR_TIMERNN_OPTION */
async function expectNoneOf(...files: string[]): Promise<void> {
  for (const path of files) {
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected run.directory to hold a run, or none of the files of one, got ${path} without a run.json`,
    );
  }
}

/**
 * Fills memory and state with where the run is, if there is one.
 *
 * @returns whether there was a checkpoint
 */
async function prepare(run: ResolvedRun, paths: Paths, memory: RunMemory, identity: RunIdentity): Promise<boolean> {
  const { directory, resume, fileSystem } = run;
  const found = await readRunFile(paths.run);
  const holds = found !== undefined || (await listCheckpoints(paths.checkpoints)).length > 0;
  if (holds && !resume) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected run.directory to hold no run, or run.resume to be true, got a run in ${directory}`,
    );
  }
  // What was in the folder before there was a run is not a run's to sweep or to cut.
  if (!holds) await expectNoneOf(paths.metrics, paths.best);
  await mkdir(paths.checkpoints, { recursive: true });
  const change = found && agree(directory, found, identity, memory.target.parts.origin);
  const resumed = await loadNewest(paths.checkpoints, memory, identity);
  if (found !== undefined && !resumed) await warnOfNothingToGoOn(directory, paths);
  // Written last: a folder whose checkpoints turn out to be another run's stays as it was.
  const origin = resumed ? undefined : memory.target.parts.origin;
  if (found === undefined) await writeRunFile(paths.run, await newRunFile(identity, origin), fileSystem);
  else if (change !== undefined) await writeRunFile(paths.run, change, fileSystem);
  if (!holds) return resumed;
  await sweep(directory, paths.checkpoints);
  await cutMetrics(paths.metrics, memory.state.epoch, fileSystem);
  return resumed;
}

/** Runs `body`, which may overwrite the model's parameters. Where it fails they are put back. */
async function keepingModel<T>({ params, lock }: TrainingTarget, body: () => Promise<T>): Promise<T> {
  const before = await lock.read(async () => params.slice());
  try {
    return await body();
  } catch (error) {
    await lock.write(async () => params.set(before));
    throw error;
  }
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
    throw cannotMake(run.directory, error);
  }
  const unlock = await takeLock(paths.lock);
  try {
    const record = new RunDirectory(run, { paths, memory, identity, unlock });
    const begin = () => prepare(run, paths, memory, identity);
    const resumed = await (run.resume ? keepingModel(target, begin) : begin());
    // From the start on, the directory alone is enough to go on.
    if (!resumed) await record.save();
    else {
      record.markSaved();
      target.parts.origin = { kind: 'trained' };
    }
    return record;
  } catch (error) {
    await unlock();
    throw fileError(run.directory, error);
  }
}
