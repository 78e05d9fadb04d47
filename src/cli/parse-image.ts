import { resolve } from 'node:path';
import {
  FILE_TRANSPORTS,
  fileTransportOf,
  foreignTransportOf,
  formatImageReference,
  parseFileReference,
  registryNameOf,
} from '../oci/index.ts';
import { usage } from './flags/usage.ts';

export const IMAGE_ARGUMENT =
  'image: [docker://][host[:port]/]name[:tag][@digest], or {oci|oci-archive|docker-archive}:path[:name|:@position][@digest]';

function assertKnownTransport(text: string): void {
  const foreign = foreignTransportOf(text);
  if (foreign === undefined) return;
  const known = ['docker://', ...FILE_TRANSPORTS.map((transport) => `${transport}:`)];
  usage(
    `transport "${foreign}": expected ${known.join(', ')} or a name without one`,
    'write docker:// before an image name that looks like a transport',
  );
}

/** The reference as the user wrote it, except that a path in it becomes absolute. Throws `USAGE`. */
export function parseImage(text: string, io: { readonly cwd: string }): string {
  assertKnownTransport(text);
  if (fileTransportOf(text) === undefined) return text;
  const reference = parseFileReference(text);
  const path = resolve(io.cwd, reference.path);
  if (path.includes(':')) usage(`path ${path}: expected one without a colon`);
  return formatImageReference({ ...reference, path });
}

/** The reference for the daemon, which pulls from registries only and knows no transports. Throws `USAGE`. */
export function parseRemoteImage(text: string): string {
  assertKnownTransport(text);
  const transport = fileTransportOf(text);
  if (transport !== undefined) usage(`--socket: expected an image of a registry, got one of ${transport}`);
  return registryNameOf(text) ?? text;
}

/** The reference of an image in a registry, as the user wrote it. Throws `USAGE`. */
export function parseRegistryImage(text: string): string {
  assertKnownTransport(text);
  const transport = fileTransportOf(text);
  if (transport !== undefined) usage(`image "${text}": expected one of a registry, got one of ${transport}`);
  return text;
}
