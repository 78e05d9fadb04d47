import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { certsDirectories, loadCertificates, loadHostCertificates } from '../../../src/config/index.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const LOAD = { resources: createResourceLoader(), maxBytes: 1 << 20 };
const HOST = 'registry.example:5000';

let certificates: TestCertificates;
let scratch: Scratch;
beforeAll(() => {
  certificates = makeTestCertificates();
});
beforeEach(() => {
  scratch = new Scratch('certs');
});
afterEach(() => scratch[Symbol.dispose]());

function write(parent: string, files: Readonly<Record<string, string>>): string {
  const folder = scratch.join(parent, HOST);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(`${folder}/${name}`, text);
  return scratch.join(parent);
}

const load = (...parents: string[]) => loadHostCertificates(parents, HOST, LOAD);

describe('certificates for a registry', () => {
  it('are authorities and pairs, and other files do not count', async () => {
    const { authority, server, named } = certificates;
    const parent = write('certs.d', {
      'ca.crt': authority,
      'more.crt': `text before\n${server.cert}\n${named.cert}`,
      'client.cert': named.cert,
      'client.key': named.key,
      'README.md': 'nothing',
    });
    expect(await load(parent)).toEqual({
      extraRoots: [authority.trim(), server.cert.trim(), named.cert.trim()],
      clientCertificates: [{ certificate: named.cert, key: named.key }],
    });
    expect(await loadCertificates(`${parent}/${HOST}`, LOAD)).toEqual(await load(parent));
  });

  it('come from the first folder of that host and port, and no other', async () => {
    const first = write('first', { 'ca.crt': certificates.authority });
    const second = write('second', { 'ca.crt': certificates.server.cert });
    expect((await load(scratch.join('absent'), first, second))?.extraRoots).toEqual([certificates.authority.trim()]);
    for (const host of ['registry.example', 'registry.example:500', 'example:5000', 'REGISTRY.example']) {
      expect(await loadHostCertificates([first, second], host, LOAD)).toBeUndefined();
    }
  });

  it('are looked for where podman and skopeo look', () => {
    const system = ['/etc/containers/certs.d', '/etc/docker/certs.d'];
    expect(certsDirectories({ HOME: '/root' })).toEqual(['/root/.config/containers/certs.d', ...system]);
    expect(certsDirectories({})).toEqual(system);
  });

  it.each([
    ['a certificate without its key', () => ({ 'me.cert': certificates.named.cert })],
    ['a key without its certificate', () => ({ 'me.key': certificates.named.key })],
    ['the key of another', () => ({ 'me.cert': certificates.named.cert, 'me.key': certificates.server.key })],
    ['no key', () => ({ 'me.cert': certificates.named.cert, 'me.key': 'nonsense' })],
    ['no certificate', () => ({ 'me.cert': 'nonsense', 'me.key': certificates.named.key })],
    ['an authority that is none', () => ({ 'ca.crt': 'nonsense' })],
    ['a broken authority', () => ({ 'ca.crt': certificates.authority.replace(/[A-Za-z]{20}/, '') })],
  ])('refuse %s, and quote nothing of it', async (_, files) => {
    const parent = write('certs.d', files());
    const error = await expectFailure('CERTIFICATES_INVALID', () => load(parent));
    expect(error.message).toContain(HOST);
    expect(JSON.stringify([error.message, error.context, String(error.cause)])).not.toContain('nonsense');
  });

  it('have to be there where the folder is named by itself', async () => {
    writeFileSync(scratch.join('ca.crt'), certificates.authority);
    for (const name of ['absent', 'ca.crt']) {
      const path = scratch.join(name);
      const error = await expectFailure('CERTIFICATES_INVALID', () => loadCertificates(path, LOAD));
      expect(error.message).toBe(`certificates ${path}: expected a directory that can be read`);
      expect(error.hint).toBe('name a directory that exists and that this user may read, not a file in it');
    }
    expect(await load(scratch.join('absent'))).toBeUndefined();
  });

  it.each([
    ['nothing', {}],
    ['files under other names', { 'ca.pem': 'nonsense', 'README.crt.md': 'nothing' }],
  ])('have to be in a folder that is named by itself, and not %s', async (_, files) => {
    const parent = write('certs.d', files);
    const path = `${parent}/${HOST}`;
    const error = await expectFailure('CERTIFICATES_INVALID', () => loadCertificates(path, LOAD));
    const message = `certificates ${path}: no *.crt was found in it, and no NAME.cert with NAME.key`;
    expect([error.message, error.context]).toEqual([message, { path }]);
    expect(error.hint).toContain('end with .crt');
    expect(await load(parent)).toEqual({ extraRoots: [], clientCertificates: [] });
  });

  it('are enough in a folder that is named by itself if only the client has one', async () => {
    const parent = write('certs.d', { 'me.cert': certificates.named.cert, 'me.key': certificates.named.key });
    expect((await loadCertificates(`${parent}/${HOST}`, LOAD)).clientCertificates).toHaveLength(1);
  });
});
