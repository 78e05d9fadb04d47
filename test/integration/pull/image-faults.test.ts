import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode, ErrorKind } from '../../../src/errors/index.ts';
import { FaultBed, NOTHING_LEFT } from '../../support/faults/fault-bed.ts';
import { buildFaultImage, FAULT_ARCHIVE, type FaultImageOptions } from '../../support/faults/fault-image.ts';
import { FaultStage } from '../../support/faults/fault-stage.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';

const WITHOUT_ROOT = IS_ROOT ? '' : ' (skipped: needs root for a store)';

const DOCUMENTS = ['index', 'manifest', 'config', 'layer'] as const;

const EMPTY = createHash('sha256').digest('hex');
const cutOff = (blob: Buffer): Buffer => blob.subarray(0, -100);
const appended = (blob: Buffer): Buffer => Buffer.concat([blob, Buffer.from('garbage')]);
const html = (): string => '<html></html>';
const nothing = (): Buffer => Buffer.alloc(0);
const otherDiffId = (json: string): string => json.replace(/sha256:[0-9a-f]{64}/, `sha256:${EMPTY}`);
const noDiffIds = (json: string): string => json.replace(/"diff_ids":\[[^\]]*\]/, '"diff_ids":[]');
const XZ = Buffer.from('\xfd7zXZ\0 and so on', 'latin1');
const forPlan9 = (json: string): string => json.replace('"linux"', '"plan9"');
const followed = (json: string): string => `${json}{}`;
const alsoIndex = (json: string): string => json.replace('{', '{"manifests":[],');
const layerSize = (size: number) => (json: string) => json.replace(/"size":\d+\}\]/, `"size":${size}}]`);
const oneMore = (json: string): string => json.replace(/"size":(\d+)/g, (_, size) => `"size":${Number(size) + 1}`);
const brotli = (json: string): string => json.replace('tar+gzip', 'tar+br');
const twice = (key: string) => (json: string) => json.replace('{', `{"${key}":1,`);

function without(key: string): (json: string) => string {
  return (json) => JSON.stringify({ ...(JSON.parse(json) as Record<string, unknown>), [key]: undefined });
}

/** How often an endpoint was asked for index, manifest, config and layer. */
type Asked = readonly [index: number, manifest: number, config: number, layer: number];

type Row = readonly [
  fault: string,
  change: FaultImageOptions,
  kind: ErrorKind,
  code: ErrorCode,
  asked: Asked,
  /** How often the next endpoint, which has the same image, was asked. */
  next: Asked,
];

const NOBODY: Asked = [0, 0, 0, 0];

/**
 * The bytes match their digest and are therefore the same everywhere: they are requested once, and from another
 * endpoint only where the response broke off before the digest was known.
 */
const ROWS: readonly Row[] = [
  ['gzip that is cut off', { layer: cutOff }, 'corrupt', 'LAYER_DECOMPRESS_FAILED', [1, 1, 1, 1], NOBODY],
  ['gzip with garbage behind', { layer: appended }, 'corrupt', 'LAYER_DECOMPRESS_FAILED', [1, 1, 1, 1], NOBODY],
  ['a layer in xz', { layer: () => XZ }, 'corrupt', 'LAYER_TYPE_MISMATCH', [1, 1, 1, 1], NOBODY],
  ['an empty layer blob', { layer: nothing }, 'corrupt', 'LAYER_DECOMPRESS_FAILED', [1, 1, 1, 1], NOBODY],
  [
    'a tar that is cut off',
    { archive: FAULT_ARCHIVE.subarray(0, 51_200) },
    'corrupt',
    'TAR_INVALID',
    [1, 1, 1, 1],
    [0, 0, 0, 1],
  ],
  ['another diffID', { config: otherDiffId }, 'corrupt', 'DIFFID_MISMATCH', [1, 1, 1, 1], NOBODY],
  ['no diffIDs', { config: noDiffIds }, 'corrupt', 'CONFIG_INVALID', [1, 1, 1, 0], NOBODY],
  ['a config without rootfs', { config: without('rootfs') }, 'corrupt', 'CONFIG_INVALID', [1, 1, 1, 0], NOBODY],
  ['a config with duplicate keys', { config: twice('rootfs') }, 'corrupt', 'JSON_INVALID', [1, 1, 1, 0], NOBODY],
  ['a config that is HTML', { config: html }, 'corrupt', 'JSON_INVALID', [1, 1, 1, 0], NOBODY],
  [
    'a manifest with duplicate keys',
    { manifest: twice('config') },
    'corrupt',
    'JSON_INVALID',
    [1, 1, 0, 0],
    [0, 1, 0, 0],
  ],
  ['a manifest with more behind', { manifest: followed }, 'corrupt', 'JSON_INVALID', [1, 1, 0, 0], [0, 1, 0, 0]],
  [
    'a manifest that is an index too',
    { manifest: alsoIndex },
    'corrupt',
    'MANIFEST_INVALID',
    [1, 1, 0, 0],
    [0, 1, 0, 0],
  ],
  [
    'a manifest without config',
    { manifest: without('config') },
    'corrupt',
    'MANIFEST_INVALID',
    [1, 1, 0, 0],
    [0, 1, 0, 0],
  ],
  ['a layer of negative size', { manifest: layerSize(-1) }, 'corrupt', 'MANIFEST_INVALID', [1, 1, 0, 0], [0, 1, 0, 0]],
  [
    'a layer longer than it is',
    { manifest: layerSize(300_000) },
    'corrupt',
    'BLOB_SIZE_MISMATCH',
    [1, 1, 1, 1],
    [0, 0, 0, 1],
  ],
  [
    'a layer shorter than it is',
    { manifest: layerSize(100_000) },
    'corrupt',
    'BLOB_SIZE_MISMATCH',
    [1, 1, 1, 1],
    [0, 0, 0, 1],
  ],
  [
    'a layer larger than any disk',
    { manifest: layerSize(2 ** 53 - 1) },
    'exhausted',
    'STORE_SPACE_EXHAUSTED',
    [1, 1, 1, 0],
    NOBODY,
  ],
  ['a layer in brotli', { manifest: brotli }, 'unsupported', 'LAYER_TYPE_UNSUPPORTED', [1, 1, 0, 0], NOBODY],
  ['a manifest of another size', { index: oneMore }, 'corrupt', 'BLOB_SIZE_MISMATCH', [1, 1, 0, 0], NOBODY],
  [
    'an index with duplicate keys',
    { index: twice('manifests') },
    'corrupt',
    'JSON_INVALID',
    [1, 0, 0, 0],
    [1, 0, 0, 0],
  ],
  ['an index for Plan 9', { index: forPlan9 }, 'missing', 'PLATFORM_NOT_FOUND', [1, 0, 0, 0], NOBODY],
];

describe.skipIf(!IS_ROOT)(`a pull of an image that is wrong, with right digests${WITHOUT_ROOT}`, () => {
  let bed: FaultBed;

  beforeAll(() => {
    bed = new FaultBed({ 'pull.limits.retryDelayMs': 1 });
  });

  afterAll(() => bed[Symbol.asyncDispose]());

  it.each(ROWS)('%s is refused', async (_, change, kind, code, asked, next) => {
    const image = buildFaultImage(change);
    await using alone = await FaultStage.open(image);
    const outcome = await bed.pull({ name: 'app:latest', endpoints: alone.only });
    expect([outcome.error?.kind, outcome.error?.code]).toEqual([kind, code]);
    expect(DOCUMENTS.map((point) => alone.requestsTo(point).length)).toEqual(asked);
    expect(outcome.left).toEqual(NOTHING_LEFT);

    await using stage = await FaultStage.open(image);
    const again = await bed.pull({ name: 'app:latest', endpoints: stage.withSound });
    expect([again.error?.kind, again.error?.code]).toEqual([kind, code]);
    expect(DOCUMENTS.map((point) => stage.requestsTo(point).length)).toEqual(asked);
    expect(DOCUMENTS.map((point) => stage.soundRequestsTo(point).length)).toEqual(next);
    expect(again.left).toEqual(NOTHING_LEFT);
  });

  it('works with the image that all these were made from', async () => {
    await using stage = await FaultStage.open(buildFaultImage());
    const { error, result } = await bed.pull({ name: 'app:latest', endpoints: stage.only });
    expect(error).toBeUndefined();
    expect(result?.layers).toHaveLength(1);
  });
});
