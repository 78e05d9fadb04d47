import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requestPull } from '../../src/api/index.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import { type BuiltImage, buildImage, buildLayer } from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { file, type TarMember, tar, tarStream } from '../support/builders/tar-builder.ts';
import { DaemonProcess } from '../support/daemons/daemon-process.ts';
import { describeWith } from '../support/machine/needs.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const GIB = 1024 * MIB;
const FILE_BYTES = 4 * MIB;
const AT_ONCE = 8;
const FILES = IS_SOAK ? 24 : 8;
/** Files of the layer that is on its way while cached pulls are answered. */
const BIG_FILES = IS_SOAK ? 256 : 64;
const MEMORY_BYTES = 4 * GIB;
/** A thread with its own HTTP client for each of the eight pulls would come to 300 MB. */
const LIMIT_BYTES = 200 * 1000 * 1000;
const CACHED_PULLS = 5;

const TEXT = Buffer.alloc(FILE_BYTES / 2, 'memory is bounded whatever the layer holds\n');

/** Half noise, half text; no two are the same. */
function chunksOf(noise: Buffer, number: number): Buffer[] {
  const offset = (number * 123_457) % (noise.length - FILE_BYTES / 2);
  return [noise.subarray(offset, offset + FILE_BYTES / 2), TEXT];
}

const noiseOf = (name: string): Buffer => pseudoRandom(4 * MIB, name);

function* members(name: string, files: number): Generator<TarMember> {
  const noise = noiseOf(name);
  for (let number = 0; number < files; number += 1) {
    yield file(`file-${number}`, { size: FILE_BYTES, chunks: chunksOf(noise, number) });
  }
}

describeWith(['root', 'docker-registry'], 'sealiftd under load', () => {
  let bed: TestBed;
  let daemon: DaemonProcess;

  beforeEach(async () => {
    bed = await TestBed.open();
    daemon = new DaemonProcess();
    daemon.writeConfig({ memoryBytes: MEMORY_BYTES });
    await daemon.start();
  });

  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await bed?.[Symbol.asyncDispose]();
  });

  async function publish(name: string, files: number, compression: 'gzip' | 'zstd'): Promise<BuiltImage> {
    const layer = await buildLayer(tarStream(members(name, files)), compression, bed.scratch.path);
    const image = buildImage({ format: 'oci', layers: [layer], config: { Cmd: ['/bin/true'] } });
    await bed.push('load', name, image);
    return image;
  }

  async function pull(image: BuiltImage, container: string): Promise<string> {
    const bundlePath = daemon.path('bundles', container);
    mkdirSync(bundlePath);
    const imageUrl = bed.reference(`load@${image.top.digest}`);
    await requestPull({ socketPath: daemon.socket, imageUrl, bundlePath, signal: new AbortController().signal });
    return join(bundlePath, 'rootfs');
  }

  it('pulls eight images at once in little more than one takes', async () => {
    const names = Array.from({ length: AT_ONCE }, (_, number) => `image-${number}`);
    const images: BuiltImage[] = [];
    for (const [number, name] of names.entries()) {
      images.push(await publish(name, FILES, number % 2 === 0 ? 'gzip' : 'zstd'));
    }
    const roots = await Promise.all(images.map((image, number) => pull(image, `c${number}`)));
    for (const [position, name] of names.entries()) {
      const noise = noiseOf(name);
      for (let number = 0; number < FILES; number += 1) {
        const pulled = readFileSync(join(roots[position] ?? '', `file-${number}`));
        expect(pulled.equals(Buffer.concat(chunksOf(noise, number))), `${name}: file-${number}`).toBe(true);
      }
    }
    const { peakBytes } = daemon.memory();
    expect(peakBytes, 'the measurement works').toBeGreaterThan(60 * 1000 * 1000);
    expect(peakBytes).toBeLessThan(LIMIT_BYTES);
  });

  it('answers cached pulls while a large layer is on its way', async () => {
    const small = await buildLayer(tar([file('small', pseudoRandom(50_000, 'small'))]), 'gzip', bed.scratch.path);
    const cached = buildImage({ format: 'oci', layers: [small], config: { Cmd: ['/small'] } });
    await bed.push('load', 'cached', cached);
    await pull(cached, 'first');
    const big = await publish('big', BIG_FILES, 'gzip');
    let isBigDone = false;
    const running = pull(big, 'big').then(() => {
      isBigDone = true;
    });
    for (let number = 0; number < CACHED_PULLS; number += 1) await pull(cached, `cached-${number}`);
    expect(isBigDone, 'the big pull was still running').toBe(false);
    await running;
  });
});
