import { SealiftError } from '../errors/index.ts';
import { type Digest, isDigest } from './digest.ts';
import { formatReference, formatRepositoryName, parseReference, type Reference, withDefaultTag } from './reference.ts';

/** Places on this machine that an image may lie at: a directory for the first, a file for the others. */
export const FILE_TRANSPORTS = ['oci', 'oci-archive', 'docker-archive'] as const;
export type FileTransport = (typeof FILE_TRANSPORTS)[number];

/** Which image of those that lie there; positions count from 0. */
export type ImageSelector =
  | { readonly kind: 'only' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'position'; readonly position: number };

/** An image in files, `transport:path[:name|:@position][@digest]`. */
export interface FileReference {
  readonly transport: FileTransport;
  /** Without a colon. */
  readonly path: string;
  readonly selector: ImageSelector;
  readonly digest: Digest | undefined;
}

/** What a user may ask for: an image of a registry, or one in files. */
export type ImageReference = Reference | FileReference;

const REGISTRY_PREFIX = 'docker://';
/** Of https://github.com/containers/image/blob/v5.30.2/docs/containers-transports.5.md, and not of ours. */
const OTHER_TRANSPORTS = ['atomic', 'containers-storage', 'dir', 'docker-daemon', 'ostree', 'sif', 'tarball'];

const SCHEME = /^(?!https?:)([a-z][a-z0-9+.-]*):\/\//i;
const BEFORE_PATH = /^(?!https?:)([a-z][a-z0-9_-]*):(?=[./~])/i;
const PORT = /^[0-9]+(?:\/|$)/;
const POSITION = /^@(0|[1-9][0-9]{0,5})$/;
const DIGEST_LIKE = /^sha[0-9]+:/;
const MAX_PATH_LENGTH = 4_095;
const MAX_NAME_LENGTH = 1_024;
// https://github.com/containers/image/blob/v5.30.2/oci/internal/oci_util.go, cut into components.
const NAME_COMPONENT = /^[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*$/;

export function isFileReference(reference: ImageReference): reference is FileReference {
  return 'transport' in reference;
}

/** The transport of a text that names an image in files. `oci:5000/app` is one; `docker://oci:5000/app` is none. */
export function fileTransportOf(text: string): FileTransport | undefined {
  return FILE_TRANSPORTS.find((transport) => text.startsWith(`${transport}:`));
}

/** What stands behind `docker://`: a name that is taken as it is written, and by no alias. */
export function registryNameOf(text: string): string | undefined {
  return text.startsWith(REGISTRY_PREFIX) ? text.slice(REGISTRY_PREFIX.length) : undefined;
}

/** What a text names as its transport when it is none that we have. */
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

function splitDigest(text: string, rest: string): { readonly place: string; readonly digest: Digest | undefined } {
  const at = rest.lastIndexOf('@');
  const ending = rest.slice(at + 1);
  if (at < 0 || !DIGEST_LIKE.test(ending)) return { place: rest, digest: undefined };
  if (isDigest(ending)) return { place: rest.slice(0, at), digest: ending };
  return refuse(text, `digest "${ending}": expected sha256 or sha512, a colon and lower-case hex`);
}

/** An image of docker-archive is called as in a registry, one of the others by an annotation. */
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
 * Parses those references of containers-transports(5) that name files. A digest at the end is always a pin;
 * containers/image would take it for a part of path or name. Throws `REFERENCE_INVALID`.
 */
export function parseFileReference(text: string): FileReference {
  const transport = fileTransportOf(text) ?? refuse(text, `expected ${FILE_TRANSPORTS.join(', ')}`);
  const { place, digest } = splitDigest(text, text.slice(transport.length + 1));
  const colon = place.indexOf(':');
  const path = colon < 0 ? place : place.slice(0, colon);
  if (path === '' || path.length > MAX_PATH_LENGTH || path.includes('\0')) {
    refuse(text, `expected a path after "${transport}:"`);
  }
  return { transport, path, selector: parseSelector(text, transport, colon < 0 ? '' : place.slice(colon + 1)), digest };
}

/** Where the image lies, without saying which one: `transport:path`, or the repository. */
export function formatImagePlace(reference: ImageReference): string {
  return isFileReference(reference) ? `${reference.transport}:${reference.path}` : formatRepositoryName(reference);
}

/** Inverse of {@link parseFileReference} and of `parseReference`, fully expanded. */
export function formatImageReference(reference: ImageReference): string {
  if (!isFileReference(reference)) return formatReference(reference);
  const { selector } = reference;
  const named = selector.kind === 'name' ? `:${selector.name}` : '';
  const counted = selector.kind === 'position' ? `:@${selector.position}` : '';
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${formatImagePlace(reference)}${named}${counted}${digest}`;
}
