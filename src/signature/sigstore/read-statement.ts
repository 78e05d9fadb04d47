import { readDocument, refuseBecause, type StrictObject } from './strict-object.ts';
import type { SigstoreLimits } from './types.ts';

/** What an in-toto statement is about. */
export interface Statement {
  readonly predicateType: string;
  readonly subjects: readonly Subject[];
}

export interface Subject {
  /** Undefined if the statement does not name it. */
  readonly name: string | undefined;
  /** Those by algorithms that images are named by. */
  readonly digests: readonly string[];
}

const TYPES: ReadonlySet<string> = new Set(['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1']);
const DOCUMENT = { isNot: 'what it signs is no in-toto statement', refuse: refuseBecause('payload') };
/** As many as other verifiers of Sigstore read for one subject. */
const MAX_DIGESTS = 32;
const HEX: ReadonlyMap<string, RegExp> = new Map([
  ['sha256', /^[0-9a-f]{64}$/],
  ['sha512', /^[0-9a-f]{128}$/],
]);

/**
 * Reads a statement. Members that are not known here are ignored, as in-toto demands of its readers. Throws
 * `SIGNATURE_REFUSED`.
 * https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md
 */
export function readStatement(payload: Uint8Array, limits: SigstoreLimits): Statement {
  const document = readDocument(payload, DOCUMENT);
  if (!TYPES.has(document.text('_type'))) document.refuse('_type', 'expected version 1 or 0.1 of a statement');
  const bound = { limits, limit: 'maxStatementSubjects' } as const;
  const subjects = document.objects('subject', undefined, bound).map(readSubject);
  if (subjects.length === 0) document.refuse('subject', 'expected at least one');
  document.objectIfPresent('predicate');
  return { predicateType: document.text('predicateType'), subjects };
}

function readSubject(subject: StrictObject): Subject {
  const set = subject.object('digest');
  if (set.names.length === 0) subject.refuse('digest', 'expected at least one');
  if (set.names.length > MAX_DIGESTS) subject.refuse('digest', `expected at most ${MAX_DIGESTS}`);
  const digests = set.names.flatMap((algorithm) => {
    const value = set.text(algorithm);
    const pattern = HEX.get(algorithm);
    if (pattern === undefined) return [];
    if (!pattern.test(value)) set.refuse(algorithm, 'expected lower-case hexadecimal digits');
    return [`${algorithm}:${value}`];
  });
  return { name: subject.textOrEmpty('name') || undefined, digests };
}
