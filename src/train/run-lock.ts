/**
 * One process at a time works in a run's directory: a lock file that names the process. What a process left behind that
 * is gone is taken over. Refuses to do: keeping processes of other machines out, whose being alive cannot be seen.
 */
import { randomBytes } from 'node:crypto';
import { link, readFile, readlink, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TimeRNNError } from '../errors.js';

/** Who holds a lock. */
interface Holder {
  pid: number;
  /** Tells one use of a process id from the next: the machine's start and the process's. Empty where nobody knows. */
  start: string;
  /** In whose numbering the process id is: containers on one machine each have their own. Empty where nobody knows. */
  namespace: string;
  /** Tells two runs of one process apart. */
  token: string;
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code;

/** When the machine and the process started, as Linux says; empty elsewhere, and for a process that is gone. */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; the start time is field 22, the 20th after it.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${boot.trim()} ${ticks}`;
  } catch {
    return '';
  }
}

/** The process ids that this process can see, as Linux names them; empty elsewhere. */
const namespaceOf = (): Promise<string> => readlink('/proc/self/ns/pid').catch(() => '');

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, start, namespace = '', token } = JSON.parse(text) as Partial<Holder>;
    // Signals to 0 and below reach groups of processes.
    if (!Number.isInteger(pid) || pid! < 1) return undefined;
    if ([start, namespace, token].some((value) => typeof value !== 'string')) return undefined;
    return { pid: pid!, start: start!, namespace, token: token! };
  } catch {
    return undefined;
  }
}

/** Whether a holder runs on this machine since it was last started, but among processes that cannot be seen from here. */
function isOutOfSight({ start, namespace }: Holder, own: Holder): boolean {
  if (namespace === '' || own.namespace === '' || namespace === own.namespace) return false;
  const boot = (text: string) => text.split(' ')[0];
  return start === '' || own.start === '' || boot(start) === boot(own.start);
}

async function isAlive({ pid, start }: Holder): Promise<boolean> {
  if (!exists(pid)) return false;
  const now = await startOf(pid);
  return start === '' || now === '' || now === start;
}

/** Takes a dead process's lock away. Where somebody else was faster, what is there now is put back. */
async function bury(path: string, dead: string): Promise<void> {
  const grave = join(dirname(path), `.lock.${randomBytes(6).toString('hex')}.dead.tmp`);
  try {
    await rename(path, grave);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if ((await readFile(grave, 'utf8')) !== dead) await link(grave, path);
  } finally {
    await unlink(grave);
  }
}

/** What file systems without hard links answer. */
const NO_LINKS = new Set<unknown>(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Creates the lock with its content, so that nobody ever reads half of it. Returns false where there is one. */
async function tryCreate(path: string, text: string): Promise<boolean> {
  // Named as what a killed process leaves of a file that it was writing, and swept away with those.
  const whole = join(dirname(path), `.lock.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeFile(whole, text, { flag: 'wx' });
    await link(whole, path).catch((error: unknown) => {
      if (!NO_LINKS.has(codeOf(error))) throw error;
      return writeFile(path, text, { flag: 'wx' });
    });
    return true;
  } catch (error) {
    // ENOENT: whoever has the lock has just swept.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await unlink(whole).catch(() => {});
  }
}

async function readLock(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Others that come and go at the same time; beyond that something else is wrong. */
const TRIES = 10;

/**
 * Locks a directory.
 *
 * @param path - of the lock file
 * @returns gives the lock back
 * @throws ERR_TIMERNN_BUSY where a process that is alive has it; ERR_TIMERNN_FILE where the system refuses
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const holder: Holder = {
    pid: process.pid,
    start: await startOf(process.pid),
    namespace: await namespaceOf(),
    token: randomBytes(8).toString('hex'),
  };
  const text = JSON.stringify(holder);
  try {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (await tryCreate(path, text)) {
        return async () => {
          // What a lock that stays costs is a look at its process; that is no reason to fail a run that has ended.
          if ((await readLock(path).catch(() => undefined)) === text) await unlink(path).catch(() => {});
        };
      }
      const found = await readLock(path);
      if (found === undefined) continue;
      const other = parseHolder(found);
      if (other !== undefined && isOutOfSight(other, holder)) {
        throw busy(path, `process ${other.pid} of another container`, `, or remove ${path} once it has ended`);
      }
      if (other !== undefined && (await isAlive(other))) throw busy(path, `process ${other.pid}`);
      await bury(path, found);
    }
    throw busy(path, 'processes that take turns');
  } catch (cause) {
    if (cause instanceof TimeRNNError) throw cause;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be writable, got ${String(cause)}`, { cause });
  }
}

function busy(path: string, who: string, or = ''): TimeRNNError {
  return new TimeRNNError(
    'ERR_TIMERNN_BUSY',
    `Expected the directory of the run to be free, got ${dirname(path)}, which is in use by ${who}; ` +
      `stop it, wait, or choose another directory${or}`,
  );
}
