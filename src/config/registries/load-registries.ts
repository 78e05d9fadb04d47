import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadTextFile } from '../load-text-file.ts';
import type { Environment } from '../parse-environment.ts';
import type { Configuration } from '../types.ts';
import { mergeRegistries } from './merge-registries.ts';
import { parseRegistries, type RegistriesDialect } from './parse-registries.ts';
import { registriesInvalid } from './registries-invalid.ts';
import type { Registries, RegistriesDocument } from './types.ts';

export interface RegistriesPlace {
  readonly path: string;
  /** Somebody named it, so that it has to be there. */
  readonly named: boolean;
}

export interface RegistriesPlaces {
  readonly file: RegistriesPlace | undefined;
  /** Of drop-ins, in the order of reading. */
  readonly directories: readonly RegistriesPlace[];
}

const SYSTEM = '/etc/containers';

function found(path: string): RegistriesPlace {
  return { path, named: false };
}

function namedPlaces({ registriesConf, registriesConfD }: Configuration['pull']) {
  const named = (path: string | undefined): RegistriesPlace | undefined =>
    path === undefined ? undefined : { path, named: true };
  return { file: named(registriesConf.value), directory: named(registriesConfD.value) };
}

/** The places that somebody named and no others: the daemon's. */
export function namedRegistries({ pull }: Pick<Configuration, 'pull'>): RegistriesPlaces {
  const { file, directory } = namedPlaces(pull);
  return { file, directories: directory === undefined ? [] : [directory] };
}

/**
 * Where the tools of containers/image look: the named file, else the user's, else the system's; the named directory, else
 * those of system and user, and beside the user's own file only the user's.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-registries.conf.d.5.md
 */
export function findRegistries(
  { pull }: Pick<Configuration, 'pull'>,
  { HOME }: Environment,
  system: string = SYSTEM,
): RegistriesPlaces {
  const { file, directory } = namedPlaces(pull);
  const user = HOME?.startsWith('/') ? join(HOME, '.config/containers') : undefined;
  const userFile = user === undefined ? undefined : join(user, 'registries.conf');
  const userDirectory = user === undefined ? [] : [found(join(user, 'registries.conf.d'))];
  const isUsers = file === undefined && userFile !== undefined && existsSync(userFile);
  const systemDirectory = isUsers ? [] : [found(join(system, 'registries.conf.d'))];
  return {
    file: file ?? found(isUsers ? userFile : join(system, 'registries.conf')),
    directories: directory === undefined ? [...systemDirectory, ...userDirectory] : [directory],
  };
}

const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES']);

/** Names that end with .conf, by their bytes. */
function dropInsOf({ path, named }: RegistriesPlace): readonly string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith('.conf'));
    return names.map(({ name }) => join(path, name)).sort((one, other) => Buffer.from(one).compare(Buffer.from(other)));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!named && ABSENT.has(code)) return [];
    throw registriesInvalid(path, `expected a directory that can be read: ${String(code ?? error)}`);
  }
}

function loadDocument(
  { path, named }: RegistriesPlace,
  maxBytes: number,
  dialect: RegistriesDialect,
): RegistriesDocument[] {
  const file = { path, what: 'registries', maxBytes, code: 'REGISTRIES_INVALID' } as const;
  const text = named ? loadTextFile(file) : loadTextFile({ ...file, optional: true });
  return text === undefined ? [] : [parseRegistries({ text, origin: path, dialect })];
}

/** The file and its drop-ins as one. Throws `REGISTRIES_INVALID`. */
export function loadRegistries({ file, directories }: RegistriesPlaces, maxBytes: number): Registries {
  const dropIns = directories.flatMap(dropInsOf).map(found);
  const places = [...(file === undefined ? [] : [file]), ...dropIns];
  return mergeRegistries(places.flatMap((place) => loadDocument(place, maxBytes, 'containers')));
}

/** The file that `registry_configuration_uri` of confidential-data-hub names. */
export function loadImageRsRegistries(path: string, maxBytes: number): Registries {
  return mergeRegistries(loadDocument({ path, named: true }, maxBytes, 'image-rs'));
}
