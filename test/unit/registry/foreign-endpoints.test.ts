import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { type Descriptor, hashBytes } from '../../../src/oci/index.ts';
import { explainForeignLayer, foreignEndpoints } from '../../../src/registry/foreign-endpoints.ts';
import { expectFailure } from '../../support/matchers.ts';

const TRANSPORT = { tlsVerify: true, extraRoots: [], userAgent: 'test' };
const layer = (...unsafeUrls: string[]): Descriptor => ({
  mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  digest: hashBytes('layer'),
  size: 5,
  annotations: {},
  platform: undefined,
  unsafeUrls,
});
const namesOf = (endpoint: string, ...urls: string[]) =>
  foreignEndpoints(layer(...urls), endpoint, TRANSPORT).map(({ name }) => name);

describe('foreignEndpoints', () => {
  it('are the https addresses of the layer in their order, and none where they are not allowed', () => {
    const urls = ['https://cdn.example/a?sig=1#x', 'https://other.example:8443/b'];
    expect(namesOf('registry.example/app', ...urls)).toEqual(['https://cdn.example/a', 'https://other.example:8443/b']);
    expect(foreignEndpoints(layer(...urls), 'registry.example/app', undefined)).toEqual([]);
    const { unsafeUrls: _, ...ordinary } = layer();
    expect(foreignEndpoints(ordinary, 'registry.example/app', TRANSPORT)).toEqual([]);
  });

  it.each([
    'http://cdn.example/a',
    'ftp://cdn.example/a',
    'file:///etc/passwd',
    'cdn.example/a',
    '',
    'https://user:secret@cdn.example/a',
    'https://169.254.169.254/latest',
    'https://127.0.0.1/a',
    'https://[::1]/a',
    'https://localhost/a',
    'https://2130706433/a',
  ])('leave out %j', (url) => {
    expect(namesOf('registry.example:5000/app', url, 'https://cdn.example/good')).toEqual(['https://cdn.example/good']);
  });

  it('may be private where the registry is', () => {
    expect(namesOf('10.0.0.1:5000/app', 'https://10.0.0.2/a')).toEqual(['https://10.0.0.2/a']);
  });

  it('get the request and nothing else, even when they ask', async () => {
    const [endpoint] = foreignEndpoints(layer('https://cdn.example/a?sig=1'), 'registry.example/app', TRANSPORT);
    const request = await endpoint?.source.blobRequest(layer());
    expect(request).toEqual({
      ...{ url: 'https://cdn.example/a?sig=1', method: 'GET', headers: { accept: '*/*' }, allowHttp: false },
    });
    await expectFailure('REGISTRY_AUTH_REJECTED', () =>
      endpoint?.source.renewBlobRequest(layer(), { headers: ['Basic realm="x"'] }),
    );
  });
});

describe('explainForeignLayer', () => {
  const unknown = new SealiftError('REGISTRY_BLOB_UNKNOWN', 'GET https://registry.example/…: status 404');
  const down = new SealiftError('HTTP_UNAVAILABLE', 'no answer');
  const some = foreignEndpoints(layer('https://cdn.example/a'), 'registry.example/app', TRANSPORT);

  it('says that its addresses are not allowed', () => {
    const error = explainForeignLayer({
      descriptor: layer('https://cdn.example/a', 'x'),
      endpoints: [],
      isAllowed: false,
      error: unknown,
    });
    expect(error).toMatchObject({ code: 'LAYER_FOREIGN_REFUSED', kind: 'denied' });
    expect(error?.message).toContain('its 2 urls were not asked: foreign urls are not allowed');
    expect(error?.hint).toContain('--foreign-layers');
  });

  it('says that none of them is one that can be asked', () => {
    const error = explainForeignLayer({
      descriptor: layer('http://cdn.example/a'),
      endpoints: [],
      isAllowed: true,
      error: unknown,
    });
    expect(error?.message).toContain('its url was not asked: no https address of a public host');
    expect(error?.hint).not.toContain('--foreign-layers');
  });

  it.each([
    ['of an ordinary layer', { ...layer(), unsafeUrls: [] }, [], unknown],
    ['of a registry that does not answer', layer('https://cdn.example/a'), [], down],
    ['of the addresses themselves', layer('https://cdn.example/a'), some, unknown],
  ] as const)('leaves the error as it is: %s', (_, descriptor, endpoints, error) => {
    expect(explainForeignLayer({ descriptor, endpoints, isAllowed: true, error })).toBeUndefined();
  });
});
