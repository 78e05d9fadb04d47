import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoadOptions, loadText, loadTextIfPresent, nameResource } from '../../resources/index.ts';
import type { Environment } from '../parse-environment.ts';
import type { Configuration } from '../types.ts';
import { mergeRegistries } from './merge-registries.ts';
import { parseRegistries, type RegistriesDialect } from './parse-registries.ts';
import { registriesInvalid } from './registries-invalid.ts';
import type { Registries, RegistriesDocument } from './types.ts';

interface RegistriesSourceFile {
  readonly path: string;
  /** True: the configuration names this path, so it must exist. */
  readonly named: boolean;
}

interface RegistriesSourceFiles {
  readonly file: RegistriesSourceFile | undefined;
  /** Directories with drop-ins, in the order of reading. */
  readonly directories: readonly RegistriesSourceFile[];
}

const SYSTEM = '/etc/containers';

function found(path: string): RegistriesSourceFile {
  return { path, named: false };
}

function namedSourceFiles({ registriesConf, registriesConfD }: Configuration['pull']) {
  const named = (path: string | undefined): RegistriesSourceFile | undefined =>
    path === undefined ? undefined : { path, named: true };
  return { file: named(registriesConf.value), directory: named(registriesConfD.value) };
}

/** Returns the source files of the daemon: those that its configuration names, and no others. */
export function namedRegistries({ pull }: Pick<Configuration, 'pull'>): RegistriesSourceFiles {
  const { file, directory } = namedSourceFiles(pull);
  return { file, directories: directory === undefined ? [] : [directory] };
}

/**
 * Returns where the tools of containers/image look: the named file, else the user's, else the system's; the named
 * directory, else those of system and user. With the user's own file only the user's directory counts.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-registries.conf.d.5.md
 */
export function findRegistries(
  { pull }: Pick<Configuration, 'pull'>,
  { HOME }: Environment,
  system: string = SYSTEM,
): RegistriesSourceFiles {
  const { file, directory } = namedSourceFiles(pull);
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

/** Returns the paths that end with .conf, ordered by the bytes of their names. */
async function dropInsOf({ path, named }: RegistriesSourceFile): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith('.conf'));
    return names.map(({ name }) => join(path, name)).sort((one, other) => Buffer.from(one).compare(Buffer.from(other)));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!named && ABSENT.has(code)) return [];
    throw registriesInvalid(path, `expected a directory that can be read: ${String(code ?? error)}`);
  }
}

async function loadDocument(
  { path, named }: RegistriesSourceFile,
  dialect: RegistriesDialect,
  { resources, maxBytes, signal }: LoadOptions,
): Promise<RegistriesDocument | undefined> {
  const request = { what: 'registries', maxBytes, code: 'REGISTRIES_INVALID', signal } as const;
  const text = await (named ? loadText(resources, path, request) : loadTextIfPresent(resources, path, request));
  return text === undefined ? undefined : parseRegistries({ text, origin: nameResource(path), dialect });
}

/** Loads the file and its drop-ins, and merges them. Throws `REGISTRIES_INVALID`. */
export async function loadRegistries(
  { file, directories }: RegistriesSourceFiles,
  options: LoadOptions,
): Promise<Registries> {
  const sources = file === undefined ? [] : [file];
  for (const directory of directories) sources.push(...(await dropInsOf(directory)).map(found));
  const documents: RegistriesDocument[] = [];
  for (const source of sources) {
    const document = await loadDocument(source, 'containers', options);
    if (document !== undefined) documents.push(document);
  }
  return mergeRegistries(documents);
}

/** Loads the document that `registry_configuration_uri` of confidential-data-hub names. */
export async function loadImageRsRegistries(uri: string, options: LoadOptions): Promise<Registries> {
  const document = await loadDocument({ path: uri, named: true }, 'image-rs', options);
  return mergeRegistries(document === undefined ? [] : [document]);
}
