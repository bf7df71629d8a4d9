/** How many batches run at the same time unless somebody says. Loads nothing: the command line asks before there is an addon. */
import { availableParallelism } from 'node:os';

/** One of the libuv pool's four threads is left to files and DNS. */
const MOST_LANES = 3;

/** @param spared - cores that are left to others */
export const defaultLanes = (spared = 0): number => Math.max(1, Math.min(availableParallelism() - spared, MOST_LANES));
