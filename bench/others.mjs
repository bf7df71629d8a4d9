/**
 * How busy other programs kept the machine during the run; on Linux, from /proc. Two threads that wait for each other
 * lose far more than its share to a third, so a figure from a busy machine has to say so.
 */
import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc; fixed at 100 on every Linux that Node runs on. */
const TICKS = 100;

function snapshot() {
  const all = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].trim().split(/\s+/).slice(1).map(Number);
  const [user, nice, system, , , irq, softirq, steal] = all;
  // After the command's name in brackets: utime, stime, and the same of children that have ended.
  const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ').slice(11, 15).map(Number);
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, own: own.reduce((a, b) => a + b, 0), time: performance.now() };
}

/**
 * Starts to watch. The function that it returns gives the cores that others used on average since then, once all
 * children have ended; undefined where the system does not tell.
 */
export function watchOthers() {
  if (process.platform !== 'linux') return () => undefined;
  const before = snapshot();
  return () => {
    const after = snapshot();
    const ticks = after.busy - before.busy - (after.own - before.own);
    return Math.max(0, ticks / TICKS / ((after.time - before.time) / 1000));
  };
}
