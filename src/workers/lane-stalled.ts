import type { Deadline } from '../operations/index.ts';

/**
 * A thread was given up because a call did not return before its deadline. Each call of the lane turns this into an
 * error of its own room. Never leaves this room.
 */
export class LaneStalled extends Error {
  readonly deadline: Deadline;
  constructor(deadline: Deadline) {
    super(`a call did not return within ${deadline.ms} ms`);
    this.deadline = deadline;
  }
}
