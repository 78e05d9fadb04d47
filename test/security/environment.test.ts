import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../support/machine/scratch.ts';
import { SOURCE_ENVIRONMENT } from '../support/programs/source-environment.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registries/fake-registry.ts';
import { makeTestCertificates } from '../support/registries/test-certificates.ts';

const ENTRY = fileURLToPath(new URL('../../src/bin/sealift.ts', import.meta.url));
const scratch = new Scratch('environment');
const authority = scratch.join('authority.pem');
let registry: FakeRegistry;
let elsewhere: FakeRegistry;

beforeAll(async () => {
  const certificates = makeTestCertificates();
  writeFileSync(authority, certificates.authority);
  registry = await startFakeRegistry({ tls: certificates.server });
  elsewhere = await startFakeRegistry();
});

afterAll(async () => {
  await Promise.all([registry?.close(), elsewhere?.close()]);
  scratch[Symbol.dispose]();
});

/** Returns the error of `sealift inspect` for an image that the registry does not have. */
async function inspect(environment: Readonly<Record<string, string>>): Promise<{ code: string; message: string }> {
  const reference = `${new URL(registry.origin).host}/team/app:1`;
  const env = { ...SOURCE_ENVIRONMENT, ...environment };
  const child = spawn(process.execPath, [ENTRY, 'inspect', reference, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(Buffer.from(chunk));
  return JSON.parse(Buffer.concat(chunks).toString()).error;
}

describe('the environment of the CLI', () => {
  it.each([
    ['nothing', {}],
    ['NODE_TLS_REJECT_UNAUTHORIZED=0', { NODE_TLS_REJECT_UNAUTHORIZED: '0' }],
    ['NODE_EXTRA_CA_CERTS', { NODE_EXTRA_CA_CERTS: authority }],
    ['NODE_OPTIONS with weaker TLS', { NODE_OPTIONS: '--tls-min-v1.0 --use-openssl-ca' }],
    ['an SSL_CERT_FILE that is not there', { SSL_CERT_FILE: '/nonexistent', SSL_CERT_DIR: '/nonexistent' }],
  ])('with %s trusts no unknown authority', async (_, environment) => {
    expect(await inspect(environment)).toMatchObject({
      code: 'HTTP_UNAVAILABLE',
      message: expect.stringMatching(/certificate/i),
    });
    expect(registry.requests).toEqual([]);
  });

  it('is measured: SSL_CERT_FILE names the roots of the system, and SEALIFT_PULL_TLS_VERIFY switches them off', async () => {
    for (const environment of [{ SSL_CERT_FILE: authority }, { SEALIFT_PULL_TLS_VERIFY: 'false' }]) {
      expect(await inspect(environment)).toMatchObject({ code: 'REGISTRY_MANIFEST_UNKNOWN' });
    }
  });

  it('names no proxy that this machine itself would be reached through', async () => {
    const proxy = elsewhere.origin;
    const environment = { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, ALL_PROXY: proxy, NODE_USE_ENV_PROXY: '1' };
    const error = await inspect({ ...environment, SSL_CERT_FILE: authority });
    expect(error.code).toBe('REGISTRY_MANIFEST_UNKNOWN');
    expect(elsewhere.requests).toEqual([]);
  });
});
