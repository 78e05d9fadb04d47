import { type ErrorCode, type SealiftError, toPlainError } from '../errors/index.ts';
import { fail, failWith, type Reply, STATUS } from '../ttrpc/index.ts';

/** What confidential-data-hub's errors begin with, by what was asked. */
export const HUB_OPERATIONS = {
  pullImage: 'Image Pull error',
  secureMount: 'Secure Mount failed',
  getResource: 'Get Resource failed',
  unsealSecret: 'Unseal Secret failed',
  unwrapKey: 'Decrypt Image (UnwrapKey) failed',
} as const;

export type HubOperation = keyof typeof HUB_OPERATIONS;

/** Not the hub's errors, but those of its server: they keep the status of their own. */
const SERVER_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TTRPC_DEADLINE_EXCEEDED',
  'TTRPC_MESSAGE_INVALID',
  'API_PASS_THROUGH_MISSING',
]);

/** Words of a failed pull that people and scripts around kata look for. */
const PULL_PHRASES: ReadonlyMap<ErrorCode, string> = new Map<ErrorCode, string>([
  ['REFERENCE_INVALID', 'Illegal image reference'],
  ['POLICY_DENIED', 'Image policy rejected: Denied by policy'],
  ['POLICY_TAG_UNPINNED', 'Image policy rejected: Denied by policy'],
  ['POLICY_REQUIREMENT_UNSUPPORTED', 'Image policy rejected'],
  ['POLICY_INVALID', 'Image policy rejected: Invalid image policy file'],
]);

/** The nearest ones; the last say little more than that something failed. */
const MAX_CAUSES = 4;

/**
 * An error as confidential-data-hub answers it: always INTERNAL, with the words in front that its clients know, and
 * behind them what ours has to say. Secrets were removed when the error was made.
 */
export function failAsHub(operation: HubOperation, error: SealiftError): Reply {
  if (SERVER_CODES.has(error.code)) return failWith(error);
  const beginning = `[CDH] [ERROR]: ${HUB_OPERATIONS[operation]}`;
  const phrase = operation === 'pullImage' ? `: ${pullPhrase(error)}` : '';
  return fail(STATUS.INTERNAL, `${beginning}${phrase}: ${describe(error)}`);
}

function pullPhrase({ code, kind }: SealiftError): string {
  return PULL_PHRASES.get(code) ?? `Failed to pull image${kind === 'unauthorized' ? ': Not authorized' : ''}`;
}

function describe(error: SealiftError): string {
  const { message, code, hint, causes } = toPlainError(error);
  const because = causes.length === 0 ? '' : `; caused by: ${causes.slice(0, MAX_CAUSES).join('; ')}`;
  return `${message}${because} [${code}] (${hint})`;
}
