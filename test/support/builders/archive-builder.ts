import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltDocument, type BuiltImage, hostArchitecture, toDocument } from './image-builder.ts';
import { dir, file, type TarMember, tar } from './tar-builder.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** An image of a layout, and its entry in the index. */
export interface LayoutEntry {
  readonly image: BuiltImage;
  readonly name?: string;
}

/** Writes an OCI image layout: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md */
export function writeLayout(folder: string, entries: readonly LayoutEntry[]): void {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: entries.map(describeEntry) }),
  );
  for (const { image } of entries) writeBlobs(folder, image);
}

export function blobFile(folder: string, digest: string): string {
  return join(folder, 'blobs', digest.replace(':', '/'));
}

/** Every directory and file below `folder`, in the order of their names, as a tar. */
export function tarFolder(folder: string, prefix = ''): Buffer {
  return tar([...membersOf(folder, prefix)]);
}

function describeEntry({ image: { top }, name }: LayoutEntry): object {
  const { mediaType, digest, bytes } = top;
  const annotations = name === undefined ? {} : { annotations: { [REF_NAME]: name } };
  return { mediaType, digest, size: bytes.length, ...annotations };
}

function writeBlobs(folder: string, { top, manifest, config, layers }: BuiltImage): void {
  for (const { digest, bytes } of [top, manifest, config]) writeFileSync(blobFile(folder, digest), bytes);
  for (const { digest, path } of layers) copyFileSync(path, blobFile(folder, digest));
}

function* membersOf(folder: string, prefix: string): Generator<TarMember> {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [path, name] = [join(folder, entry.name), `${prefix}${entry.name}`];
    if (!entry.isDirectory()) yield file(name, readFileSync(path));
    else {
      yield dir(name);
      yield* membersOf(path, `${name}/`);
    }
  }
}

/** One image in an archive as `docker save` writes it. */
export interface DockerItem {
  readonly tags: readonly string[] | null;
  readonly config: BuiltDocument;
  /** The path of the config in manifest.json; named by its digest when absent. */
  readonly configPath?: string;
  /** Paths, bottom to top. */
  readonly layers: readonly string[];
}

export function dockerConfig(diffIds: readonly string[]): BuiltDocument {
  const rootfs = { type: 'layers', diff_ids: diffIds };
  const content = { architecture: hostArchitecture(), os: 'linux', config: { Cmd: ['/bin/true'] }, rootfs };
  return toDocument('application/vnd.docker.container.image.v1+json', content);
}

export function dockerConfigPath({ config, configPath }: DockerItem): string {
  return configPath ?? `${config.digest.slice('sha256:'.length)}.json`;
}

/** Returns the members for manifest.json and the configs; the caller adds those of the layers. */
export function dockerMembers(items: readonly DockerItem[]): TarMember[] {
  const manifest = items.map((item) => {
    return { Config: dockerConfigPath(item), RepoTags: item.tags, Layers: item.layers };
  });
  return [
    ...items.map((item) => file(dockerConfigPath(item), item.config.bytes)),
    file('manifest.json', JSON.stringify(manifest)),
  ];
}
