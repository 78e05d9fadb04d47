import { SealiftError } from '../errors/index.ts';
import { type Digest, isDigest } from './digest.ts';
import { formatReference, formatRepositoryName, parseReference, type Reference, withDefaultTag } from './reference.ts';

/** Transports of images in files: the path of `oci` is a directory, that of the others a file. */
export const FILE_TRANSPORTS = ['oci', 'oci-archive', 'docker-archive'] as const;
export type FileTransport = (typeof FILE_TRANSPORTS)[number];

/** Selects one of the images in a directory or archive. Positions count from 0. */
export type ImageSelector =
  | { readonly kind: 'only' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'position'; readonly position: number };

/** An image in files, `transport:path[:name|:@position][@digest]`. */
export interface FileReference {
  readonly transport: FileTransport;
  /** Contains no colon. */
  readonly path: string;
  readonly selector: ImageSelector;
  readonly digest: Digest | undefined;
}

/** An image that a user can ask for: one in a registry, or one in files. */
export type ImageReference = Reference | FileReference;

const REGISTRY_PREFIX = 'docker://';
/**
 * Transports of containers/image that Sealift does not support.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-transports.5.md
 */
const OTHER_TRANSPORTS = ['atomic', 'containers-storage', 'dir', 'docker-daemon', 'ostree', 'sif', 'tarball'];

const SCHEME = /^(?!https?:)([a-z][a-z0-9+.-]*):\/\//i;
const BEFORE_PATH = /^(?!https?:)([a-z][a-z0-9_-]*):(?=[./~])/i;
const PORT = /^[0-9]+(?:\/|$)/;
const POSITION = /^@(0|[1-9][0-9]{0,5})$/;
const DIGEST_LIKE = /^sha[0-9]+:/;
const MAX_PATH_LENGTH = 4_095;
const MAX_NAME_LENGTH = 1_024;
// https://github.com/containers/image/blob/v5.30.2/oci/internal/oci_util.go, split into components.
const NAME_COMPONENT = /^[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*$/;

export function isFileReference(reference: ImageReference): reference is FileReference {
  return 'transport' in reference;
}

/**
 * Returns the transport of a text that names an image in files: `oci` for `oci:5000/app`, undefined
 * for `docker://oci:5000/app`.
 */
export function fileTransportOf(text: string): FileTransport | undefined {
  return FILE_TRANSPORTS.find((transport) => text.startsWith(`${transport}:`));
}

/** Returns the text after `docker://`, a name that is used as written and never as an alias. */
export function registryNameOf(text: string): string | undefined {
  return text.startsWith(REGISTRY_PREFIX) ? text.slice(REGISTRY_PREFIX.length) : undefined;
}

/** Returns the transport that a text names if Sealift does not support it. */
export function foreignTransportOf(text: string): string | undefined {
  if (fileTransportOf(text) !== undefined || text.startsWith(REGISTRY_PREFIX)) return undefined;
  const known = OTHER_TRANSPORTS.find((transport) => text.startsWith(`${transport}:`));
  if (known !== undefined && !PORT.test(text.slice(known.length + 1))) return known;
  return SCHEME.exec(text)?.[1] ?? BEFORE_PATH.exec(text)?.[1];
}

function refuse(text: string, what: string): never {
  throw new SealiftError('REFERENCE_INVALID', `reference "${text.slice(0, MAX_PATH_LENGTH)}": ${what}`, {
    hint: 'write it as oci:DIRECTORY, oci-archive:FILE or docker-archive:FILE, then [:NAME|:@POSITION][@sha256:…]',
  });
}

function splitDigest(text: string, rest: string): { readonly location: string; readonly digest: Digest | undefined } {
  const at = rest.lastIndexOf('@');
  const ending = rest.slice(at + 1);
  if (at < 0 || !DIGEST_LIKE.test(ending)) return { location: rest, digest: undefined };
  if (isDigest(ending)) return { location: rest.slice(0, at), digest: ending };
  return refuse(text, `digest "${ending}": expected sha256 or sha512, a colon and lower-case hex`);
}

/** An image in a docker-archive has a name as in a registry; the other transports name an image by an annotation. */
function parseName(text: string, transport: FileTransport, name: string): string {
  if (transport === 'docker-archive') return formatReference(withDefaultTag(parseReference(name)));
  const isName = name.length <= MAX_NAME_LENGTH && name.split('/').every((part) => NAME_COMPONENT.test(part));
  return isName ? name : refuse(text, `image "${name}": expected letters and digits with separators in between`);
}

function parseSelector(text: string, transport: FileTransport, written: string): ImageSelector {
  if (written === '') return { kind: 'only' };
  const position = POSITION.exec(written)?.[1];
  if (position !== undefined) return { kind: 'position', position: Number(position) };
  if (written.startsWith('@')) return refuse(text, `image "${written}": expected @ and a position counted from 0`);
  return { kind: 'name', name: parseName(text, transport, written) };
}

/**
 * Parses the references of containers-transports(5) that name files. A digest at the end is always a pin;
 * containers/image would read it as part of the path or the name. Throws `REFERENCE_INVALID`.
 */
export function parseFileReference(text: string): FileReference {
  const transport = fileTransportOf(text) ?? refuse(text, `expected ${FILE_TRANSPORTS.join(', ')}`);
  const { location, digest } = splitDigest(text, text.slice(transport.length + 1));
  const colon = location.indexOf(':');
  const path = colon < 0 ? location : location.slice(0, colon);
  if (path === '' || path.length > MAX_PATH_LENGTH || path.includes('\0')) {
    refuse(text, `expected a path after "${transport}:"`);
  }
  return {
    transport,
    path,
    selector: parseSelector(text, transport, colon < 0 ? '' : location.slice(colon + 1)),
    digest,
  };
}

/** Returns where images are, without selecting one of them: `transport:path`, or the repository. */
export function formatImageLocation(reference: ImageReference): string {
  return isFileReference(reference) ? `${reference.transport}:${reference.path}` : formatRepositoryName(reference);
}

/** Inverse of {@link parseFileReference} and of `parseReference`, fully expanded. */
export function formatImageReference(reference: ImageReference): string {
  if (!isFileReference(reference)) return formatReference(reference);
  const { selector } = reference;
  const named = selector.kind === 'name' ? `:${selector.name}` : '';
  const counted = selector.kind === 'position' ? `:@${selector.position}` : '';
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${formatImageLocation(reference)}${named}${counted}${digest}`;
}
