import type { ErrorCode, SealiftError } from '../errors/index.ts';
import { isWrongBytes } from './source-failure.ts';

interface Reason {
  readonly endpoint: string;
  readonly first: SealiftError;
  count: number;
}

function formatCount(count: number): string {
  if (count === 1) return '';
  return count === 2 ? ' twice' : ` ${count} times`;
}

function describe({ endpoint, first, count }: Reason): string {
  const nature = isWrongBytes(first) ? ' (sent wrong bytes)' : '';
  return `skipped ${endpoint}${formatCount(count)}${nature}: ${first.code}: ${first.message}`;
}

/** Counts the requests that another endpoint had to answer, and reports each endpoint and reason once. */
export class SkippedEndpoints {
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
