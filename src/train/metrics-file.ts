/** `metrics.jsonl`: a line of JSON an epoch, in order, each epoch once. Refuses to do: reading what lines say. */

import * as promises from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import { type FileSystem, writeFileAtomic } from '../checkpoint/atomic-write.js';
import { TimeRNNError } from '../errors.js';
import type { EpochMetrics } from './record.js';

/** Appends a line, and waits until it is on the disk. @throws ERR_TIMERNN_FILE */
export async function appendMetrics(
  path: string,
  metrics: EpochMetrics,
  fileSystem: FileSystem = promises,
): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(metrics)}\n`);
  try {
    const file = await fileSystem.open(path, 'a', 0o666);
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
        if (bytesWritten <= 0) throw new Error('the system took none of the bytes that were to be written');
        at += bytesWritten;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be writable, got ${got}`, { cause });
  }
}

/** The epoch of a line; NaN for what is no line of ours, such as half a one after a loss of power. */
function epochOf(line: string): number {
  try {
    return Number((JSON.parse(line) as EpochMetrics | null)?.epoch ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

/**
 * Keeps the lines of epochs 1 … `epochs`: the run goes on from there, and writes the later ones again.
 *
 * @throws ERR_TIMERNN_FILE
 */
export async function cutMetrics(path: string, epochs: number, fileSystem?: FileSystem): Promise<void> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Expected ${path} to be readable, got ${String(cause)}`, { cause });
  }
  const kept = text.split('\n').filter((line) => epochOf(line) <= epochs);
  const cut = kept.map((line) => `${line}\n`).join('');
  if (cut !== text) await writeFileAtomic(path, [Buffer.from(cut)], fileSystem);
}
