import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPool, type Parts } from '../../../src/compose/parts.ts';
import {
  mergeRegistries,
  parseRegistries,
  resolveConfiguration,
  type SettingValues,
} from '../../../src/config/index.ts';
import { cliEndpoints } from '../../../src/endpoints/cli-endpoints.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { parseReference } from '../../../src/oci/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeTestCertificates } from '../../support/registries/test-certificates.ts';

const REGISTRIES = `
[[registry]]
location = "app.io"
[[registry.mirror]]
location = "mirror.io:5000"
insecure = true
[[registry]]
prefix = "moved.io"
location = "app.io/moved"
`;

describe('the places that the command line asks', () => {
  const scratch = new Scratch('cli-endpoints');

  beforeAll(() => {
    const { authority, server, named } = makeTestCertificates();
    for (const folder of ['certs.d/mirror.io:5000', 'certs.d/app.io', 'mine']) {
      mkdirSync(scratch.join(folder), { recursive: true });
    }
    writeFileSync(scratch.join('certs.d/mirror.io:5000/ca.crt'), authority);
    writeFileSync(scratch.join('certs.d/app.io/ca.crt'), server.cert);
    writeFileSync(scratch.join('mine/me.cert'), named.cert);
    writeFileSync(scratch.join('mine/me.key'), named.key);
  });
  afterAll(() => scratch[Symbol.dispose]());

  function endpointsOf(name: string, values: SettingValues = {}, certDir?: string) {
    const source = { class: 'measured', named: true, originOf: () => 'flag --some', values } as const;
    const configuration = resolveConfiguration([source]);
    const pool = openPool(DEFAULT_LIMITS, 1_000);
    const parts: Parts = { configuration, limits: DEFAULT_LIMITS, pool, userAgent: 'test', checkpoint: () => {} };
    const registries = mergeRegistries([parseRegistries({ text: REGISTRIES, origin: 'r', dialect: 'containers' })]);
    try {
      const options = { environment: {}, registries, credentials: undefined, certDir };
      return cliEndpoints(parts, options)(parseReference(name));
    } finally {
      pool.close();
    }
  }

  const hostsOf = (...parameters: Parameters<typeof endpointsOf>) =>
    endpointsOf(...parameters).map(({ allowHttp, transport: { hosts = [] } }) => ({ allowHttp, ...hosts[0] }));

  it('may be insecure as registries.conf says', () => {
    expect(hostsOf('app.io/x')).toEqual([
      { allowHttp: true, host: 'mirror.io:5000', tlsVerify: false },
      { allowHttp: false },
    ]);
  });

  it('are verified all of them where a flag says so, and none where it says the contrary', () => {
    expect(hostsOf('app.io/x', { 'pull.tls_verify': true })).toEqual([{ allowHttp: false }, { allowHttp: false }]);
    const unverified = endpointsOf('app.io/x', { 'pull.tls_verify': false });
    expect(unverified.map(({ allowHttp, transport }) => [allowHttp, transport.tlsVerify])).toEqual([
      [true, false],
      [true, false],
    ]);
  });

  it('have the certificates of their own folder in certs.d', () => {
    const [mirror, own] = hostsOf('app.io/x', { 'pull.certs_d': scratch.join('certs.d') });
    expect([mirror?.host, mirror?.extraRoots?.length]).toEqual(['mirror.io:5000', 1]);
    expect([own?.host, own?.extraRoots?.length]).toEqual(['app.io', 1]);
    expect(mirror?.extraRoots).not.toEqual(own?.extraRoots);
  });

  it('see what --cert-dir has only where the reference names them', () => {
    const certs = { 'pull.certs_d': scratch.join('certs.d') };
    const counts = (name: string) =>
      hostsOf(name, certs, scratch.join('mine')).map(({ clientCertificates = [] }) => clientCertificates.length);
    expect(counts('app.io/x')).toEqual([0, 1]);
    expect(counts('moved.io/x')).toEqual([0]);
  });

  it('cannot be asked with a --cert-dir that is not there', async () => {
    await expectFailure('CERTIFICATES_INVALID', () => endpointsOf('app.io/x', {}, scratch.join('absent')));
  });

  it('are the API of Docker Hub under its own name', () => {
    const certs = scratch.join('hub.d');
    mkdirSync(`${certs}/docker.io`, { recursive: true });
    expect(hostsOf('busybox', { 'pull.certs_d': certs })).toMatchObject([{ host: 'registry-1.docker.io' }]);
  });
});
