/** A number of bytes or slots that several connections share. */
export class Budget {
  #left: number;

  constructor(size: number) {
    this.#left = size;
  }

  /** Takes `amount`, or returns false and takes nothing when less is left. */
  take(amount: number): boolean {
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }

  give(amount: number): void {
    this.#left += amount;
  }
}
