/** How many threads this process has. Means something only in a process of its own: AVA's has other tests' threads. */
import { readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Linux tells; elsewhere it is a constant, and what remains of the test is that the process ends by itself. */
export function threadCount(): number {
  try {
    return readdirSync('/proc/self/task').length;
  } catch {
    return 0;
  }
}

/** libuv starts its threads with the first piece of work: not to be mistaken for ours. */
export async function warmLibuv(): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, () => stat('.')));
}
