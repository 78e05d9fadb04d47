import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertEndpointAllowed, assertTransportAllowed } from '../../../src/config/index.ts';
import type { ImageProof } from '../../../src/signature/index.ts';
import { parseSecureMount } from '../../../src/volume/index.ts';
import { CellBed, IMAGES, type ImageKind, SIGNED } from '../../support/beds/cell-bed.ts';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { BROKERS } from './cells/brokers.ts';
import type { Cell, Row, Seen, Verdict } from './cells/cell.ts';
import { CREDENTIALS } from './cells/credentials.ts';
import { NAMES } from './cells/names.ts';
import { POLICIES } from './cells/policies.ts';
import { WAYS } from './cells/ways.ts';

function absenceOf({ absence }: Row, kind: ImageKind): Seen {
  return kind in absence ? (absence as Readonly<Record<ImageKind, Seen>>)[kind] : (absence as Seen);
}

function expected(row: Row, { askedBefore = [] }: Cell, verdict: Verdict, kind: ImageKind): Seen {
  if (verdict === 'honoured') return row.effect;
  if (verdict === 'ignored') return absenceOf(row, kind);
  return { result: verdict, asked: askedBefore, layerFetches: 0, authorizations: [] };
}

describeWith(['root', 'openssl'], 'what a source of configuration may decide', () => {
  let bed: CellBed;

  beforeAll(async () => {
    bed = await CellBed.open();
  });

  afterAll(() => bed[Symbol.asyncDispose]());

  describe.each([...POLICIES, ...BROKERS, ...NAMES, ...WAYS, ...CREDENTIALS])('$what', (row) => {
    it('is not there when nobody says it', async () => {
      const { servers } = bed;
      for (const kind of IMAGES) {
        expect(await bed.pull(row.name(servers), kind, row.common(servers))).toMatchObject(absenceOf(row, kind));
      }
    });

    it.each(row.cells)('from $source: $verdicts.0 for a digest, $verdicts.1 for a tag', async (cell) => {
      const { servers } = bed;
      for (const [index, kind] of IMAGES.entries()) {
        const verdict = cell.verdicts[index];
        if (verdict === undefined) throw new Error('a verdict is missing');
        const texts = { ...row.common(servers), ...cell.says(servers) };
        const seen = await bed.pull(row.name(servers), kind, texts);
        expect(seen, `${kind}: ${seen.result}`).toMatchObject(expected(row, cell, verdict, kind));
        const remarks = cell.remark === undefined ? [] : [expect.stringContaining(cell.remark)];
        expect(seen.warnings).toEqual(remarks);
      }
    });
  });

  // Cells in which an image with a digest and a tag differ: the signature of a tag has to prove as much as a digest.
  const provable = [...WAYS, ...CREDENTIALS].map((row) => {
    return { ...row, cells: row.cells.filter(({ verdicts: [pinned, tag] }) => pinned !== tag) };
  });
  describe.each(provable.filter(({ cells }) => cells.length > 0))('$what, for a tag that has to be signed', (row) => {
    it.each(row.cells)('from $source: $verdicts.0, as for a digest', async (cell) => {
      const { servers } = bed;
      const texts = { ...row.common(servers), ...cell.says(servers) };
      const seen = await bed.pull(row.name(servers), SIGNED, texts);
      expect(seen, seen.result).toMatchObject(expected(row, cell, cell.verdicts[0], IMAGES[0]));
    });
  });

  it('lets the host name a mirror only for tags that have to be signed, whatever else it serves', async () => {
    const { own, mirror } = bed.servers;
    const texts = { imagepuller: `[registries."${own}"]\nmirror = "http://${mirror}"` };
    const namedBy = async (mustBeSigned: boolean) =>
      (await bed.endpointsOf(`${own}/app:1`, texts, mustBeSigned)).filter(
        ({ reference }) => reference.domain === mirror,
      );
    expect(await namedBy(false)).toEqual([]);
    const [{ chosenBy } = { chosenBy: undefined }] = await namedBy(true);
    if (chosenBy === undefined) throw new Error('expected the mirror of the host');
    expect(() => assertEndpointAllowed(chosenBy, 'signature')).not.toThrow();
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertEndpointAllowed(chosenBy, 'none'));
  });

  describe.each(WAYS)('$what, for a tag whose signature was verified', (row) => {
    const { cells } = row;
    it.each(cells.filter(({ verdicts: [pinned] }) => pinned === 'honoured'))(
      'from $source is honoured',
      async (cell) => {
        const { servers } = bed;
        const texts = { ...row.common(servers), ...cell.says(servers) };
        const endpoints = await bed.endpointsOf(`${row.name(servers)}:1`, texts);
        expect(endpoints.length).toBeGreaterThan(0);
        const judge = (proof: ImageProof) => () => {
          for (const { configuration } of endpoints) assertTransportAllowed(configuration, proof);
        };
        expect(judge('signature')).not.toThrow();
        if (cell.verdicts[1] === 'CONFIG_CLASS_REFUSED') await expectFailure('CONFIG_CLASS_REFUSED', judge('none'));
        else expect(judge('none')).not.toThrow();
      },
    );
  });
});

describeWith(['root'], 'a limit of the owner', () => {
  it('holds from the start of the daemon on', async () => {
    await using daemon = await DaemonBed.open({ toml: '[pull]\ntls_verify = false\n[pull.limits]\nmax_layers = 1\n' });
    const { bed } = daemon;
    const [one, two] = [bed.serveImage([[dir('./')]]), bed.serveImage([[dir('./')], [file('a', 'a')]])];
    expect(await daemon.pull(bed.reference(one.digest))).toBe(one.digest);
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => daemon.pull(bed.reference(two.digest)));
    expect(bed.fetchesOf(two.layers[1] ?? '')).toBe(0);
  });
});

/** The options come from any process that can reach the socket, including the host through the agent's parameters. */
describe('the options of SecureMount', () => {
  const FIXED = {
    ...{ sourceType: 'empty', targetType: 'fileSystem', filesystemType: 'ext4', encryptionType: 'luks2' },
    ...{ deviceId: '254:0', dataIntegrity: 'true' },
  };
  const parse = (options: Readonly<Record<string, string>>) =>
    parseSecureMount(
      { volumeType: 'block-device', options: new Map(Object.entries(options)), flags: [], mountPoint: '/run/image' },
      { imageStore: '/run/image', mountRoots: [] },
    );

  it.each([
    ['integrity', { dataIntegrity: 'false' }],
    ['how the file system is made', { mkfsOpts: '-O ^metadata_csum' }],
  ])('decide nothing of %s', (_, options) => {
    expect(parse({ ...FIXED, ...options })).toEqual(parse(FIXED));
  });

  it.each([
    ...['policy', 'insecure_policy', 'blocked', 'location', 'unqualified-search-registries', 'max_layers'],
    ...['extra_root_certificates', 'tls_verify', 'mirror', 'https_proxy', 'authfile', 'key', 'integrity', 'required'],
  ])('are refused when there is %s among them', async (option) => {
    await expectFailure('VOLUME_REQUEST_UNSUPPORTED', () => parse({ ...FIXED, [option]: 'x' }));
  });

  it.each([
    ['a cipher', { encryptionType: 'none' }],
    ['a file system', { filesystemType: 'xfs' }],
    ['a source with content', { sourceType: 'encrypted' }],
  ])('are refused with %s of their own', async (_, options) => {
    await expectFailure('VOLUME_REQUEST_UNSUPPORTED', () => parse({ ...FIXED, ...options }));
  });
});
