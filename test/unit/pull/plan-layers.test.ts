import { describe, expect, it } from 'vitest';
import {
  type Descriptor,
  type Digest,
  hashBytes,
  type ImageManifest,
  parseImageConfig,
} from '../../../src/oci/index.ts';
import { chainKey, diffIdKey } from '../../../src/pull/layer-format.ts';
import { type LayerPlan, planLayers } from '../../../src/pull/plan-layers.ts';
import { expectFailure } from '../../support/matchers.ts';

const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

function descriptor(mediaType: string, content: string): Descriptor {
  return { mediaType, digest: hashBytes(content), size: content.length, annotations: {}, platform: undefined };
}

function manifest(...layers: readonly Descriptor[]): ImageManifest {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const config = descriptor('application/vnd.oci.image.config.v1+json', 'config');
  return { mediaType, config, layers, annotations: {} };
}

function config(...diffIds: readonly Digest[]) {
  const document = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } };
  return parseImageConfig(Buffer.from(JSON.stringify(document)));
}

const PLAIN = hashBytes('plain tree');
const ZIPPED = hashBytes('zipped tree');

describe('planLayers', () => {
  const blobs = [descriptor(OCI_LAYER, 'plain'), descriptor(`${OCI_LAYER}+zstd`, 'zipped')] as const;

  it('pairs each blob, bottom to top, with its diffID and compression, in no domain', () => {
    expect(planLayers(manifest(...blobs), config(PLAIN, ZIPPED))).toEqual([
      { descriptor: blobs[0], diffId: PLAIN, compression: 'none', domain: undefined },
      { descriptor: blobs[1], diffId: ZIPPED, compression: 'zstd', domain: undefined },
    ]);
  });

  it('refuses another number of diffIDs than of blobs', async () => {
    await expectFailure('CONFIG_INVALID', () => planLayers(manifest(...blobs), config(PLAIN)));
  });

  it('refuses a layer that cannot be unpacked', async () => {
    const encrypted = manifest(descriptor(`${OCI_LAYER}+gzip+encrypted`, 'secret'));
    await expectFailure('LAYER_TYPE_UNSUPPORTED', () => planLayers(encrypted, config(PLAIN)));
  });
});

describe('keys of layers', () => {
  const format = { format: 'erofs', verity: false } as const;
  const plan = (diffId: Digest, domain?: string): LayerPlan => {
    return { descriptor: descriptor(OCI_LAYER, diffId), diffId, compression: 'none', domain };
  };
  const domain = 'd'.repeat(64);

  it('are those of the diffID and of the chain', () => {
    expect(diffIdKey(format, plan(PLAIN))).toBe(`erofs-v1-diffid-${PLAIN.slice('sha256:'.length)}`);
    expect(chainKey(format, [plan(PLAIN)])).toBe(`erofs-v1-chain-${PLAIN.slice('sha256:'.length)}`);
  });

  it('differ by domain, also by one of a layer below', () => {
    expect(diffIdKey(format, plan(PLAIN, domain))).toBe(`${diffIdKey(format, plan(PLAIN))}-${domain}`);
    const chains = [
      chainKey(format, [plan(PLAIN), plan(ZIPPED)]),
      chainKey(format, [plan(PLAIN, domain), plan(ZIPPED)]),
      chainKey(format, [plan(PLAIN), plan(ZIPPED, domain)]),
    ];
    expect(new Set(chains).size).toBe(3);
  });
});
