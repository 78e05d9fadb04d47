import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErrorOptions, SealiftError } from '../../errors/index.ts';
import type { ClientCertificate } from '../../http/index.ts';
import { type LoadOptions, loadText } from '../../resources/index.ts';
import type { Environment } from '../parse-environment.ts';

/** The certificates in a folder of certs.d. The folder is named after its registry. */
export interface HostCertificates {
  readonly extraRoots: readonly string[];
  readonly clientCertificates: readonly ClientCertificate[];
}

const SYSTEM = ['/etc/containers/certs.d', '/etc/docker/certs.d'];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES']);

/**
 * Returns the directories in which the tools of containers/image look for folders of registries, in their order. The
 * first folder found is used.
 */
export function certsDirectories({ HOME }: Environment, system: readonly string[] = SYSTEM): readonly string[] {
  return [...(HOME?.startsWith('/') ? [join(HOME, '.config/containers/certs.d')] : []), ...system];
}

const CHECK_PATH = 'name a directory that exists and that this user may read, not a file in it';
const CHECK_NAMES =
  'only files whose names end with .crt are read as authorities: rename ca.pem, for example, to ca.crt';
/** The ends of the names that count. */
const SUFFIX = /\.(?:crt|cert|key)$/;

function refuse(path: string, problem: string, more: Pick<ErrorOptions, 'cause' | 'hint'> = {}): never {
  throw new SealiftError('CERTIFICATES_INVALID', `certificates ${path}: ${problem}`, { ...more, context: { path } });
}

/** Returns the sorted names in a folder; undefined when it does not exist or this user may not read it. */
async function namesIn(directory: string): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && ABSENT.has(error.code)) return undefined;
    return refuse(directory, 'expected a directory that can be read', { cause: error, hint: CHECK_PATH });
  }
}

class Folder {
  readonly #directory: string;
  readonly #names: readonly string[];
  readonly #options: LoadOptions;

  constructor(directory: string, names: readonly string[], options: LoadOptions) {
    this.#directory = directory;
    this.#names = names;
    this.#options = options;
  }

  async load(): Promise<HostCertificates> {
    for (const name of this.#ending('.key')) this.#assertPartner(name, '.key', '.cert');
    const extraRoots: string[] = [];
    for (const name of this.#ending('.crt')) extraRoots.push(...(await this.#roots(name)));
    const clientCertificates: ClientCertificate[] = [];
    for (const name of this.#ending('.cert')) clientCertificates.push(await this.#pair(name));
    return { extraRoots, clientCertificates };
  }

  #ending(suffix: string): readonly string[] {
    return this.#names.filter((name) => name.endsWith(suffix));
  }

  #read(name: string): Promise<string> {
    const { resources, maxBytes, signal } = this.#options;
    const request = { what: 'certificates', maxBytes, code: 'CERTIFICATES_INVALID', signal } as const;
    return loadText(resources, join(this.#directory, name), request);
  }

  async #roots(name: string): Promise<readonly string[]> {
    const certificates = (await this.#read(name)).match(CERTIFICATE) ?? [];
    if (certificates.length === 0) refuse(join(this.#directory, name), 'expected PEM certificates, got none');
    for (const certificate of certificates) this.#parse(name, () => new X509Certificate(certificate));
    return certificates;
  }

  async #pair(name: string): Promise<ClientCertificate> {
    const keyName = this.#assertPartner(name, '.cert', '.key');
    const pair = { certificate: await this.#read(name), key: await this.#read(keyName) };
    const certificate = this.#parse(name, () => new X509Certificate(pair.certificate));
    const key = this.#parse(keyName, () => createPrivateKey(pair.key));
    if (!certificate.checkPrivateKey(key)) {
      refuse(join(this.#directory, name), `expected the certificate of the key in ${keyName}`);
    }
    return pair;
  }

  /** Leaves out the parser's message, which may quote a key. */
  #parse<T>(name: string, parse: () => T): T {
    try {
      return parse();
    } catch {
      return refuse(join(this.#directory, name), 'expected PEM that can be read without a passphrase');
    }
  }

  #assertPartner(name: string, suffix: string, otherSuffix: string): string {
    const other = `${name.slice(0, -suffix.length)}${otherSuffix}`;
    if (this.#names.includes(other)) return other;
    return refuse(
      join(this.#directory, name),
      `expected ${other} in the same folder; names of authorities end with .crt`,
    );
  }
}

/**
 * Loads a folder that was named itself, so that it must exist and have certificates in it. `*.crt` are additional
 * authorities, `NAME.cert` with `NAME.key` is a certificate of the client. Throws `CERTIFICATES_INVALID`.
 * containers-certs.d(5)
 */
export async function loadCertificates(directory: string, options: LoadOptions): Promise<HostCertificates> {
  const names =
    (await namesIn(directory)) ?? refuse(directory, 'expected a directory that can be read', { hint: CHECK_PATH });
  if (!names.some((name) => SUFFIX.test(name))) {
    refuse(directory, 'no *.crt was found in it, and no NAME.cert with NAME.key', { hint: CHECK_NAMES });
  }
  return new Folder(directory, names, options).load();
}

/**
 * Loads the certificates of a host from the first of `parents` that has a folder for it. `host` is written as in
 * references, port included.
 */
export async function loadHostCertificates(
  parents: readonly string[],
  host: string,
  options: LoadOptions,
): Promise<HostCertificates | undefined> {
  for (const parent of parents) {
    const directory = join(parent, host);
    const names = await namesIn(directory);
    if (names !== undefined) return new Folder(directory, names, options).load();
  }
  return undefined;
}
