import type { ErrorCode, SealiftError } from '../errors/index.ts';
import { isWrongBytes } from './source-failure.ts';

interface Reason {
  readonly endpoint: string;
  readonly first: SealiftError;
  count: number;
}

function describe({ endpoint, first, count }: Reason): string {
  const times = count === 1 ? '' : ` ${count} times`;
  const nature = isWrongBytes(first) ? ', having sent wrong bytes' : '';
  return `${endpoint} was passed over${times}${nature}: ${first.code}: ${first.message}`;
}

/** Counts what was not taken from an endpoint since another one had it right, and says so once for each reason. */
export class PassedOver {
  readonly #onFirst: (sentence: string) => void;
  readonly #reasons = new Map<string, Map<ErrorCode, Reason>>();

  constructor(onFirst: (sentence: string) => void) {
    this.#onFirst = onFirst;
  }

  note(endpoint: string, error: SealiftError): void {
    const reasons = this.#reasons.get(endpoint) ?? new Map<ErrorCode, Reason>();
    this.#reasons.set(endpoint, reasons);
    const known = reasons.get(error.code);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const reason = { endpoint, first: error, count: 1 };
    reasons.set(error.code, reason);
    this.#onFirst(describe(reason));
  }

  sentences(): readonly string[] {
    return [...this.#reasons.values()].flatMap((reasons) => [...reasons.values()].map(describe));
  }
}
