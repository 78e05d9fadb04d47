/** A number of bytes or places that many share. */
export class Budget {
  #left: number;

  constructor(size: number) {
    this.#left = size;
  }

  /** False, and nothing taken, when there is not as much left. */
  take(amount: number): boolean {
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }

  give(amount: number): void {
    this.#left += amount;
  }
}
