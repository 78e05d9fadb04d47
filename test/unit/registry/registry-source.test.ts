import { describe, expect, it } from 'vitest';
import type { DocumentResponse, HttpClient, HttpRequest } from '../../../src/http/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Credentials, createRegistrySource } from '../../../src/registry/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const USER: Credentials = { kind: 'basic', username: 'user', password: 'pass' };

function answer(status: number, challenge?: string, body = '{}'): DocumentResponse {
  const headers = challenge === undefined ? {} : { 'www-authenticate': [challenge] };
  return { status, headers, body: Buffer.from(body), redirected: false };
}

/** A source of a public registry whose answers are given one after the other. */
function publicSource(domain: string, answers: DocumentResponse[]) {
  const asked: HttpRequest[] = [];
  const http: HttpClient = {
    async fetchDocument(request) {
      asked.push(request);
      return answers.shift() ?? answer(500);
    },
  };
  const reference = { domain, path: 'library/busybox' };
  const options = {
    reference,
    http,
    credentials: USER,
    allowHttp: false,
    limits: DEFAULT_LIMITS,
    clock: { now: () => 0 },
  };
  return { source: createRegistrySource(options), asked };
}

describe('a registry on the public internet', () => {
  it('is asked under the name that serves the API of Docker Hub', async () => {
    const { source, asked } = publicSource('docker.io', [answer(200), answer(200)]);
    await source.fetchManifest('latest');
    expect(asked.map(({ url }) => url)).toEqual([
      'https://registry-1.docker.io/v2/',
      'https://registry-1.docker.io/v2/library/busybox/manifests/latest',
    ]);
    expect(asked.every(({ allowHttp }) => !allowHttp)).toBe(true);
  });

  it('is asked with the time that the caller still waits, and so is its token service', async () => {
    const asked: HttpRequest[] = [];
    const answers = [
      answer(401, 'Bearer realm="https://a.example/t"'),
      answer(200, undefined, '{"token":"t"}'),
      answer(200),
    ];
    const http: HttpClient = {
      async fetchDocument(request) {
        asked.push(request);
        return answers.shift() ?? answer(500);
      },
    };
    const reference = { domain: 'registry.example', path: 'app' };
    const common = { reference, http, credentials: undefined, allowHttp: false, limits: DEFAULT_LIMITS };
    const source = createRegistrySource({ ...common, clock: { now: () => 400 }, deadlineMs: 1_000 });
    await source.fetchManifest('latest');
    expect(asked.map(({ leftMs }) => leftMs)).toEqual([600, 600, 600]);
  });

  it('may have its token service on another public host', async () => {
    const challenge = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"';
    const answers = [answer(401, challenge), answer(200, undefined, '{"token":"t"}'), answer(200)];
    const { source, asked } = publicSource('docker.io', answers);
    await source.fetchManifest('latest');
    expect(asked[1]?.url).toBe(
      'https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Alibrary%2Fbusybox%3Apull&account=user',
    );
    expect(asked.map(({ headers }) => headers['authorization']?.split(' ')[0])).toEqual([undefined, 'Basic', 'Bearer']);
  });

  it.each([
    'https://169.254.169.254/token',
    'https://[::1]/token',
    'https://2852039166/token',
    'https://10.0.0.1/token',
    'https://localhost/token',
    'http://auth.example/token',
  ])('that names %s as its token service gets no request there, not after the manifest either', async (realm) => {
    const { source, asked } = publicSource('registry.example', [answer(401, `Bearer realm="${realm}"`)]);
    await expectFailure('REGISTRY_AUTH_UNSUPPORTED', () => source.fetchManifest('latest'));
    expect(asked.map(({ url }) => url)).toEqual(['https://registry.example/v2/']);
    const late = publicSource('registry.example', [answer(404), answer(401, `Bearer realm="${realm}"`)]);
    await expectFailure('REGISTRY_AUTH_UNSUPPORTED', () => late.source.fetchManifest('latest'));
    expect(late.asked.map(({ url }) => url)).toEqual([
      'https://registry.example/v2/',
      'https://registry.example/v2/library/busybox/manifests/latest',
    ]);
  });
});
