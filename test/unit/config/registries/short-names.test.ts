import { describe, expect, it } from 'vitest';
import { assertQualified, resolveShortName } from '../../../../src/config/index.ts';
import { mergeRegistries } from '../../../../src/config/registries/merge-registries.ts';
import { parseRegistries } from '../../../../src/config/registries/parse-registries.ts';
import { expectFailure } from '../../../support/matchers.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

const registriesOf = (text: string) =>
  mergeRegistries([parseRegistries({ text, origin: '/r.conf', dialect: 'containers' })]);
const resolve = (text: string, name: string) => resolveShortName(registriesOf(text), name);

const ALIASES = '[aliases]\n"podman" = "quay.io/podman/stable"\n"team/app" = "registry.example:5000/app"\n';
const SEARCH = 'unqualified-search-registries = ["a.io", "docker.io"]\n';

describe('resolveShortName', () => {
  it.each(['a.io/x', 'a.io/x:1', `localhost/x@${DIGEST}`, 'host:5000/podman', 'docker.io/podman'])(
    'leaves %s alone, which has a host',
    (name) => {
      expect(resolve(SEARCH + ALIASES, name)).toEqual([name]);
    },
  );

  it.each([
    ['podman', 'quay.io/podman/stable'],
    ['podman:v5', 'quay.io/podman/stable:v5'],
    [`podman@${DIGEST}`, `quay.io/podman/stable@${DIGEST}`],
    [`podman:v5@${DIGEST}`, `quay.io/podman/stable:v5@${DIGEST}`],
    ['team/app:1', 'registry.example:5000/app:1'],
  ])('replaces the name in %s by its alias', (name, expected) => {
    expect(resolve(SEARCH + ALIASES, name)).toEqual([expected]);
  });

  it('looks for other names at each search registry in turn', () => {
    expect(resolve(SEARCH + ALIASES, 'busybox:1')).toEqual(['a.io/busybox:1', 'docker.io/library/busybox:1']);
    expect(resolve(SEARCH, 'team/busybox')).toEqual(['a.io/team/busybox', 'docker.io/team/busybox']);
    expect(resolve(`short-name-mode = "disabled"\n${SEARCH}`, 'x')).toHaveLength(2);
  });

  it('uses Docker Hub without a list of search registries, and no registry with an empty list', async () => {
    expect(resolve('', 'busybox')).toEqual(['busybox']);
    await expectFailure('REFERENCE_UNQUALIFIED', () => resolve('unqualified-search-registries = []', 'busybox'));
  });

  it('refuses a choice in the mode enforcing', async () => {
    const enforcing = 'short-name-mode = "enforcing"\n';
    await expectFailure('REFERENCE_UNQUALIFIED', () => resolve(enforcing + SEARCH, 'busybox'));
    expect(resolve(`${enforcing}unqualified-search-registries = ["a.io"]`, 'busybox')).toEqual(['a.io/busybox']);
    expect(resolve(enforcing + SEARCH + ALIASES, 'podman')).toEqual(['quay.io/podman/stable']);
  });

  it('refuses text that is not a reference', async () => {
    await expectFailure('REFERENCE_INVALID', () => resolve(SEARCH, 'Busy Box'));
  });
});

describe('assertQualified', () => {
  it.each(['', 'unqualified-search-registries = ["docker.io"]', ALIASES])(
    'lets a short name be one of Docker Hub (%#)',
    (text) => {
      expect(() => assertQualified(registriesOf(text), 'busybox:1')).not.toThrow();
    },
  );

  it.each([
    [SEARCH, 'busybox'],
    ['unqualified-search-registries = ["a.io"]', 'team/busybox'],
    ['unqualified-search-registries = []', 'busybox'],
    [ALIASES, 'podman:v5'],
  ])('refuses a name to which the configuration gives another meaning (%#)', async (text, name) => {
    await expectFailure('REFERENCE_UNQUALIFIED', () => assertQualified(registriesOf(text), name));
    expect(() => assertQualified(registriesOf(text), `docker.io/${name}`)).not.toThrow();
  });
});
