/** A role of a line stopped only because another role had failed or the line was cancelled. */
export class PeerFailure extends Error {}
