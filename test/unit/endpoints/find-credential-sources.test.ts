import { describe, expect, it } from 'vitest';
import { findCredentialSources } from '../../../src/endpoints/find-credential-sources.ts';
import { expectFailure } from '../../support/matchers.ts';
import { memoryLoader } from '../../support/resources/memory-loader.ts';

const NAME = { domain: 'app.io', path: 'team/app' };
const HELPER = JSON.stringify({ credHelpers: { 'app.io': 'some' } });
const KNOWN = JSON.stringify({ auths: { 'app.io': { username: 'me', password: 'secret' } } });

describe('findCredentialSources', () => {
  it('reads files in their order up to one with credentials, and none behind it', async () => {
    const resources = memoryLoader({ '/none': '{}', '/helper': HELPER, '/known': KNOWN, '/later': 'broken' });
    const load = { resources, maxBytes: 4096 };
    const sources = await findCredentialSources(NAME, ['/none', '/helper', '/known', '/later'], load);
    expect(sources.map(({ kind }) => kind)).toEqual(['helper', 'known']);
    expect(resources.loaded).toEqual(['/none', '/helper', '/known']);
  });

  it('reports a file that cannot be loaded or parsed', async () => {
    const load = { resources: memoryLoader({ '/broken': 'broken' }), maxBytes: 4096 };
    await expectFailure('AUTHFILE_INVALID', () => findCredentialSources(NAME, ['/broken'], load));
    await expectFailure('AUTHFILE_INVALID', () => findCredentialSources(NAME, ['/absent'], load));
  });
});
