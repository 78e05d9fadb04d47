import { daemonHint, type ErrorCode, type SealiftError, toPlainError } from '../errors/index.ts';
import { fail, failWith, type Reply, STATUS } from '../ttrpc/index.ts';

/** How confidential-data-hub's errors begin, by operation. */
export const HUB_OPERATIONS = {
  pullImage: 'Image Pull error',
  secureMount: 'Secure Mount failed',
  getResource: 'Get Resource failed',
  unsealSecret: 'Unseal Secret failed',
  unwrapKey: 'Decrypt Image (UnwrapKey) failed',
} as const;

export type HubOperation = keyof typeof HUB_OPERATIONS;

/** Errors of the ttrpc server rather than of the hub: they keep the status of their kind. */
const SERVER_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TTRPC_DEADLINE_EXCEEDED',
  'TTRPC_MESSAGE_INVALID',
  'API_PASS_THROUGH_MISSING',
]);

/** What people and scripts around kata search for in the message of a failed pull. */
const PULL_PHRASES: ReadonlyMap<ErrorCode, string> = new Map<ErrorCode, string>([
  ['REFERENCE_INVALID', 'Illegal image reference'],
  ['POLICY_DENIED', 'Image policy rejected: Denied by policy'],
  ['POLICY_TAG_UNPINNED', 'Image policy rejected: Denied by policy'],
  ['POLICY_REQUIREMENT_UNSUPPORTED', 'Image policy rejected'],
  ['POLICY_INVALID', 'Image policy rejected: Invalid image policy file'],
]);

/** The phrase that kata's tests look for when an encrypted layer cannot be decrypted. */
const ENCRYPTED_PHRASE =
  'Failed to pull image: Failed to decrypt the image layer, please ensure that the decryption key is placed and correct';

/** How many causes are shown, nearest first; the deepest ones add little. */
const MAX_CAUSES = 4;

/**
 * Answers an error as confidential-data-hub does: with status INTERNAL and a message that begins with the words that
 * its clients know, followed by our own. Secrets were removed when the error was created. ADR 0016 says why the hub's
 * words are kept, docs/adr/0016-the-hubs-place.md.
 */
export function failAsHub(operation: HubOperation, error: SealiftError): Reply {
  if (SERVER_CODES.has(error.code)) return failWith(error);
  const beginning = `[CDH] [ERROR]: ${HUB_OPERATIONS[operation]}`;
  const phrase = operation === 'pullImage' ? `: ${pullPhrase(error)}` : '';
  return fail(STATUS.INTERNAL, `${beginning}${phrase}: ${describe(error)}`);
}

function pullPhrase({ code, kind, context }: SealiftError): string {
  if (code === 'LAYER_TYPE_UNSUPPORTED' && String(context['actual']).endsWith('+encrypted')) return ENCRYPTED_PHRASE;
  return PULL_PHRASES.get(code) ?? `Failed to pull image${kind === 'unauthorized' ? ': Not authorized' : ''}`;
}

function describe(error: SealiftError): string {
  const plain = toPlainError(error);
  const { message, code, causes } = plain;
  const because = causes.length === 0 ? '' : `; caused by: ${causes.slice(0, MAX_CAUSES).join('; ')}`;
  return `${message}${because} [${code}] (${daemonHint(plain)})`;
}
