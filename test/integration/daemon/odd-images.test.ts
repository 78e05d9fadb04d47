import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { PLATFORM } from '../../support/beds/pull-bed.ts';
import { entryOf, OCI, oddLayer, serveDocument, serveOddImage } from '../../support/builders/odd-image.ts';
import { dir, file, whiteout } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const A = oddLayer([dir('./'), file('f', 'of a')]);
const B = oddLayer([dir('./'), whiteout('f'), file('g', 'of b')]);

describeWith(['root'], 'the daemon, with its store in memory, pulls', () => {
  let daemon: DaemonBed;
  let rootfs: string;
  let count = 0;
  beforeAll(async () => {
    daemon = await DaemonBed.open({ toml: '[pull]\ninsecure_policy = true\ntls_verify = false\n' });
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  async function pull(digest: string): Promise<string> {
    count += 1;
    rootfs = daemon.bed.path(`bundles/c${count}/rootfs`);
    return daemon.pull(daemon.bed.reference(digest));
  }

  it('an image without layers, whose root file system is empty', async () => {
    await pull(serveOddImage(daemon.bed, { layers: [] }).digest);
    expect(readdirSync(rootfs)).toEqual([]);
  });

  it('a layer again upon one that deletes of it', async () => {
    await pull(serveOddImage(daemon.bed, { layers: [A, B, A] }).digest);
    expect(readdirSync(rootfs).sort()).toEqual(['f', 'g']);
    expect(readFileSync(`${rootfs}/f`, 'utf8')).toBe('of a');
  });

  it('an image behind two indexes, past what is none', async () => {
    const image = serveOddImage(daemon.bed, { layers: [B] });
    const unknown = { os: 'unknown', architecture: 'unknown' };
    const inner = serveDocument(daemon.bed, OCI.index, {
      schemaVersion: 2,
      manifests: [entryOf(image, { platform: unknown }), entryOf(image, { platform: PLATFORM })],
    });
    const outer = serveDocument(daemon.bed, OCI.index, { schemaVersion: 2, manifests: [entryOf(inner)] });
    expect(await pull(outer.digest)).toBe(image.digest);
    expect(readdirSync(rootfs)).toEqual(['g']);
  });

  it('a hundred layers, and goes on reading what is mounted', async () => {
    const layers = Array.from({ length: 100 }, (_, position) => oddLayer([file(`etc/${position}`, '')]));
    for (let round = 0; round < 2; round += 1) {
      await pull(serveOddImage(daemon.bed, { layers }).digest);
      expect(readdirSync(`${rootfs}/etc`)).toHaveLength(100);
    }
  });

  it('no artifact', async () => {
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    const layers = [oddLayer(Buffer.from('{}'), { compression: 'none', mediaType })];
    const { digest } = serveOddImage(daemon.bed, { layers, config: { os: '', architecture: '' } });
    const error = await expectFailure('LAYER_TYPE_UNSUPPORTED', () => pull(digest));
    expect(error.message).toContain('a cosign signature');
    expect(readdirSync(rootfs.replace(/\/rootfs$/, ''))).toEqual([]);
  });
});
