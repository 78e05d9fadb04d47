import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PLATFORM } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { dir, file, tar } from '../../support/builders/tar-builder.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** All endpoints serve this image. */
const ARCHIVE = tar([dir('./'), file('who', 'me')]);
const BLOB = gzipSync(ARCHIVE);
const CONFIG = Buffer.from(JSON.stringify({ ...PLATFORM, rootfs: { type: 'layers', diff_ids: [digestOf(ARCHIVE)] } }));
const DOCUMENT = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(CONFIG), size: CONFIG.length },
    layers: [{ mediaType: LAYER, digest: digestOf(BLOB), size: BLOB.length }],
  }),
);
const REFERENCE = `team/app@${digestOf(DOCUMENT)}`;

function serve(registry: FakeRegistry): void {
  registry.addBlob(CONFIG);
  registry.addBlob(BLOB);
  registry.addManifest('team/app', DOCUMENT, MANIFEST);
}

const basic = (username: string): FakeAuth => ({ kind: 'basic', username, password: `password of ${username}` });
const encoded = (username: string) => Buffer.from(`${username}:password of ${username}`).toString('base64');

/** Every Authorization that a registry has seen, without repetitions. */
function seenBy({ requests }: FakeRegistry): readonly (string | undefined)[] {
  return [...new Set(requests.map(({ headers }) => headers['authorization']))].filter((each) => each !== undefined);
}

describe('credentials with mirrors', () => {
  let scratch: Scratch;
  const opened: FakeRegistry[] = [];

  beforeEach(() => {
    scratch = new Scratch('mirror-credentials');
    mkdirSync(scratch.join('conf.d'));
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((registry) => registry.close()));
    scratch[Symbol.dispose]();
  });

  async function start(auth: FakeAuth): Promise<FakeRegistry> {
    const registry = await startFakeRegistry({ auth });
    opened.push(registry);
    return registry;
  }

  interface Options {
    readonly users?: Readonly<Record<string, string>>;
    readonly credentials?: { readonly username: string; readonly password: string };
    /** The location of `own`, if it differs from its address. */
    readonly prefix?: string;
  }

  async function pull(own: FakeRegistry, mirrors: readonly FakeRegistry[], options: Options = {}): Promise<void> {
    const { users = {}, credentials, prefix = own.host } = options;
    const auths = Object.fromEntries(Object.entries(users).map(([host, user]) => [host, { auth: encoded(user) }]));
    writeFileSync(scratch.join('auth.json'), JSON.stringify({ auths }));
    const tables = mirrors.map(({ host }) => `[[registry.mirror]]\nlocation = "${host}"\ninsecure = true`);
    const conf = `[[registry]]\nprefix = "${prefix}"\nlocation = "${own.host}"\ninsecure = true\n${tables.join('\n')}`;
    writeFileSync(scratch.join('registries.conf'), conf);
    const settings = {
      'pull.authfile': scratch.join('auth.json'),
      'pull.registries_conf': scratch.join('registries.conf'),
      'pull.registries_conf_d': scratch.join('conf.d'),
    };
    const target = { kind: 'unpack', directory: scratch.join('tree') } as const;
    await composeTestCli().pull(
      { reference: `${prefix}/${REFERENCE}`, target, settings, credentials, configFile: undefined, debug: false },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
  }

  it('go to the host that each is for, and to no other', async () => {
    const [own, mirror] = [await start(basic('own')), await start(basic('mirror'))];
    serve(own);
    await pull(own, [mirror], { users: { [own.host]: 'own', [mirror.host]: 'mirror' } });
    // The mirror was asked first with its own credentials, and lacks the image.
    expect(seenBy(mirror)).toEqual([`Basic ${encoded('mirror')}`]);
    expect(seenBy(own)).toEqual([`Basic ${encoded('own')}`]);
  });

  it('of the registry never reach a mirror that asks for some', async () => {
    const [own, mirror] = [await start(basic('own')), await start(basic('own'))];
    serve(own);
    serve(mirror);
    await pull(own, [mirror], { users: { [own.host]: 'own' } });
    expect(mirror.requests.length).toBeGreaterThan(0);
    expect(seenBy(mirror)).toEqual([]);
    expect(seenBy(own)).toEqual([`Basic ${encoded('own')}`]);
  });

  it('of a mirror never reach the registry', async () => {
    const [own, mirror] = [await start(basic('mirror')), await start(basic('mirror'))];
    serve(own);
    await expectFailure('REGISTRY_AUTH_REJECTED', () => pull(own, [mirror], { users: { [mirror.host]: 'mirror' } }));
    expect(seenBy(mirror)).toEqual([`Basic ${encoded('mirror')}`]);
    expect(own.requests.length).toBeGreaterThan(0);
    expect(seenBy(own)).toEqual([]);
  });

  it('of the command line are for the registry that was named', async () => {
    const [own, mirror] = [await start(basic('own')), await start(basic('own'))];
    serve(own);
    serve(mirror);
    const credentials = { username: 'own', password: 'password of own' };
    await pull(own, [mirror], { credentials });
    expect([seenBy(mirror), seenBy(own)]).toEqual([[], [`Basic ${encoded('own')}`]]);
  });

  it('of the command line do not follow a name that has another place', async () => {
    const own = await start(basic('own'));
    serve(own);
    const credentials = { username: 'own', password: 'password of own' };
    await expectFailure('REGISTRY_AUTH_REJECTED', () => pull(own, [], { credentials, prefix: 'app.invalid' }));
    expect(seenBy(own)).toEqual([]);
  });

  it('are found by the name at the mirror, not by the one that was written', async () => {
    const [own, mirror] = [await start(basic('own')), await start(basic('mirror'))];
    serve(mirror);
    await pull(own, [mirror], {
      users: { 'app.invalid': 'own', [`${mirror.host}/team`]: 'mirror' },
      prefix: 'app.invalid',
    });
    expect([seenBy(mirror), seenBy(own)]).toEqual([[`Basic ${encoded('mirror')}`], []]);
    expect(own.requests).toEqual([]);
  });

  it('of a mirror that sends a layer elsewhere stay at the mirror', async () => {
    const [own, mirror, storage] = [
      await start(basic('own')),
      await start(basic('mirror')),
      await start({ kind: 'none' }),
    ];
    serve(mirror);
    serve(storage);
    const location = `${storage.origin}/v2/team/app/blobs/${digestOf(BLOB)}`;
    mirror.inject({
      match: new RegExp(digestOf(BLOB)),
      action: { kind: 'answer', status: 307, headers: { location } },
    });
    await pull(own, [mirror], { users: { [own.host]: 'own', [mirror.host]: 'mirror' } });
    expect(storage.requests).toHaveLength(1);
    expect([seenBy(storage), seenBy(own)]).toEqual([[], []]);
  });

  it('of a mirror that trades them for tokens are not those of the registry', async () => {
    const bearer = (user: string): FakeAuth => ({ kind: 'bearer', account: `${user}:password of ${user}` });
    const [own, mirror] = [await start(bearer('own')), await start(bearer('mirror'))];
    serve(own);
    await pull(own, [mirror], { users: { [own.host]: 'own', [mirror.host]: 'mirror' } });
    expect(seenBy(mirror)).toEqual([`Basic ${encoded('mirror')}`, 'Bearer token-1']);
    expect(seenBy(own)).toEqual([`Basic ${encoded('own')}`, 'Bearer token-1']);
  });
});
