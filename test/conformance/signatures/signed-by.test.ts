import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { PLATFORM, PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { skopeoAccepts } from '../../support/oracles/skopeo-policy.ts';
import { GpgHome } from '../../support/signatures/gpg-home.ts';
import { IS_SOAK } from '../../support/soak.ts';
import {
  GOOD,
  INDEXED_IMAGES,
  NAMED_IMAGES,
  PAYLOAD_IMAGES,
  type SignedImage,
  type SignedSubject,
  STORED_IMAGES,
  UNSIGNED,
} from './signed-images.ts';
import {
  ALL_USERS,
  IDENTITY_POLICIES,
  OTHER_POLICIES,
  SIGNED_BY_ALICE,
  SIGNED_BY_ALL,
  type SigningPolicy,
} from './signing-policies.ts';

interface Pair {
  readonly policy: SigningPolicy;
  readonly image: SignedImage;
}

const pairs = (policies: readonly SigningPolicy[], images: readonly SignedImage[]): Pair[] =>
  images.flatMap((image) => policies.map((policy) => ({ policy, image })));

const ALL_PAIRS: readonly Pair[] = [
  ...pairs([SIGNED_BY_ALL], [...STORED_IMAGES, ...PAYLOAD_IMAGES]),
  ...pairs(IDENTITY_POLICIES, [...NAMED_IMAGES, ...INDEXED_IMAGES]),
  ...pairs(OTHER_POLICIES, [GOOD, UNSIGNED]),
];

/** Each image has at least one pair in the short run, and each policy too. */
const PAIRS = IS_SOAK
  ? ALL_PAIRS
  : ALL_PAIRS.filter(({ policy, image }, index) => {
      const isFirst = (matches: (pair: Pair) => boolean) => ALL_PAIRS.findIndex(matches) === index;
      return isFirst((pair) => pair.policy === policy) || isFirst((pair) => pair.image === image);
    });

interface Difference {
  readonly what: string;
  /** The title of the image. */
  readonly image: string;
  /** What sealift does; skopeo does the contrary. Only policies are concerned that look at the signature. */
  readonly sealift: boolean;
  /** Policies with which both refuse the image all the same. */
  readonly except?: readonly string[];
}

/** Where the verdicts differ on purpose; docs/policy.md has the reasons. */
const DIFFERENCES: readonly Difference[] = [
  {
    what: 'one good signature is enough, whatever else is in the store',
    image: 'a web page behind the signature',
    sealift: true,
  },
  { what: 'signatures by subkeys count, as in containers/image since 2025', image: 'a subkey', sealift: true },
  {
    what: 'a signature of the index counts for the image that it leads to',
    image: 'an index that is signed itself',
    sealift: true,
    except: ['exactReference', 'exactReference of another', 'remapIdentity'],
  },
  { what: 'nothing may follow the signed message', image: 'a byte behind the message', sealift: false },
  { what: 'a signature may not be from the future', image: 'a signature from the future', sealift: false },
  { what: 'SHA-1 is broken', image: 'an RSA key and SHA-1', sealift: false },
];

describe('the pairs of policy and image', () => {
  it('are at least two hundred, and each difference has one', () => {
    expect(ALL_PAIRS.length).toBeGreaterThanOrEqual(200);
    for (const { what, image } of DIFFERENCES) {
      expect(
        PAIRS.some((pair) => pair.image.title === image),
        what,
      ).toBe(true);
    }
  });
});

describeWith(['skopeo', 'gpg'], 'skopeo and sealift judge alike', () => {
  const stack = new AsyncDisposableStack();
  let bed: PullBed;
  let gpg: GpgHome;
  let subject: SignedSubject;
  let count = 0;
  const stores = new Map<SignedImage, string>();

  beforeAll(async () => {
    bed = await PullBed.open();
    stack.defer(() => bed.close());
    gpg = stack.use(new GpgHome());
    const layers = [[dir('./'), file('f', 'content')]];
    const image = bed.serveImage(layers, { tag: '1' });
    const index = bed.serveIndex([{ ...image, layers: undefined, platform: PLATFORM }], 'multi');
    subject = {
      repository: `${bed.registry.host}/app`,
      manifestDigest: image.digest,
      indexDigest: index.digest,
    };
    const since = '20260101T000000';
    await gpg.makeKey('alice', { at: since });
    await gpg.makeKey('bob', { at: since });
    await gpg.makeKey('ecdsa', { algorithm: 'nistp256', at: since });
    await gpg.makeKey('rsa', { algorithm: 'rsa2048', at: since });
    await gpg.makeKey('subkey', { at: since, withSubkey: true });
    await gpg.makeKey('expired', { at: since, expires: '20260901T000000' });
    await gpg.makeKey('revoked', { at: since });
    for (const { image } of PAIRS) await storeOf(image);
    await exportRings();
  });

  afterAll(() => stack[Symbol.asyncDispose]());

  function write(name: string, content: string | Uint8Array): string {
    const path = bed.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Returns a directory of registries.d whose store has the signatures of an image. */
  async function storeOf(image: SignedImage): Promise<string> {
    const known = stores.get(image);
    if (known !== undefined) return known;
    const name = `store-${stores.size}`;
    for (const [digest, signatures] of Object.entries(await image.sign(gpg, subject))) {
      for (const [index, signature] of signatures.entries()) {
        if (signature === undefined) continue;
        write(`${name}/app@${digest.replace(':', '=')}/signature-${index + 1}`, signature);
      }
    }
    const rules = write(`${name}.d/rules.yaml`, `default-docker:\n  lookaside: file://${bed.path(name)}\n`);
    stores.set(image, dirname(rules));
    return dirname(rules);
  }

  const rings = new Map<string, Buffer>();

  async function exportRings(): Promise<void> {
    // After all signatures: gpg signs with no revoked key.
    await gpg.revoke('revoked');
    for (const users of [['alice'], ['bob'], ['bob', 'alice'], ALL_USERS]) {
      rings.set(users.join(), await gpg.exportKeys(...users));
    }
    rings.set('', Buffer.alloc(0));
  }

  function ringOf(users: readonly string[]): Buffer {
    const ring = rings.get(users.join());
    if (ring === undefined) throw new Error(`no ring of ${users.join()}`);
    return ring;
  }

  function writePolicy({ document }: SigningPolicy): string {
    const written = document({
      repository: subject.repository,
      path: (...users) => write(`ring-${users.join('-')}.gpg`, ringOf(users)),
      data: (user) => ringOf([user]).toString('base64'),
    });
    return write('policy.json', JSON.stringify(written));
  }

  async function sealiftAccepts(reference: string, policy: string, registriesD: string): Promise<boolean> {
    count += 1;
    const target = { kind: 'unpack', directory: bed.path(`tree-${count}`) } as const;
    const settings = { 'pull.tls_verify': false, 'pull.policy': policy, 'pull.registries_d': registriesD };
    const flags = { credentials: undefined, configFile: undefined, debug: false };
    const io = { signal: new AbortController().signal, onProgress: () => {} };
    try {
      await composeTestCli().pull({ reference, target, settings, ...flags }, io);
      return true;
    } catch (error) {
      const refusals = ['POLICY_DENIED', 'SIGNATURE_UNAVAILABLE', 'POLICY_INVALID'];
      if (error instanceof SealiftError && refusals.includes(error.code)) return false;
      throw error;
    }
  }

  function referenceOf({ by = 'tag' }: SignedImage): string {
    const { repository, manifestDigest } = subject;
    return { tag: `${repository}:1`, digest: `${repository}@${manifestDigest}`, index: `${repository}:multi` }[by];
  }

  it.each(PAIRS.map((pair) => ({ ...pair, title: `${pair.policy.title}: ${pair.image.title}` })))(
    '$title',
    async (pair) => {
      const reference = referenceOf(pair.image);
      const policy = writePolicy(pair.policy);
      const registriesD = await storeOf(pair.image);
      const target = bed.path(`copy-${count}`);
      const theirs = await skopeoAccepts({ reference, policy, registriesD, target });
      const ours = await sealiftAccepts(reference, policy, registriesD);
      const difference = DIFFERENCES.find(
        ({ image, except = [] }) => image === pair.image.title && !except.includes(pair.policy.title),
      );
      if (difference === undefined) {
        expect(ours, 'sealift').toBe(theirs);
        return;
      }
      expect({ ours, theirs }, difference.what).toEqual({ ours: difference.sealift, theirs: !difference.sealift });
    },
  );

  it('control: an image that is signed runs, and one that is not does not', async () => {
    const policy = writePolicy(SIGNED_BY_ALICE);
    expect(await sealiftAccepts(referenceOf(GOOD), policy, await storeOf(GOOD))).toBe(true);
    expect(await sealiftAccepts(referenceOf(UNSIGNED), policy, await storeOf(UNSIGNED))).toBe(false);
  });
});
