import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';
import { loadText } from '../../resources/index.ts';
import { type Policy, parsePolicy, type Requirements } from '../policy/index.ts';
import { checkKeys } from './check-keys.ts';
import { checkList, checkRequirement, type ListPosition } from './check-requirement.ts';
import { checkScope, checkTransport } from './check-scope.ts';
import { materialsOf } from './checked-kinds.ts';
import { checkDifferences, checkDocument } from './differences.ts';
import { findScope } from './find-scope.ts';
import type { CheckPorts, Finding, ListedKey, PolicyCheck } from './types.ts';

export interface PolicyQuestion {
  /** The path of the policy. */
  readonly file: string;
  /** Images as the user wrote them; paths in them are absolute. */
  readonly references: readonly string[];
}

/** One list of requirements of the file. */
interface ListedRequirements extends ListPosition {
  readonly requirements: Requirements;
  /** The same list as it is in the file. */
  readonly raw: unknown;
}

/**
 * Checks a policy without a network: what of it can never count, which keys cannot be read or used now, what other tools
 * make of it, and which list applies to some images. Throws `POLICY_INVALID` for a file that cannot be parsed, and
 * `REFERENCE_INVALID`.
 */
export async function checkPolicyFile(
  { file, references }: PolicyQuestion,
  ports: CheckPorts,
  signal: AbortSignal,
): Promise<PolicyCheck> {
  const { resources, limits } = ports;
  const request = { what: 'policy', maxBytes: limits.maxConfigurationBytes, code: 'POLICY_INVALID', signal } as const;
  const text = await loadText(resources, file, request);
  const policy = parsePolicy(text);
  const images = references.map((reference) => findScope(policy, reference));
  const document = parseStrictJson(text);
  const rawPolicy = isJsonObject(document) ? document : {};
  const findings: Finding[] = [...checkDocument(rawPolicy), ...[...policy.transports.keys()].flatMap(checkTransport)];
  const listed: ListedKey[] = [];
  for (const list of listsOf(policy, rawPolicy)) {
    findings.push(...checkScope(list), ...checkList(list.requirements, list));
    for (const [position, requirement] of list.requirements.entries()) {
      const where = `${list.where}[${position}]`;
      findings.push(...checkRequirement(requirement, where, list));
      for (const material of materialsOf(requirement)) {
        const checked = await checkKeys(material, where, { ...ports, signal });
        findings.push(...checked.findings);
        listed.push(...checked.keys);
      }
      findings.push(...checkDifferences(Array.isArray(list.raw) ? list.raw[position] : undefined, where));
    }
  }
  return { findings, keys: listed, images };
}

/** Returns all lists, the default first, then in the order of the file. */
function listsOf(policy: Policy, rawPolicy: JsonObject): readonly ListedRequirements[] {
  const raw = rawPolicy['transports'];
  const rawTransports = isJsonObject(raw) ? raw : {};
  const scoped = [...policy.transports].flatMap(([transport, scopes]) => {
    const rawScopes = rawTransports[transport];
    return [...scopes].map(([scope, requirements]): ListedRequirements => {
      const where = `transports.${transport}["${scope}"]`;
      return { transport, scope, where, requirements, raw: isJsonObject(rawScopes) ? rawScopes[scope] : undefined };
    });
  });
  const { default: requirements } = policy;
  const first = { transport: undefined, scope: '', where: 'default', requirements, raw: rawPolicy['default'] };
  return [first, ...scoped];
}
