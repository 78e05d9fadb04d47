import { availableParallelism } from 'node:os';
import { hasShaInstructions } from './sha-instructions.ts';

/**
 * Returns how many cores this process may use, and whether a third thread of a pair is worth its memory for hash trees:
 * with two cores and SHA instructions it gains nothing, and costs 17 MB.
 */
export function threadsOfMachine(): { readonly cores: number; readonly treeThread: boolean } {
  const cores = availableParallelism();
  return { cores, treeThread: cores > 2 || !hasShaInstructions() };
}
