import { readFileSync } from 'node:fs';
import { buildRichLayers, loadRichImage } from '../test/support/builders/debian-image.ts';
import { type BuiltImage, buildImage, buildLayer } from '../test/support/builders/image-builder.ts';
import { dir, file, symlink, tar } from '../test/support/builders/tar-builder.ts';

export interface DemoImage {
  readonly title: string;
  readonly repository: string;
  readonly image: BuiltImage;
  readonly files: number;
  /** The reference is pinned, or it is a tag that is pulled with --insecure-policy. */
  readonly pinned: boolean;
}

/** Builds the images: busybox, and programs and files of real Debian packages in both compressions. */
export async function buildDemoImages(folder: string): Promise<DemoImage[]> {
  const busybox = [
    dir('bin'),
    file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
    symlink('bin/sh', 'busybox'),
    dir('proc'),
  ];
  const rich = await loadRichImage();
  const script = 'echo "Hello from Debian, I am $(id -un) and see $(ls /usr/bin | wc -l) programs"';
  const debian = { Cmd: ['/bin/sh', '-c', script], User: 'sailor', Env: ['PATH=/usr/bin:/bin'] };
  const small = buildImage({
    format: 'oci',
    index: true,
    layers: [await buildLayer(tar(busybox), 'gzip', folder)],
    config: { Cmd: ['/bin/sh', '-c', 'echo "Hello from busybox in $(pwd)"'], WorkingDir: '/bin' },
  });
  const [gzip, zstd] = [await buildRichLayers(rich, 'gzip', folder), await buildRichLayers(rich, 'zstd', folder)];
  const files = rich.memberCount;
  return [
    { title: 'busybox', repository: 'demo/busybox', image: small, files: busybox.length, pinned: false },
    {
      title: 'Debian, gzip',
      repository: 'demo/debian',
      image: buildImage({ format: 'docker', layers: gzip, config: debian }),
      files,
      pinned: true,
    },
    {
      title: 'Debian, zstd',
      repository: 'demo/debian-zstd',
      image: buildImage({ format: 'oci', index: true, layers: zstd, config: debian }),
      files,
      pinned: true,
    },
  ];
}
