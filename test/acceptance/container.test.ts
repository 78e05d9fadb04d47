import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildRichLayers, loadRichImage, MANY_FILES } from '../support/builders/debian-image.ts';
import { buildImage, buildLayer } from '../support/builders/image-builder.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runBundle } from '../support/oracles/crun.ts';
import { IS_SOAK } from '../support/soak.ts';

describeWith(['root', 'docker-registry', 'crun'], 'crun run on a pulled bundle', () => {
  let bed: TestBed;

  beforeAll(async () => {
    bed = await TestBed.open();
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  async function pullAndRun(repository: string, image: ReturnType<typeof buildImage>) {
    await bed.push(repository, 'latest', image);
    const bundle = bed.newPath('bundle');
    const name = `${repository}@${image.top.digest}`;
    const { error } = await bed.pull(name, ['--store', bed.newPath('store'), '--bundle', bundle]);
    expect(error).toBeUndefined();
    return runBundle(bundle);
  }

  it('runs a static program with environment, working directory and arguments of the image', async () => {
    const busybox = readFileSync('/bin/busybox');
    const members = [
      dir('bin'),
      file('bin/busybox', busybox, { mode: 0o755 }),
      symlink('bin/sh', 'busybox'),
      dir('srv'),
    ];
    const image = buildImage({
      format: 'docker',
      layers: [await buildLayer(tar(members), 'zstd', bed.scratch.path)],
      config: {
        Entrypoint: ['/bin/sh', '-c'],
        Cmd: ['echo "$GREETING from $(pwd), $(busybox id -u):$(busybox id -g)"; exit 7'],
        Env: ['PATH=/bin', 'GREETING=ahoy'],
        WorkingDir: '/srv',
      },
    });
    const { code, stdout, stderr } = await pullAndRun('busybox', image);
    expect(stderr).toBe('');
    expect(stdout.toString()).toBe('ahoy from /srv, 0:0\n');
    expect(code).toBe(7);
  });

  it('runs dynamic programs of Debian as a user that is looked up in the image', async () => {
    const layers = await buildRichLayers(await loadRichImage(IS_SOAK ? [] : MANY_FILES), 'gzip', bed.scratch.path);
    const script =
      'id -u; id -g; cat /opt/link-into-lower-layer; echo; cat /usr/lib/sealift/below-a-link; stat -c %a /tmp';
    const config = { Cmd: ['/bin/sh', '-c', script], User: 'sailor', WorkingDir: '/tmp' };
    const { code, stdout, stderr } = await pullAndRun('debian', buildImage({ format: 'oci', layers, config }));
    expect(stderr).toBe('');
    expect(stdout.toString().split('\n').slice(0, 5)).toEqual([
      '1000',
      '2000',
      'a hard link of a higher layer points here',
      'lands in usr/lib1777',
      '',
    ]);
    expect(code).toBe(0);
  });
});
