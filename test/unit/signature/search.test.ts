import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Digest, hashBytes, parseReference } from '../../../src/oci/index.ts';
import { findSimpleSignatures } from '../../../src/signature/search/find-simple-signatures.ts';
import { parseSignatureBlob } from '../../../src/signature/search/parse-signature-blob.ts';
import { parseSignatureList } from '../../../src/signature/search/parse-signature-list.ts';
import { SignatureBudget, type SignatureLimits } from '../../../src/signature/search/signature-budget.ts';
import type { Evidence, LookasideStore, SignatureSource } from '../../../src/signature/types.ts';
import { expectFailure, failure } from '../../support/matchers.ts';

const MANIFEST = hashBytes('manifest');
const INDEX = hashBytes('index');
const signature = (text: string) => Buffer.concat([Buffer.of(0xa3), Buffer.from(text)]);
const list = (...signatures: Buffer[]) =>
  Buffer.from(
    JSON.stringify({
      signatures: signatures.map((content, index) => ({
        ...{ schemaVersion: 2, type: 'atomic', name: `n${index}`, content: content.toString('base64') },
      })),
    }),
  );

type Content = Buffer | Error | undefined;

interface World {
  /** By manifest, the signatures of the lookaside store from the first on. */
  readonly store?: ReadonlyMap<Digest, readonly Content[]>;
  readonly isConfigured?: boolean;
  /** By the name of an endpoint, its list for the manifest. */
  readonly lists?: Readonly<Record<string, Content>>;
  readonly limits?: Partial<SignatureLimits>;
  readonly signal?: AbortSignal;
}

const answer = (content: Content): Buffer | undefined => {
  if (content instanceof Error) throw content;
  return content;
};

function storeOf({ store, isConfigured = true }: World, asked: string[]): LookasideStore | undefined {
  if (store === undefined) return undefined;
  return {
    isConfigured,
    locate: (digest, position) => new URL(`https://sigs/app@${digest.replace(':', '=')}/signature-${position}`),
    fetchSignature: async ({ href }) => {
      asked.push(href);
      const [, hex = '', position = ''] = /=([0-9a-f]+)\/signature-([0-9]+)$/.exec(href) ?? [];
      return answer(store.get(`sha256:${hex}` as Digest)?.[Number(position) - 1]);
    },
  };
}

function sourceOf(name: string, content: Content, asked: string[]): SignatureSource {
  const refuse = () => Promise.reject(new Error('not a search for simple signatures'));
  return {
    name,
    fetchManifest: refuse,
    fetchSmallBlob: refuse,
    fetchReferrers: refuse,
    fetchSignatureList: async (digest) => {
      if (digest === MANIFEST) asked.push(name);
      return digest === MANIFEST ? answer(content) : undefined;
    },
  };
}

/** Runs the whole search and returns what each location had. */
async function search(
  world: World,
): Promise<{ readonly found: readonly Evidence[]; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const steps = findSimpleSignatures({
    reference: parseReference('r.io/app:1'),
    digests: [MANIFEST, INDEX],
    sources: Object.entries(world.lists ?? {}).map(([name, content]) => sourceOf(name, content, asked)),
    openLookaside: async () => storeOf(world, asked),
    usesAttachments: async () => true,
    limits: DEFAULT_LIMITS,
    budget: new SignatureBudget({ ...DEFAULT_LIMITS, ...world.limits }),
    signal: world.signal ?? new AbortController().signal,
  });
  const found: Evidence[] = [];
  for await (const step of steps) found.push(step);
  return { found, asked };
}

const textsOf = (found: readonly Evidence[]) =>
  found.flatMap(({ signatures }) => signatures.map(({ rawBytes }) => Buffer.from(rawBytes).subarray(1).toString()));
const codesOf = (found: readonly Evidence[]) =>
  found.flatMap(({ failures }) => failures.map(({ error }) => error.code));
const down = () => new SealiftError('HTTP_UNAVAILABLE', 'GET https://sigs/: status 503');

describe('the search for simple signatures', () => {
  it('reads the signatures of the manifest and of its indexes from the store, until one is not there', async () => {
    const store = new Map([
      [MANIFEST, [signature('m1'), signature('m2'), undefined, signature('never')]],
      [INDEX, [signature('i1')]],
    ]);
    const { found, asked } = await search({ store });
    expect(textsOf(found)).toEqual(['m1', 'm2', 'i1']);
    const hex = MANIFEST.slice('sha256:'.length);
    expect(asked.filter((url) => url.includes(hex)).map((url) => url.slice(-1))).toEqual(['1', '2', '3']);
    expect(found[0]?.signatures[1]).toMatchObject({
      mediaType: '',
      origin: `https://sigs/app@sha256=${hex}/signature-2`,
    });
    expect(codesOf(found)).toEqual([]);
  });

  it('asks no registry where the configuration names a store', async () => {
    const store = new Map();
    const lists = { one: list(signature('r')) };
    expect(await search({ store, lists })).toMatchObject({ found: [{ signatures: [] }] });
    const { found, asked } = await search({ store, lists, isConfigured: false });
    expect([textsOf(found), asked.at(-1)]).toEqual([['r'], 'one']);
  });

  it('asks each registry where none is configured, in their order', async () => {
    const lists = { mirror: undefined, two: list(signature('a'), signature('b')), own: down() };
    const { found, asked } = await search({ lists });
    expect(asked).toEqual(['mirror', 'two', 'own']);
    expect(textsOf(found)).toEqual(['a', 'b']);
    expect(codesOf(found)).toEqual(['HTTP_UNAVAILABLE']);
    expect(found[0]?.remarks).toEqual([
      'no lookaside store is configured for r.io/app (by registries.d, or by image.sigstore_config of the daemon)',
    ]);
  });

  it('keeps what it had read before a failure, and looks for the signatures of the index all the same', async () => {
    const store = new Map<Digest, readonly Content[]>([
      [MANIFEST, [signature('m1'), down()]],
      [INDEX, [signature('i1')]],
    ]);
    const { found } = await search({ store });
    expect([textsOf(found), codesOf(found)]).toEqual([['m1', 'i1'], ['HTTP_UNAVAILABLE']]);
    expect(found[0]?.failures[0]?.origin).toMatch(/signature-2$/);
  });

  it('takes a file that is no signature for a failure, not for the absence of signatures', async () => {
    const store = new Map([[MANIFEST, [Buffer.from('<!doctype html>'), signature('never')]]]);
    const { found } = await search({ store });
    expect([textsOf(found), codesOf(found)]).toEqual([[], ['SIGNATURE_UNAVAILABLE']]);
  });

  it.each([
    ['maxImageSignatures', { maxImageSignatures: 3 }],
    ['maxImageSignatureBytes', { maxImageSignatureBytes: 6 }],
  ] as const)('ends at %s, over all locations together', async (limit, limits) => {
    const store = new Map([[MANIFEST, [signature('1'), signature('2')]]]);
    const lists = { own: list(signature('3'), signature('4')) };
    const { found } = await search({ store, lists, isConfigured: false, limits });
    expect(textsOf(found)).toEqual(['1', '2', '3']);
    expect(found.at(-1)?.failures[0]?.error).toMatchObject({ code: 'SIGNATURE_LIMIT_EXCEEDED', context: { limit } });
  });

  it('stops an endless store, having read one signature more than the limit', async () => {
    const store: LookasideStore = {
      isConfigured: true,
      locate: (_, position) => new URL(`https://sigs/${position}`),
      fetchSignature: async () => signature('x'),
    };
    const { value } = await findSimpleSignatures({
      ...{ reference: parseReference('r.io/app:1'), digests: [MANIFEST], sources: [] },
      ...{ usesAttachments: async () => true, limits: DEFAULT_LIMITS },
      ...{ openLookaside: async () => store, budget: new SignatureBudget(DEFAULT_LIMITS) },
      signal: new AbortController().signal,
    }).next();
    expect(value?.signatures).toHaveLength(DEFAULT_LIMITS.maxImageSignatures);
    expect(value?.failures).toMatchObject([
      { origin: `https://sigs/${DEFAULT_LIMITS.maxImageSignatures + 1}`, error: { code: 'SIGNATURE_LIMIT_EXCEEDED' } },
    ]);
  });

  it('passes a cancellation and a bug on', async () => {
    const cancelled = new SealiftError('PULL_CANCELLED', 'cancelled');
    const bug = new TypeError('bug');
    for (const error of [cancelled, bug, new SealiftError('INTERNAL', 'bug')]) {
      await expect(search({ store: new Map([[MANIFEST, [error]]]) })).rejects.toBe(error);
      await expect(search({ lists: { own: error } })).rejects.toBe(error);
    }
    const timedOut = AbortSignal.abort();
    await expect(search({ lists: { own: down() }, signal: timedOut })).rejects.toMatchObject({
      code: 'HTTP_UNAVAILABLE',
    });
  });
});

describe('a file of a lookaside store', () => {
  it.each([...[0xa0, 0xa1, 0xa2, 0xa3, 0xc8, 0x90, 0x91, 0x92, 0x93, 0xc4, 0x88, 0x89, 0x8a, 0x8b, 0xc2]])(
    'that begins with byte %i is a simple signature',
    (first) => {
      const rawBytes = Buffer.of(first, 1, 2);
      expect(parseSignatureBlob(rawBytes)).toEqual({ kind: 'simple-signing', message: rawBytes });
    },
  );

  it.each([
    ['armor', Buffer.from('-----BEGIN PGP MESSAGE-----\n')],
    ['a cleartext signature', Buffer.from('-----BEGIN PGP SIGNED MESSAGE-----\n')],
    ['encrypted data', Buffer.from([0x8c, 0x0d])],
    ['a text without signature', Buffer.of(0xcb, 1)],
    ['the same with an old header', Buffer.of(0xac, 0x10)],
  ])('is left to the verifier, which refuses it by name, when it is %s', (_, rawBytes) => {
    expect(parseSignatureBlob(rawBytes)).toEqual({ kind: 'simple-signing', message: rawBytes });
  });

  it('may name its format', () => {
    const message = Buffer.of(0xa3, 1);
    const named = Buffer.concat([Buffer.from('\0simple-signing\n'), message]);
    expect(parseSignatureBlob(named)).toEqual({ kind: 'simple-signing', message });
    expect(parseSignatureBlob(Buffer.from('\0sigstore-json\n{}'))).toEqual({ kind: 'sigstore-json' });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a web page', Buffer.from('<!doctype html>')],
    ['armor of something else', Buffer.from('-----BEGIN CERTIFICATE-----\n')],
    ['a byte order mark', Buffer.from('\u{feff}<html>')],
    ['gzip', Buffer.of(0x1f, 0x8b)],
    ['an unknown format', Buffer.from('\0other\n1')],
    ['a format without end', Buffer.from('\0simple-signing')],
    ['a zero byte alone', Buffer.of(0)],
  ])('with %s is no signature', async (_, rawBytes) => {
    await expectFailure('SIGNATURE_UNAVAILABLE', () => parseSignatureBlob(rawBytes));
  });
});

describe('the list of signatures of a registry', () => {
  const entry = { schemaVersion: 2, type: 'atomic', name: 'n', content: 'YWI=' };
  const parse = (value: unknown) => parseSignatureList(Buffer.from(JSON.stringify(value)), 3);

  it('has the bytes of each simple signature', () => {
    expect(parse({ signatures: [entry, { ...entry, content: '' }] })).toEqual([Buffer.from('ab'), Buffer.alloc(0)]);
  });

  it.each([[{}], [{ signatures: null }], [{ signatures: [] }]])('may be empty: %j', (value) => {
    expect(parse(value)).toEqual([]);
  });

  it.each([
    ['another version', { ...entry, schemaVersion: 3, more: 1 }],
    ['another type', { ...entry, type: 'x509', content: 5 }],
  ])('leaves out an entry of %s', (_, other) => {
    expect(parse({ signatures: [other, entry] })).toHaveLength(1);
  });

  it.each([
    ['no object', []],
    ['an unknown key', { signatures: [], more: 1 }],
    ['no array', { signatures: {} }],
    ['an entry that is no object', { signatures: ['x'] }],
    ['an entry with an unknown key', { signatures: [{ ...entry, more: 1 }] }],
    ['an entry without name', { signatures: [{ ...entry, name: undefined }] }],
    ['an entry without content', { signatures: [{ ...entry, content: undefined }] }],
    ['content that is no text', { signatures: [{ ...entry, content: 1 }] }],
    ['content with a space', { signatures: [{ ...entry, content: 'YW I=' }] }],
    ['content without padding', { signatures: [{ ...entry, content: 'YWI' }] }],
    ['content in the other alphabet', { signatures: [{ ...entry, content: '-_8=' }] }],
  ])('is refused with %s', async (_, value) => {
    await expectFailure('HTTP_RESPONSE_INVALID', () => parse(value));
  });

  it.each([
    ['simple signatures', entry],
    ['other types', { ...entry, type: 'x509' }],
    ['values that are no entries', 0],
  ])('has no more entries than the limit allows, of %s', async (_, each) => {
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => parse({ signatures: Array(4).fill(each) }));
    expect(error.context).toMatchObject({ limit: 'maxImageSignatures', expected: 3, actual: 4 });
    expect(parse({ signatures: Array(3).fill(entry) })).toHaveLength(3);
  });

  it('is refused before it is parsed when it has more than 1 MiB', async () => {
    const most = Buffer.alloc(1024 * 1024, ' ');
    most.write('{}');
    expect(parseSignatureList(most, 3)).toEqual([]);
    const error = await expectFailure('HTTP_RESPONSE_INVALID', () =>
      parseSignatureList(Buffer.concat([most, Buffer.from('x')]), 3),
    );
    expect(error.message).toBe('list of signatures: it has 1048577 bytes; expected at most 1048576');
  });

  it.each(['{}', '[]', '0', '{"a":0,"b":0}'])(
    'is refused before it is parsed when it has too many values: %s',
    async (each) => {
      const text = `{"signatures":[${Array(1000).fill(each).join(',')}`;
      const error = await expectFailure('HTTP_RESPONSE_INVALID', () => parseSignatureList(Buffer.from(text), 3));
      expect(error.message).toBe('list of signatures: it has too many values for 3 entries (maxImageSignatures)');
    },
  );

  it('is refused with an unknown key, of which the start is quoted', async () => {
    const error = await expectFailure('HTTP_RESPONSE_INVALID', () => parse({ [`a\n\u202e${'b'.repeat(1000)}`]: 1 }));
    expect(error.message).toMatch(/^list of signatures: unknown key "a\?\?b{50,200}…"$/);
  });

  it.each(['', '{"signatures":[],"signatures":[]}', '{"signatures":[]} x', 'null'])(
    'is refused as %j',
    async (text) => {
      const { code } = await failure(() => parseSignatureList(Buffer.from(text), 3));
      expect(['JSON_INVALID', 'HTTP_RESPONSE_INVALID']).toContain(code);
    },
  );
});

describe('the time of a search', () => {
  const times = (now: { ms: number }) =>
    new SignatureBudget({ ...DEFAULT_LIMITS, signatureSearchMs: 100 }, () => now.ms);
  const refused = { code: 'SIGNATURE_LIMIT_EXCEEDED', context: { limit: 'signatureSearchMs', expected: 100 } };

  it('is signatureSearchMs for all steps together, and what is done between them takes none of it', async () => {
    const now = { ms: 0 };
    const budget = times(now);
    const step = (ms: number) =>
      budget.time(async () => {
        now.ms += ms;
        budget.take(signature('a'), 'here');
        budget.takeReferrer(MANIFEST, 'here');
      });
    await step(60);
    now.ms += 10_000;
    await step(40);
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => step(1));
    expect(error).toMatchObject(refused);
    expect(error.message).toContain('up to here');
  });

  it('also ends at a manifest that refers to the image', async () => {
    const now = { ms: 0 };
    const budget = times(now);
    const step = () =>
      budget.time(async () => {
        now.ms += 101;
        budget.takeReferrer(INDEX, 'there');
      });
    expect(await expectFailure('SIGNATURE_LIMIT_EXCEEDED', step)).toMatchObject(refused);
  });
});
