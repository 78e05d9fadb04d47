import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact, removeSecrets, SealiftError, toPlainError } from '../../../src/errors/index.ts';
import { expectLinearTime } from '../../support/machine/linear-time.ts';

const PASSWORD = 'hunter2';
const DIGEST = `sha256:${'ab'.repeat(32)}`;

const STORED = DIGEST.replace(':', '=');

describe('redact', () => {
  it.each([
    ['userinfo of a URL', `pull https://user:${PASSWORD}@h/app: x`, 'pull https://h/app: x'],
    ['userinfo with a slash', `pull https://user:pa/${PASSWORD}@h/app`, 'pull https://h/app'],
    ['userinfo with an at sign', `pull https://user:pa@${PASSWORD}@h/app`, 'pull https://h/app'],
    ['userinfo with a quote', `pull https://user:"${PASSWORD}@h/app`, 'pull https://h/app'],
    ['userinfo with a question mark', `pull https://user:?${PASSWORD}@h/app`, 'pull https://REDACTED'],
    ['userinfo with a number sign', `pull https://user:1#${PASSWORD}@h/app`, 'pull https://REDACTED'],
    ['userinfo before a reference', `pull user:${PASSWORD}@h/app:1: x`, 'pull h/app:1: x'],
    ['userinfo before a pinned reference', `"user:${PASSWORD}@h/app@${DIGEST}"`, `"h/app@${DIGEST}"`],
    ['userinfo behind a digest-like name', `user:${PASSWORD}@h/app:1@sha256:abc`, 'h/app:1@sha256:abc'],
    ['userinfo of a host named refs', `GET https://user:${PASSWORD}@refs/heads/x`, 'GET https://refs/heads/x'],
    ['userinfo with a slash of such a host', `https://user:pa/${PASSWORD}@refs/tags/x`, 'https://refs/tags/x'],
    ['a user of such a host', `https://${PASSWORD}@refs/tags/x`, 'https://refs/tags/x'],
    ['userinfo before a workflow', `https://u:${PASSWORD}@h/a.yml@refs/tags/v1`, 'https://refs/tags/v1'],
    ['a query value', `GET https://h/x?sig=${PASSWORD}: y`, 'GET https://h/x?REDACTED y'],
    ['a query without a name', `GET https://h/x?${PASSWORD} y`, 'GET https://h/x?REDACTED y'],
    ['a query value behind a semicolon', `GET https://h/x?n=1;sig=${PASSWORD}`, 'GET https://h/x?REDACTED'],
    ['a query behind an apostrophe', `GET https://h/it's?sig=${PASSWORD}`, "GET https://h/it's?REDACTED"],
    [
      'userinfo before the path of a lookaside store',
      `https://user:${PASSWORD}@h/app@${STORED}/s`,
      `https://h/app@${STORED}/s`,
    ],
    ['userinfo that ends as such a path begins', `https://user:${PASSWORD}@sha256=abc/x`, 'https://sha256=abc/x'],
    ['a query with an at sign', `GET https://h/x?id=a@b&sig=${PASSWORD}`, 'GET https://h/x?REDACTED&REDACTED'],
    ['a second question mark', `GET https://h/x?n=1?sig=${PASSWORD}`, 'GET https://h/x?REDACTED'],
    ['a query that looks like a name', `GET https://h/x?${PASSWORD}==`, 'GET https://h/x?REDACTED'],
    ['a fragment', `GET https://h/x#token=${PASSWORD}`, 'GET https://h/x'],
    ['a header', `sent Bearer ${PASSWORD}.x`, 'sent Bearer REDACTED'],
  ])('removes %s', (_, text, clean) => {
    expect(redact(text)).toBe(clean);
  });

  it.each([
    'authorise docker.io/library/app:1.2: expected a policy',
    `pull localhost:5000/app:1.2@${DIGEST}: blob sha256:ab: expected 1 bytes, got 2`,
    `GET https://h:5000/v2/app/blobs/${DIGEST}: status 404`,
    'reference "h/app@sha256:short": digest "sha256:short": expected sha256',
    'GET https://auth/token?service=s&scope=repository:a/b:pull y',
    `GET https://sigs.example:8443/store/team/app@${STORED}/signature-1: status 500`,
    'write to admin@example.com',
    'says "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0"; expected another',
    'says "https://gitlab.example:8443/a/b//.gitlab-ci.yml@refs/heads/main"',
    'entry usr/share/a:b@c: hard link to usr/lib/x@1: no',
  ])('leaves alone: %s', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('lets no password through, whatever it has in it, in URLs and in references', () => {
    const password = fc
      .string({ unit: fc.constantFrom(...'ab0/?#@:;&=\'"<>%.'), minLength: 1, maxLength: 12 })
      .map((text) => `${text}hunter2`);
    fc.assert(
      fc.property(password, fc.constantFrom('https://', 'http://', 'docker://', ''), (secret, scheme) => {
        const reference = `${scheme}user:${secret}@registry.example/app`;
        const error = new SealiftError('REFERENCE_INVALID', `reference "${reference}": no`, { context: { reference } });
        expect(JSON.stringify(toPlainError(error))).not.toContain('hunter2');
      }),
    );
  });

  it('lets nothing of the query of a Location through, whatever it looks like', () => {
    const around = fc.string({ unit: fc.constantFrom(...'ab/?&=;\'"<#%@:\\[] |^`{é'), maxLength: 8 });
    fc.assert(
      fc.property(around, around, (before, after) => {
        const { href, search } = new URL(`https://cdn.example/blob?sig=${before}hunter2${after}`);
        fc.pre(search.includes('hunter2'));
        expect(redact(`GET ${href}: status 500`)).not.toContain('hunter2');
      }),
    );
  });

  it.each(['a.', 'a://', 'bearer ', '@sha256:', 'a:', '"', '?'])('takes linear time: many times %j', (unit) => {
    // A quadratic pattern takes minutes for this.
    expectLinearTime(2_000_000, (bytes) => {
      const text = unit.repeat(bytes / unit.length);
      return () => expect(redact(text).length).toBeLessThan(2100);
    });
  });
});

describe('removeSecrets', () => {
  it.each([
    ['every occurrence of a secret', 'a seaworthy b seaworthy', ['seaworthy'], 'a REDACTED b REDACTED'],
    ['the longer secret before its beginning', 'mate:seaworthy', ['mate', 'mate:seaworthy'], 'REDACTED'],
    ['a secret of four characters', 'the word mate', ['mate'], 'the word REDACTED'],
  ])('replaces %s', (_, text, secrets, expected) => expect(removeSecrets(text, secrets)).toBe(expected));

  it.each(['e', 'es', 'den'])('hides a text as a whole in which the short secret %j occurs', (secret) => {
    expect(removeSecrets('access denied: repository closes', [secret])).toBe('REDACTED');
  });

  it('leaves a text alone without any of the secrets', () => {
    expect(removeSecrets('access denied', ['x', '', 'seaworthy'])).toBe('access denied');
  });
});
