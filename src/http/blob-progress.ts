/** How far a blob has come, over all attempts and connections. */
export class BlobProgress {
  readonly size: number;
  /** Bytes that the writer has, all from the beginning on. */
  delivered = 0;

  constructor(size: number) {
    this.size = size;
  }

  get isWhole(): boolean {
    return this.delivered === this.size;
  }
}
