import { parse } from 'smol-toml';
import { describeSyntaxError } from '../decode-document.ts';
import { checkDocument } from '../schema.ts';
import { parseAliases, parseSearchRegistries } from './parse-aliases.ts';
import { parseLocation, parsePrefix, suffixOf } from './parse-location.ts';
import { registriesInvalid } from './registries-invalid.ts';
import { type MirrorTable, type RegistryTable, registriesSchema } from './schema.ts';
import type { RegistriesDocument, RegistryMirror, RegistryRule } from './types.ts';

/**
 * `containers`: a registries.conf. `image-rs`: the table of confidential-data-hub, in which a rule may have a prefix
 * without a location.
 */
export type RegistriesDialect = 'containers' | 'image-rs';

interface RegistriesText {
  readonly text: string;
  /** The source file, for messages. */
  readonly origin: string;
  readonly dialect: RegistriesDialect;
}

function parseMirror(table: MirrorTable, registry: RegistryTable, rule: RuleNames): RegistryMirror {
  const { prefix, origin } = rule;
  const location = parseLocation(table.location ?? '', 'mirror location', origin);
  if (location === '') throw registriesInvalid(origin, `registry "${prefix}": expected each mirror to have a location`);
  assertSameSuffix(location, rule);
  const use = table['pull-from-mirror'] || undefined;
  const isByDigest = registry['mirror-by-digest-only'] === true;
  if (isByDigest && use !== undefined) {
    const problem = `mirror "${location}": expected pull-from-mirror or mirror-by-digest-only of its registry, got both`;
    throw registriesInvalid(origin, problem);
  }
  return { location, insecure: table.insecure ?? false, use: isByDigest ? 'digest-only' : (use ?? 'all') };
}

interface RuleNames {
  readonly prefix: string;
  readonly origin: string;
}

/** A location must not change the tag or digest: they decide which bytes are meant. */
function assertSameSuffix(location: string, { prefix, origin }: RuleNames): void {
  const [expected, actual] = [suffixOf(prefix), suffixOf(location)];
  if (expected === actual) return;
  const wanted = expected === '' ? 'no tag or digest' : `"${expected}" as in its prefix`;
  throw registriesInvalid(origin, `location "${location}": expected ${wanted} at its end`);
}

function parseRule(table: RegistryTable, origin: string, dialect: RegistriesDialect): RegistryRule {
  const location = parseLocation(table.location ?? '', 'location', origin);
  const prefix = parsePrefix(table.prefix ?? '', origin) || location;
  if (prefix === '') throw registriesInvalid(origin, 'registry: expected a prefix or a location, got neither');
  const isNameKept = location === '';
  if (isNameKept && dialect === 'containers' && !prefix.startsWith('*.')) {
    throw registriesInvalid(origin, `registry "${prefix}": expected a location; only a prefix with *. may have none`);
  }
  if (table['pull-from-mirror']) {
    throw registriesInvalid(origin, `registry "${prefix}": expected pull-from-mirror in a mirror's table`);
  }
  const names = { prefix, origin };
  if (!isNameKept) assertSameSuffix(location, names);
  return {
    prefix,
    location: isNameKept ? undefined : location,
    insecure: table.insecure ?? false,
    blocked: table.blocked ?? false,
    mirrors: (table.mirror ?? []).map((mirror) => parseMirror(mirror, table, names)),
    origin,
  };
}

/** Refuses contradictions: two rules with the same prefix, or one location that is both secure and insecure. */
function assertConsistent(rules: readonly RegistryRule[]): void {
  const byPrefix = new Set<string>();
  const byLocation = new Map<string, RegistryRule>();
  for (const rule of rules) {
    const { prefix, location = prefix, origin } = rule;
    if (byPrefix.has(prefix)) throw registriesInvalid(origin, `registry "${prefix}": expected one table, got two`);
    byPrefix.add(prefix);
    const other = byLocation.get(location) ?? rule;
    byLocation.set(location, other);
    for (const key of ['insecure', 'blocked'] as const) {
      if (rule[key] !== other[key])
        throw registriesInvalid(origin, `location "${location}": expected one value of ${key}, got two`);
    }
  }
}

function decode({ text, origin }: RegistriesText): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw registriesInvalid(origin, `expected TOML: ${describeSyntaxError(error)}`);
  }
}

/** Checks a document that was parsed as a part of another one. Throws `REGISTRIES_INVALID`. */
export function checkRegistries(raw: unknown, origin: string, dialect: RegistriesDialect): RegistriesDocument {
  const checked = checkDocument(registriesSchema, raw);
  if (!checked.ok) throw registriesInvalid(origin, checked.problem);
  const { file } = checked;
  if (file.registries !== undefined) {
    const problem = 'registries: expected version 2 with [[registry]] tables, got version 1';
    throw registriesInvalid(origin, problem);
  }
  const rules = (file.registry ?? []).map((table) => parseRule(table, origin, dialect));
  assertConsistent(rules);
  return {
    rules,
    searchRegistries: parseSearchRegistries(file['unqualified-search-registries'], origin),
    shortNameMode: file['short-name-mode'] || undefined,
    aliases: parseAliases(file.aliases ?? {}, origin),
  };
}

/**
 * Parses one registries.conf of version 2. Throws `REGISTRIES_INVALID`.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-registries.conf.5.md
 */
export function parseRegistries(source: RegistriesText): RegistriesDocument {
  return checkRegistries(decode(source), source.origin, source.dialect);
}
