/** The progress of a blob over all attempts and connections. */
export class BlobProgress {
  readonly size: number;
  /** Bytes that have been written, counted from the beginning of the blob. */
  delivered = 0;

  constructor(size: number) {
    this.size = size;
  }

  get isWhole(): boolean {
    return this.delivered === this.size;
  }
}
