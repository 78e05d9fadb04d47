import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { mustRun } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { SEALIFT } from '../support/programs/sealift-command.ts';
import { GpgHome } from '../support/signatures/gpg-home.ts';
import { SignatureServer } from '../support/signatures/signature-server.ts';
import { findRemains } from '../support/stores/store-files.ts';

const KEYS = ['rsa2048', 'nistp256', 'ed25519'] as const;

describeWith(['root', 'docker-registry', 'skopeo', 'gpg'], 'an image that skopeo has signed', () => {
  const stack = new AsyncDisposableStack();
  let bed: TestBed;
  let gpg: GpgHome;
  let server: SignatureServer;
  let image: BuiltImage;

  beforeAll(async () => {
    bed = stack.use(await TestBed.open());
    gpg = stack.use(new GpgHome());
    server = stack.use(await SignatureServer.start());
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('team/app', 'latest', image);
    for (const algorithm of KEYS) await sign(algorithm, await gpg.makeKey(algorithm, { algorithm }));
    await gpg.makeKey('other');
  });

  afterAll(() => stack[Symbol.asyncDispose]());

  const storeOf = (name: string) => bed.scratch.join(`sigs-${name}`);

  function write(name: string, content: string | Uint8Array): string {
    const path = bed.newPath(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** A directory of registries.d with one store for all names. */
  function registriesD(lookaside: string): string {
    const folder = bed.newPath('registries.d');
    mkdirSync(folder);
    writeFileSync(`${folder}/s.yaml`, `default-docker:\n  lookaside: ${lookaside}\n`);
    return folder;
  }

  /** Pushes the image under the tag with the name of the key; skopeo puts the signature into a folder. */
  async function sign(name: string, fingerprint: string): Promise<void> {
    const flags = ['--registries.d', registriesD(`file://${storeOf(name)}`), 'copy', '--sign-by', fingerprint];
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const source = `docker://${bed.registry.host}/team/app:latest`;
    const target = `docker://${bed.reference(`team/app:${name}`)}`;
    await mustRun('skopeo', [...flags, ...insecure, source, target], { env: gpg.environment });
  }

  async function policyFor(...users: readonly string[]): Promise<string> {
    const keyPath = write('keys.gpg', await gpg.exportKeys(...users));
    return write('policy.json', JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] }));
  }

  interface Pull {
    readonly tag: string;
    /** The tag in the repository when absent. */
    readonly name?: string;
    readonly user?: string;
    readonly lookaside?: string;
    readonly store?: string;
  }

  async function pull({ tag, user = tag, lookaside = `file://${storeOf(tag)}`, ...more }: Pull) {
    const { name = `team/app:${tag}`, store = bed.newPath('store') } = more;
    const bundle = bed.newPath('bundle');
    bed.proxy.setRules([]);
    const flags = ['--policy', await policyFor(user), '--registries.d', registriesD(lookaside)];
    const answer = await bed.pull(name, [...flags, '--store', store, '--bundle', bundle]);
    const fetched = bed.proxy.requests.filter(({ path }) => image.layers.some(({ digest }) => path.endsWith(digest)));
    return { ...answer, store, bundle, fetched: fetched.length };
  }

  function expectNothingOf({ fetched, store, bundle }: Awaited<ReturnType<typeof pull>>): void {
    expect(fetched).toBe(0);
    expect(findRemains(store)).toEqual({ layers: [], unfinished: [] });
    expect(existsSync(bundle)).toBe(false);
  }

  it.each(KEYS)('runs with the key %s, from a folder', async (tag) => {
    const { error, bundle, fetched, result } = await pull({ tag });
    expect(error).toBeUndefined();
    expect(existsSync(`${bundle}/rootfs/etc/layer-0`)).toBe(true);
    expect(fetched).toBe(3);
    expect(result['signers']).toMatchObject([{ origin: expect.stringContaining(`file://${storeOf(tag)}/team/app@`) }]);
  });

  it('runs with its signature from a web server', async () => {
    server.misbehave = ({ url = '' }, response) => {
      const path = `${storeOf('ed25519')}${url}`;
      if (existsSync(path)) response.end(readFileSync(path));
      else response.writeHead(404).end();
    };
    const { error, fetched } = await pull({ tag: 'ed25519', lookaside: server.origin });
    expect([error, fetched]).toEqual([undefined, 3]);
    expect(server.requests.map(({ path }) => path.slice(-'signature-1'.length))).toEqual([
      'signature-1',
      'signature-2',
    ]);
  });

  it('is denied with another key: no layer is fetched and nothing is left', async () => {
    const answer = await pull({ tag: 'ed25519', user: 'other' });
    expect([answer.error?.code, answer.code]).toEqual(['POLICY_DENIED', 3]);
    expect(answer.error?.message).toContain(`file://${storeOf('ed25519')}/team/app@sha256=`);
    expectNothingOf(answer);
  });

  it('is denied with the signature of another tag', async () => {
    const answer = await pull({ tag: 'ed25519', user: 'nistp256', lookaside: `file://${storeOf('nistp256')}` });
    expect([answer.error?.code, answer.code]).toEqual(['POLICY_DENIED', 3]);
    expectNothingOf(answer);
  });

  it('is unavailable while its store is down, unless it is all there', async () => {
    const gone = await SignatureServer.start();
    const lookaside = gone.origin;
    await gone[Symbol.asyncDispose]();
    const answer = await pull({ tag: 'ed25519', lookaside });
    expect([answer.error?.code, answer.error?.kind, answer.code]).toEqual(['SIGNATURE_UNAVAILABLE', 'unavailable', 7]);
    expect(answer.error?.message).toContain(`${lookaside}/team/app@sha256=`);
    expectNothingOf(answer);
    const { store, error } = await pull({ tag: 'ed25519' });
    expect(error).toBeUndefined();
    const again = await pull({ tag: 'ed25519', lookaside, store });
    expect([again.error, existsSync(`${again.bundle}/rootfs/etc/layer-0`)]).toEqual([undefined, true]);
    const other = await pull({ tag: 'ed25519', user: 'other', lookaside, store });
    expect([other.error?.code, existsSync(other.bundle)]).toEqual(['SIGNATURE_UNAVAILABLE', false]);
  });

  it('starts again without its registry when it is pinned and all there, but not once its key has left', async () => {
    const name = `team/app@${image.top.digest}`;
    // The default rule accepts the signature of any tag for an image that is named by its digest.
    const first = await pull({ tag: 'ed25519', name });
    expect(first.error).toBeUndefined();
    const again = await pull({ tag: 'ed25519', name, store: first.store });
    expect([again.error, existsSync(`${again.bundle}/rootfs/etc/layer-0`)]).toEqual([undefined, true]);
    expect(again.result['signers']).toMatchObject([{ isKept: true }]);
    expect(bed.proxy.requests).toEqual([]);
    const other = await pull({ tag: 'ed25519', name, store: first.store, user: 'other' });
    expect([other.error?.code, other.code, existsSync(other.bundle)]).toEqual(['POLICY_DENIED', 3, false]);
  });

  it('is judged again when all layers are there', async () => {
    const { store, error } = await pull({ tag: 'ed25519' });
    expect(error).toBeUndefined();
    const again = await pull({ tag: 'ed25519', user: 'other', store });
    expect([again.error?.code, existsSync(again.bundle)]).toEqual(['POLICY_DENIED', false]);
  });

  it('is verified by files that no pull opens while the policy asks for no signature', async () => {
    const needed = /^(?:worker-checks-.*|sealift-(?:keybroker|policy-check|yaml-reader)-.*|openpgp\.min\.m)js$/;
    const folder = bed.newPath('program');
    const left = readdirSync(join(dirname(SEALIFT), 'lib')).filter((name) => needed.test(name));
    expect(left).toHaveLength(5);
    cpSync(dirname(SEALIFT), folder, { recursive: true, filter: (path) => !needed.test(basename(path)) });
    const flagsFor = (policy: string) => ['--policy', policy, '--store', bed.newPath('store')];
    const accepting = write('policy.json', JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
    const options = { program: join(folder, 'sealift') };
    const unsigned = await bed.pull(
      'team/app:ed25519',
      [...flagsFor(accepting), '--bundle', bed.newPath('b')],
      options,
    );
    expect([unsigned.error, unsigned.code]).toEqual([undefined, 0]);
    const registries = ['--registries.d', registriesD(`file://${storeOf('ed25519')}`)];
    const wanting = [...flagsFor(await policyFor('ed25519')), ...registries, '--bundle', bed.newPath('b')];
    expect((await bed.pull('team/app:ed25519', wanting, options)).code).not.toBe(0);
    expect((await bed.pull('team/app:ed25519', wanting)).error).toBeUndefined();
  });
});
