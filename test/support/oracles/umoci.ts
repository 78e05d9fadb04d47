import { mkdirSync } from 'node:fs';
import { mustRun } from '../machine/commands.ts';

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
