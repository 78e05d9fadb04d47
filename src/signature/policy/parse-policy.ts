import { SealiftError } from '../../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';
import { describeIssue } from './describe-issue.ts';
import { requirementSchema } from './schema.ts';
import type { Policy, Requirement, Requirements } from './types.ts';
import { scopeProblem } from './validate-scope.ts';

const TOP_LEVEL_KEYS: ReadonlySet<string> = new Set(['default', 'transports']);

function refuse(where: string, what: string): never {
  throw new SealiftError('POLICY_INVALID', `policy: ${where}: ${what}`, { context: { where } });
}

function readJson(raw: Uint8Array | string): unknown {
  try {
    return parseStrictJson(raw);
  } catch (cause) {
    const reason = cause instanceof SealiftError ? locate(cause, raw) : 'unreadable';
    throw new SealiftError('POLICY_INVALID', `policy: ${reason}`, { cause });
  }
}

/** Editors show lines and columns, and the parser of JSON counts characters. */
function locate({ message, context }: SealiftError, raw: Uint8Array | string): string {
  const position = context?.['position'];
  if (typeof position !== 'number') return message;
  const lines = (typeof raw === 'string' ? raw : Buffer.from(raw).toString()).slice(0, position).split('\n');
  const what = message.replace(/^json at character \d+: /, '');
  return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}: ${what}`;
}

function readObject(value: unknown, where: string): JsonObject {
  return isJsonObject(value) ? value : refuse(where, 'expected an object');
}

function readRequirement(value: unknown, where: string): Requirement {
  const result = requirementSchema.safeParse(readObject(value, where), { error: describeIssue });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const member = issue?.path.map((key) => `.${String(key)}`).join('') ?? '';
  return refuse(`${where}${member}`, issue?.message ?? 'unreadable');
}

function readRequirements(value: unknown, where: string): Requirements {
  if (!Array.isArray(value)) return refuse(where, 'expected an array of requirements');
  if (value.length === 0) return refuse(where, 'expected at least one requirement, got an empty array');
  return value.map((requirement, position) => readRequirement(requirement, `${where}[${position}]`));
}

function readScopes(transport: string, value: unknown): ReadonlyMap<string, Requirements> {
  const where = `transports.${transport}`;
  const scopes = new Map<string, Requirements>();
  for (const [scope, requirements] of Object.entries(readObject(value, where))) {
    const problem = scopeProblem(transport, scope);
    if (problem !== undefined) refuse(`${where}, scope "${scope}"`, problem);
    scopes.set(scope, readRequirements(requirements, `${where}["${scope}"]`));
  }
  return scopes;
}

// docs/adr/0004-strict-policy.md
/**
 * Reads a policy.json as strictly as containers/image does: no unknown or duplicate key, no empty list, no missing
 * default; one mistake anywhere refuses the file. Throws `POLICY_INVALID`.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md
 */
export function parsePolicy(raw: Uint8Array | string): Policy {
  const document = readObject(readJson(raw), 'document');
  const unknownKey = Object.keys(document).find((key) => !TOP_LEVEL_KEYS.has(key));
  if (unknownKey !== undefined) refuse('document', `unknown key "${unknownKey}"`);
  if (!('default' in document)) refuse('document', 'expected a "default"');

  const rawTransports = 'transports' in document ? readObject(document['transports'], 'transports') : {};
  const transports = Object.entries(rawTransports).map(
    ([transport, scopes]) => [transport, readScopes(transport, scopes)] as const,
  );
  return { default: readRequirements(document['default'], 'default'), transports: new Map(transports) };
}
