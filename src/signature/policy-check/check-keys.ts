import { type ErrorKind, SealiftError, toPlainError } from '../../errors/index.ts';
import { locateResource, nameResource } from '../../resources/index.ts';
import { isPath, nameKeys, nameMember } from '../name-keys.ts';
import type { ExaminedKey, RawKeyRing } from '../signed-content/index.ts';
import type { CheckPorts, Finding, KeyMaterial, ListedKey } from './types.ts';

export interface CheckedKeys {
  readonly findings: readonly Finding[];
  readonly keys: readonly ListedKey[];
}

interface KeyPorts extends Pick<CheckPorts, 'keys' | 'verifier'> {
  readonly signal: AbortSignal;
}

/** Loads the key material of a requirement from files and from the policy, and says which of its keys can be used now. */
export async function checkKeys(
  material: KeyMaterial,
  where: string,
  { keys: loader, verifier, signal }: KeyPorts,
): Promise<CheckedKeys> {
  const found = (status: Finding['status'], detail: string, remedy?: string): Finding => {
    return { status, check: 'key', where, detail, remedy };
  };
  const findings: Finding[] = [];
  const raw: RawKeyRing[] = [];
  const { prefix, source } = material;
  for (const value of source.values) {
    const { kind } = locateResource(value);
    if (isPath(source) && (kind === 'broker' || kind === 'sealed')) {
      findings.push(found('note', `${nameResource(value)}: a resource of the key broker cannot be read here`));
      continue;
    }
    try {
      const one = { ...source, values: [value] };
      raw.push(...nameKeys(prefix, one, await loader.load(one, signal)));
    } catch (error) {
      findings.push(found('fail', messageOf(error), 'put the file there, or correct its path in the policy'));
    }
  }
  const isComplete = !findings.some(({ status }) => status === 'fail');
  if (raw.length === 0 || !isComplete) return { findings, keys: [] };
  const keys: ExaminedKey[] = [];
  try {
    keys.push(...(await verifier.examineKeys({ form: material.form, raw }, signal)));
  } catch (error) {
    findings.push(
      found(
        'fail',
        messageOf(error),
        'put the right file or text there; until then every image that this requirement judges is refused',
      ),
    );
  }
  findings.push(...judgeKeys(keys, material, found));
  return { findings, keys: keys.map((key) => ({ ...key, where, member: nameMember(prefix, source) })) };
}

type Found = (status: Finding['status'], detail: string, remedy?: string) => Finding;

const REMEDY = 'put its new export or certificate, or another key, into the policy; docs/policy.md has the steps';

/** One usable key is enough for a requirement, but each of the others accepts nothing any more. */
function judgeKeys(keys: readonly ExaminedKey[], { isTimed = false }: KeyMaterial, found: Found): readonly Finding[] {
  const isUsable = isTimed || keys.some(({ problem }) => problem === undefined);
  return keys.flatMap(({ problem }) =>
    problem === undefined ? [] : [found(isUsable ? 'warn' : 'fail', problem, REMEDY)],
  );
}

const ABOUT_KEY: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['invalid', 'exhausted', 'unsupported']);

/** Throws the error again when it is not about the key. */
function messageOf(error: unknown): string {
  if (!(error instanceof SealiftError) || !ABOUT_KEY.has(error.kind)) throw error;
  const { message, causes } = toPlainError(error);
  return [message, ...causes.slice(0, 1)].join(': ');
}
