/** Names of a run's checkpoints. Apart from what reads them, since that needs the addon and this does not. */
import { readdir } from 'node:fs/promises';

/** `0000001234.safetensors`: names in the order of the windows that are done. */
const CHECKPOINT = /^\d{10,}\.safetensors$/;

/** The name of a checkpoint after so many windows. */
export const checkpointName = (done: number): string => `${String(done).padStart(10, '0')}.safetensors`;

/** Names of checkpoints, newest first; none where there is no such folder. */
export async function listCheckpoints(folder: string): Promise<string[]> {
  let found: string[];
  try {
    found = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const names = found.filter((name) => CHECKPOINT.test(name));
  return names.sort((a, b) => b.length - a.length || (a < b ? 1 : -1));
}
