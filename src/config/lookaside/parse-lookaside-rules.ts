import { decodeYaml, YamlProblem } from '../decode-yaml.ts';
import { checkDocument } from '../schema.ts';
import { registriesDInvalid } from './registries-d-invalid.ts';
import { lookasideSchema, type SectionTable } from './schema.ts';
import type { LookasideRules, LookasideSection } from './types.ts';

interface LookasideText {
  readonly text: string;
  /** The source file, for messages. */
  readonly origin: string;
}

const SCHEMES: ReadonlySet<string> = new Set(['file:', 'http:', 'https:']);

/** The message quotes nothing of an address with a user, whose password would be in it. */
function parseAddress(text: string, where: string, origin: string): URL {
  const refuse = (problem: string): never => {
    throw registriesDInvalid(origin, `${where}: ${problem}`);
  };
  const url = URL.parse(text) ?? refuse('expected file:///PATH, https://HOST/PATH or http://HOST/PATH');
  if (url.username !== '' || url.password !== '') refuse('expected no user, since a store is sent no credentials');
  if (!SCHEMES.has(url.protocol)) refuse(`expected file, https or http, got "${url.protocol}"`);
  if (url.search !== '' || url.hash !== '') refuse('expected no query and no fragment');
  if (url.protocol !== 'file:') return url;
  // A URL with one slash, or with a path that is not absolute, is read differently by different tools.
  if (url.host !== '' || !text.startsWith('file:///')) refuse('expected file:// and an absolute path');
  if (/%2f|%00/i.test(url.pathname)) refuse('expected a path without an encoded slash');
  return url;
}

/** `lookaside` comes before its former name, as in containers/image; addresses for writing are not looked at. */
function parseSection(table: SectionTable, where: string, origin: string): LookasideSection {
  const key = table?.lookaside ? 'lookaside' : 'sigstore';
  const text = table?.[key];
  return {
    lookaside: text ? parseAddress(text, `${where}.${key}`, origin) : undefined,
    useSigstoreAttachments: table?.['use-sigstore-attachments'] ?? undefined,
  };
}

async function decode({ text, origin }: LookasideText): Promise<unknown> {
  try {
    return await decodeYaml(text);
  } catch (error) {
    if (error instanceof YamlProblem) throw registriesDInvalid(origin, `expected YAML: ${error.message}`);
    throw error;
  }
}

/**
 * Parses one file of registries.d, or the `sigstore_config` of confidential-data-hub. Throws `REGISTRIES_D_INVALID`.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-registries.d.5.md
 */
export async function parseLookasideRules(source: LookasideText): Promise<LookasideRules> {
  const { origin } = source;
  const checked = checkDocument(lookasideSchema, await decode(source));
  if (!checked.ok) throw registriesDInvalid(origin, checked.problem);
  const { 'default-docker': byDefault, docker } = checked.file ?? {};
  const sections = Object.entries(docker ?? {}).map(
    ([scope, table]) => [scope, parseSection(table, `docker["${scope}"]`, origin)] as const,
  );
  return {
    defaultSection: byDefault ? parseSection(byDefault, 'default-docker', origin) : undefined,
    sections: new Map(sections),
  };
}
