import { describe, expect, it } from 'vitest';
import { matchLookaside } from '../../../src/config/lookaside/match-lookaside.ts';
import { parseLookasideRules } from '../../../src/config/lookaside/parse-lookaside-rules.ts';
import { hashBytes, parseReference } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const parse = (text: string) => parseLookasideRules({ text, origin: '/r.yaml' });
const DIGEST = hashBytes('x');

/** As in the example of containers-registries.d(5), with sections for every kind of name. */
const RULES = `
default-docker:
  lookaside: https://default/
docker:
  example.com: {lookaside: https://host/}
  example.com:5000: {lookaside: https://port/}
  "*.example.com": {lookaside: https://below/}
  example.com/team: {lookaside: https://team/}
  example.com/team/app: {lookaside: https://app/}
  example.com/team/app:1: {lookaside: https://tag/}
  example.com/team/app@${DIGEST}: {sigstore: https://digest/}
  docker.io/library/busybox: {lookaside: https://busybox/}
  example.com/staging:
    lookaside-staging: file:///mnt/write
    use-sigstore-attachments: false
  example.com/staging/deep:
    use-sigstore-attachments: true
`;

describe('registries.d', () => {
  it.each([
    ['example.com/team/app:1', 'tag'],
    ['example.com/team/app:2', 'app'],
    ['example.com/team/app', 'app'],
    [`example.com/team/app@${DIGEST}`, 'digest'],
    // The digest names the image, and the tag is only a remark.
    [`example.com/team/app:1@${DIGEST}`, 'digest'],
    [`example.com/team/app:1@${hashBytes('y')}`, 'app'],
    ['example.com/team/application:1', 'team'],
    ['example.com/team/app/below:1', 'app'],
    ['example.com/teamwork:1', 'host'],
    ['example.com/x:1', 'host'],
    ['example.com:5000/team/app:1', 'port'],
    ['example.com:5001/x:1', 'default'],
    ['a.b.example.com/x:1', 'below'],
    ['a.example.com:8443/x:1', 'below'],
    ['EXAMPLE.com/x:1', 'default'],
    ['busybox', 'busybox'],
    ['docker.io/library/busyboxes', 'default'],
    ['quay.io/x:1', 'default'],
  ])('has for %s the store of %s', async (reference, host) => {
    const { lookaside } = matchLookaside(await parse(RULES), parseReference(reference));
    expect(lookaside?.href).toBe(`https://${host}/`);
  });

  it('takes each key from the most specific section that has it', async () => {
    const rules = await parse(RULES);
    const match = (name: string) => matchLookaside(rules, parseReference(name));
    expect(match('example.com/staging/app:1')).toMatchObject({
      lookaside: { href: 'https://host/' },
      useSigstoreAttachments: false,
    });
    expect(match('example.com/staging/deep/app:1').useSigstoreAttachments).toBe(true);
    expect(match('example.com/x:1').useSigstoreAttachments).toBeUndefined();
  });

  it.each([
    [''],
    ['# nothing'],
    ['default-docker:\n'],
    ['default-docker:\n  lookaside-staging: file:///var/lib/containers/sigstore\n'],
    ['docker:\n'],
    ['docker:\n  example.com:\n'],
    ['default-docker:\n  lookaside: ""\n'],
  ])('names no store: %j', async (text) => {
    expect(matchLookaside(await parse(text), parseReference('example.com/x:1')).lookaside).toBeUndefined();
  });

  it('prefers the present name of a key to its former one', async () => {
    const { defaultSection } = await parse('default-docker: {sigstore: "https://old/", lookaside: "https://new/"}');
    expect(defaultSection?.lookaside?.href).toBe('https://new/');
  });

  it.each([
    ['an unknown key', 'dokcer: {}', 'dokcer: unknown setting'],
    ['an unknown key of a section', 'docker: {a.io: {lookasid: "https://x"}}', 'docker.a.io.lookasid: unknown setting'],
    ['a section that is a text', 'docker: {a.io: "https://x"}', 'docker.a.io'],
    ['an empty name', 'docker: {"": {}}', 'docker'],
    ['a list', '[]', 'expected object'],
    ['yes for true', 'default-docker: {use-sigstore-attachments: yes}', 'expected true or false'],
    ['a number as address', 'default-docker: {lookaside: 5}', 'default-docker.lookaside'],
    ['a path', 'default-docker: {lookaside: /var/lib/x}', 'default-docker.lookaside: expected file:///PATH'],
    [
      'another scheme',
      'default-docker: {sigstore: "ftp://h/x"}',
      'default-docker.sigstore: expected file, https or http',
    ],
    ['a host in a file', 'default-docker: {lookaside: "file://h/x"}', 'expected file:// and an absolute path'],
    ['one slash', 'default-docker: {lookaside: "file:/x"}', 'expected file:// and an absolute path'],
    ['an encoded slash', 'default-docker: {lookaside: "file:///a%2fb"}', 'expected a path without an encoded slash'],
    ['a query', 'default-docker: {lookaside: "https://h/?a=b"}', 'expected no query'],
    ['a fragment', 'default-docker: {lookaside: "https://h/#a"}', 'expected no query and no fragment'],
    ['no YAML', 'docker: [', 'expected YAML: line 1'],
    ['a duplicate name', 'docker: {a.io: {}, a.io: {}}', 'expected YAML: line 1'],
    ['an alias', 'docker: {a.io: &a {}, b.io: *a}', 'expected YAML: line 1'],
  ])('is refused with %s', async (_, text, problem) => {
    const error = await expectFailure('REGISTRIES_D_INVALID', () => parse(text));
    expect(error.message).toContain('registries.d /r.yaml: ');
    expect(error.message).toContain(problem);
  });

  it('never quotes an address with a password', async () => {
    const error = await expectFailure('REGISTRIES_D_INVALID', () =>
      parse('default-docker: {lookaside: "https://me:hunter2@h/x"}'),
    );
    expect(error.message).toContain('a store is sent no credentials');
    expect(JSON.stringify([error.message, error.context, String(error.cause)])).not.toContain('hunter2');
  });
});
