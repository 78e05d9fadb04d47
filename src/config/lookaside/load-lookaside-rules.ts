import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { inlineUri, type LoadOptions, loadText, loadTextIfPresent, nameResource } from '../../resources/index.ts';
import type { DaemonConfiguration } from '../daemon/types.ts';
import type { Environment } from '../parse-environment.ts';
import type { Configuration } from '../types.ts';
import { parseLookasideRules } from './parse-lookaside-rules.ts';
import { registriesDInvalid } from './registries-d-invalid.ts';
import { type LookasideRules, type LookasideSection, NO_LOOKASIDE_RULES } from './types.ts';

const SYSTEM = '/etc/containers/registries.d';
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES']);

interface LookasideDirectory {
  readonly path: string;
  /** True: the configuration names this path, so it must exist. */
  readonly named: boolean;
}

/**
 * Returns where the tools of containers/image look: the named directory, else the user's if there is one, else the
 * system's. One directory counts, whatever the others hold.
 */
export function findLookasideDirectory(
  { pull }: Pick<Configuration, 'pull'>,
  { HOME }: Environment,
  system: string = SYSTEM,
): LookasideDirectory {
  const { value } = pull.registriesD;
  if (value !== undefined) return { path: value, named: true };
  const user = HOME?.startsWith('/') ? join(HOME, '.config/containers/registries.d') : undefined;
  return { path: user !== undefined && existsSync(user) ? user : system, named: false };
}

/** Returns the paths that end with .yaml, ordered by the bytes of their names. */
async function filesOf({ path, named }: LookasideDirectory): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith('.yaml'));
    return names.map(({ name }) => join(path, name)).sort((one, other) => Buffer.from(one).compare(Buffer.from(other)));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!named && ABSENT.has(code)) return [];
    throw registriesDInvalid(path, `expected a directory that can be read: ${String(code ?? error)}`);
  }
}

interface LoadedRules {
  readonly path: string;
  readonly rules: LookasideRules;
}

/** Two files never say something of the same namespace: which of them would hold depends on the reader. */
function mergeRules(loaded: readonly LoadedRules[]): LookasideRules {
  const sections = new Map<string, LookasideSection>();
  const origins = new Map<string, string>();
  let defaultSection: LookasideSection | undefined;
  const note = (key: string, path: string): void => {
    const other = origins.get(key);
    if (other !== undefined) throw registriesDInvalid(path, `${key}: expected once, but ${other} has it too`);
    origins.set(key, path);
  };
  for (const { path, rules } of loaded) {
    if (rules.defaultSection !== undefined) note('default-docker', path);
    defaultSection ??= rules.defaultSection;
    for (const [scope, section] of rules.sections) {
      note(`docker["${scope}"]`, path);
      sections.set(scope, section);
    }
  }
  return { defaultSection, sections };
}

/** Loads the files of a directory in the format of containers-registries.d(5). Throws `REGISTRIES_D_INVALID`. */
export async function loadLookasideRules(
  directory: LookasideDirectory,
  { resources, ...load }: LoadOptions,
): Promise<LookasideRules> {
  const loaded: LoadedRules[] = [];
  for (const path of await filesOf(directory)) {
    const text = await loadTextIfPresent(resources, path, {
      ...load,
      what: 'registries.d',
      code: 'REGISTRIES_D_INVALID',
    });
    // A file may go between the listing and here.
    if (text !== undefined) loaded.push({ path, rules: await parseLookasideRules({ text, origin: path }) });
  }
  return mergeRules(loaded);
}

/**
 * Loads what the measured configuration of the daemon names, and nothing else: `pull.registries_d`, or the one document
 * of confidential-data-hub. Throws `REGISTRIES_D_INVALID`.
 */
export async function loadDaemonLookasideRules(
  { pull, imageLookaside }: Pick<DaemonConfiguration, 'pull' | 'imageLookaside'>,
  load: LoadOptions,
): Promise<LookasideRules> {
  const { value: image } = imageLookaside;
  if (image === undefined) {
    const { value: path } = pull.registriesD;
    return path === undefined ? NO_LOOKASIDE_RULES : loadLookasideRules({ path, named: true }, load);
  }
  const { resources, ...request } = load;
  const uri = image.kind === 'inline' ? inlineUri(image.text) : image.uri;
  const text = await loadText(resources, uri, { ...request, what: 'sigstore_config', code: 'REGISTRIES_D_INVALID' });
  return parseLookasideRules({ text, origin: image.kind === 'inline' ? imageLookaside.origin : nameResource(uri) });
}
