import { attempt } from './attempt.ts';
import { measureFreeInodes, measureSpace } from './measure-space.ts';

/** What a file system has run out of: space, inodes, or what a quota allows. */
export type Resource = 'bytes' | 'inodes' | 'quota';

/** What a file system lacks, and what it had left as far as that can be measured. */
export interface Shortage {
  readonly resource: Resource;
  readonly availableBytes?: number;
  readonly freeInodes?: number;
}

/** Returns what a call that failed lacked on the file system of `directory`; undefined: it failed for another reason. */
export function lackingResource(errno: string | undefined, directory: string): Shortage | undefined {
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return undefined;
  const availableBytes = attempt(() => measureSpace(directory).availableBytes).value;
  const freeInodes = attempt(() => measureFreeInodes(directory)).value;
  const resource = errno === 'EDQUOT' ? 'quota' : freeInodes === 0 ? 'inodes' : 'bytes';
  return {
    resource,
    ...(availableBytes === undefined ? {} : { availableBytes }),
    ...(freeInodes === undefined ? {} : { freeInodes }),
  };
}

/** What to do about a state directory that is full: no image of the data is removed for it. */
export const FULL_STATE_HINT = 'give the state directory of the store more space, or remove images with sealift rm';

/** Returns what is left, as words: `4096 bytes and 0 inodes`. */
export function formatShortage({ resource, availableBytes, freeInodes }: Shortage): string {
  if (resource === 'quota') return 'nothing of its quota';
  return `${availableBytes ?? 'an unknown number of'} bytes and ${freeInodes ?? 'enough'} inodes`;
}
