import { type GpgHome, signaturePayload } from '../../support/signatures/gpg-home.ts';

/** What the signatures of a row are for. */
export interface SignedSubject {
  /** `HOST:PORT/app` */
  readonly repository: string;
  readonly manifestDigest: string;
  readonly indexDigest: string;
}

/** One content of the lookaside store: the files for each digest, from signature 1 on; undefined: a gap. */
export interface SignedImage {
  readonly title: string;
  /** What is pulled: `app:1`, `app@DIGEST`, or `app:multi`, an index. By tag when absent. */
  readonly by?: 'tag' | 'digest' | 'index';
  readonly sign: (
    gpg: GpgHome,
    subject: SignedSubject,
  ) => Promise<Readonly<Record<string, readonly (Uint8Array | undefined)[]>>>;
}

type Changes = Parameters<typeof signaturePayload>[2];

/** A row with one signature of the manifest. */
function one(
  title: string,
  sign: (gpg: GpgHome, subject: SignedSubject) => Promise<Uint8Array>,
  by: SignedImage['by'] = 'tag',
): SignedImage {
  return { title, by, sign: async (gpg, subject) => ({ [subject.manifestDigest]: [await sign(gpg, subject)] }) };
}

function named(name: (repository: string, digest: string) => string, changes: Changes = {}) {
  return (gpg: GpgHome, { repository, manifestDigest }: SignedSubject): Promise<Uint8Array> =>
    gpg.sign('alice', signaturePayload(name(repository, manifestDigest), manifestDigest, changes));
}

const good =
  (user: string, parameters: readonly string[] = []) =>
  (gpg: GpgHome, { repository, manifestDigest }: SignedSubject): Promise<Uint8Array> =>
    gpg.sign(user, signaturePayload(`${repository}:1`, manifestDigest), { parameters });

const text = (payload: (subject: SignedSubject) => string) => (gpg: GpgHome, subject: SignedSubject) =>
  gpg.sign('alice', payload(subject));

const payloadOf = ({ repository, manifestDigest }: SignedSubject, changes: Changes = {}) =>
  signaturePayload(`${repository}:1`, manifestDigest, changes);

export const GOOD: SignedImage = one('one signature', good('alice'));
export const UNSIGNED: SignedImage = { title: 'no signature', sign: async () => ({}) };
export const BY_ANOTHER_KEY: SignedImage = one('a signature by another key', good('bob'));

/** What differs in names. */
export const NAMED_IMAGES: readonly SignedImage[] = [
  GOOD,
  UNSIGNED,
  BY_ANOTHER_KEY,
  one(
    'another tag',
    named((repository) => `${repository}:2`),
  ),
  one(
    'a name without tag',
    named((repository) => repository),
  ),
  one(
    'a name with its digest',
    named((repository, digest) => `${repository}@${digest}`),
  ),
  one(
    'another repository',
    named((repository) => `${repository}-other:1`),
  ),
  one(
    'a repository below',
    named((repository) => `${repository}/below:1`),
  ),
  one(
    'another host',
    named(() => 'signed.example/app:1'),
  ),
  one(
    'a name of Docker Hub',
    named(() => 'app:1'),
  ),
  one(
    'a name that is none',
    named(() => 'APP:1'),
  ),
  one(
    'an empty name',
    named(() => ''),
  ),
  one(
    'the image by digest, signed with the tag',
    named((repository) => `${repository}:1`),
    'digest',
  ),
  one(
    'the image by digest, signed with it',
    named((repository, digest) => `${repository}@${digest}`),
    'digest',
  ),
  one(
    'the image by digest, signed without both',
    named((repository) => repository),
    'digest',
  ),
  one(
    'the image by digest, another repository',
    named(() => 'signed.example/app:1'),
    'digest',
  ),
  { title: 'the image by digest, unsigned', by: 'digest', sign: async () => ({}) },
];

/** What differs in the files of the store and in the message. */
export const STORED_IMAGES: readonly SignedImage[] = [
  {
    title: 'two signatures, the second by the key',
    sign: async (gpg, subject) => ({
      [subject.manifestDigest]: [await good('bob')(gpg, subject), await good('alice')(gpg, subject)],
    }),
  },
  {
    title: 'two signatures, the first by the key',
    sign: async (gpg, subject) => ({
      [subject.manifestDigest]: [await good('alice')(gpg, subject), await good('bob')(gpg, subject)],
    }),
  },
  {
    title: 'a gap before the signature',
    sign: async (gpg, subject) => ({ [subject.manifestDigest]: [undefined, await good('alice')(gpg, subject)] }),
  },
  {
    title: 'a truncated signature before a good one',
    sign: async (gpg, subject) => {
      const signature = await good('alice')(gpg, subject);
      return { [subject.manifestDigest]: [signature.subarray(0, 40), signature] };
    },
  },
  {
    title: 'a web page before the signature',
    sign: async (gpg, subject) => ({
      [subject.manifestDigest]: [Buffer.from('<html>'), await good('alice')(gpg, subject)],
    }),
  },
  {
    title: 'a web page behind the signature',
    sign: async (gpg, subject) => ({
      [subject.manifestDigest]: [await good('alice')(gpg, subject), Buffer.from('<html>')],
    }),
  },
  {
    title: 'an empty file',
    sign: async (_, { manifestDigest }) => ({ [manifestDigest]: [new Uint8Array()] }),
  },
  {
    title: 'a signature in the folder of another digest',
    sign: async (gpg, subject) => ({ [subject.indexDigest]: [await good('alice')(gpg, subject)] }),
  },
  one('a signature for another digest', (gpg, { repository, indexDigest }) =>
    gpg.sign('alice', signaturePayload(`${repository}:1`, indexDigest)),
  ),
  one('a message without signature', (gpg, subject) => gpg.sign('alice', payloadOf(subject), { mode: '--store' })),
  one('a detached signature', (gpg, subject) => gpg.sign('alice', payloadOf(subject), { mode: '--detach-sign' })),
  one('a cleartext signature', (gpg, subject) => gpg.sign('alice', payloadOf(subject), { mode: '--clear-sign' })),
  one('armor', good('alice', ['--armor'])),
  one('no compression', good('alice', ['--compress-algo', 'none'])),
  one('SHA-512', good('alice', ['--digest-algo', 'SHA512'])),
  one('two signers in one message', good('alice', ['--local-user', 'bob@example.org'])),
  one('a byte behind the message', async (gpg, subject) =>
    Buffer.concat([await good('alice')(gpg, subject), Buffer.of(0)]),
  ),
  one('a changed byte', async (gpg, subject) => {
    const signature = Buffer.from(await good('alice', ['--compress-algo', 'none'])(gpg, subject));
    const position = signature.indexOf('atomic');
    signature.writeUInt8(signature.readUInt8(position) ^ 1, position);
    return signature;
  }),
  one('an expired signature', (gpg, subject) =>
    gpg.sign('alice', payloadOf(subject), {
      at: '20260601T000000',
      parameters: ['--default-sig-expire', '2026-07-01'],
    }),
  ),
  one('a signature from the future', (gpg, subject) =>
    gpg.sign('alice', payloadOf(subject), { at: '20400101T000000' }),
  ),
  one('a P-256 key', good('ecdsa')),
  one('an RSA key', good('rsa')),
  one('an RSA key and SHA-1', good('rsa', ['--digest-algo', 'SHA1', '--allow-weak-digest-algos'])),
  one('a subkey', good('subkey')),
  one('a key that has expired', (gpg, subject) => gpg.sign('expired', payloadOf(subject), { at: '20260601T000000' })),
  one('a key that was revoked', (gpg, subject) => gpg.sign('revoked', payloadOf(subject), { at: '20260601T000000' })),
];

/** What differs in the payload. */
export const PAYLOAD_IMAGES: readonly SignedImage[] = [
  one(
    'another type',
    named((repository) => `${repository}:1`, { critical: { type: 'cosign container image signature' } }),
  ),
  one(
    'an unknown critical member',
    named((repository) => `${repository}:1`, { critical: { more: 1 } }),
  ),
  one(
    'an unknown member',
    named((repository) => `${repository}:1`, { more: { more: 1 } }),
  ),
  one(
    'an unknown optional member',
    named((repository) => `${repository}:1`, { optional: { more: [1] } }),
  ),
  one(
    'a creator that is no text',
    named((repository) => `${repository}:1`, { optional: { creator: 1 } }),
  ),
  one(
    'a timestamp that is no integer',
    named((repository) => `${repository}:1`, { optional: { timestamp: 1.5 } }),
  ),
  one(
    'a timestamp that is a text',
    named((repository) => `${repository}:1`, { optional: { timestamp: '1' } }),
  ),
  one(
    'a duplicate member',
    text((subject) => payloadOf(subject).replace('{"critical"', '{"optional":{},"critical"')),
  ),
  one(
    'text behind the payload',
    text((subject) => `${payloadOf(subject)} {}`),
  ),
  one(
    'white space around the payload',
    text((subject) => ` \n${payloadOf(subject)}\n`),
  ),
  one(
    'no payload',
    text(() => ''),
  ),
  one(
    'a list',
    text(() => '[]'),
  ),
  one(
    'no optional part',
    text((subject) => payloadOf(subject).replace(/,"optional":.*$/, '}')),
  ),
  one(
    'a null optional part',
    text((subject) => payloadOf(subject).replace(/,"optional":.*$/, ',"optional":null}')),
  ),
  one(
    'a malformed digest',
    text((subject) => payloadOf({ ...subject, manifestDigest: 'sha256:abc' })),
  ),
  one(
    'a digest in capitals',
    text((subject) =>
      payloadOf({ ...subject, manifestDigest: subject.manifestDigest.toUpperCase().replace('SHA', 'sha') }),
    ),
  ),
];

/** Images with an index before the manifest. */
export const INDEXED_IMAGES: readonly SignedImage[] = [
  { title: 'an index, unsigned', by: 'index', sign: async () => ({}) },
  {
    title: 'an index whose manifest is signed',
    by: 'index',
    sign: async (gpg, { repository, manifestDigest }) => ({
      [manifestDigest]: [await gpg.sign('alice', signaturePayload(`${repository}:multi`, manifestDigest))],
    }),
  },
  {
    title: 'an index that is signed itself',
    by: 'index',
    sign: async (gpg, { repository, indexDigest }) => ({
      [indexDigest]: [await gpg.sign('alice', signaturePayload(`${repository}:multi`, indexDigest))],
    }),
  },
];
