import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { buildImage, buildLayer } from '../builders/image-builder.ts';
import { type TarMember, tar } from '../builders/tar-builder.ts';
import { mustRun, runCommand } from '../machine/commands.ts';

/** Copies an image out of a registry on loopback and unpacks it with tools that are not ours. Needs root. */
export async function unpackWithUmoci(reference: string, folder: string): Promise<string> {
  const [layout, rootfs] = [`${folder}/umoci-layout:image`, `${folder}/umoci-rootfs`];
  const copy = [
    '--insecure-policy',
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    `docker://${reference}`,
    `oci:${layout}`,
  ];
  mkdirSync(folder, { recursive: true });
  await mustRun('skopeo', copy);
  await mustRun('umoci', ['raw', 'unpack', '--image', layout, rootfs]);
  return rootfs;
}

/** Unpacks layers with umoci into `<folder>/umoci`, which it returns; undefined when umoci refuses them. Needs root. */
export async function unpackLayersWithUmoci(
  folder: string,
  members: readonly (readonly TarMember[])[],
): Promise<string | undefined> {
  const [layout, rootfs] = [`${folder}/layout`, `${folder}/umoci`];
  mkdirSync(`${layout}/blobs/sha256`, { recursive: true });
  const layers = await Promise.all(members.map((each) => buildLayer(tar(each), 'gzip', folder)));
  const { config, manifest } = buildImage({ format: 'oci', layers });
  const blobOf = (digest: string) => `${layout}/blobs/sha256/${digest.slice('sha256:'.length)}`;
  for (const { path, digest } of layers) cpSync(path, blobOf(digest));
  for (const { bytes, digest } of [config, manifest]) writeFileSync(blobOf(digest), bytes);
  writeFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { 'org.opencontainers.image.ref.name': 'image' };
  const { mediaType, digest, bytes } = manifest;
  const manifests = [{ mediaType, digest, size: bytes.length, annotations }];
  writeFileSync(`${layout}/index.json`, JSON.stringify({ schemaVersion: 2, manifests }));
  const { code } = await runCommand('umoci', ['raw', 'unpack', '--image', `${layout}:image`, rootfs]);
  return code === 0 ? rootfs : undefined;
}
