import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { formatServerWords, secretsOfRequest } from '../../../src/http/server-words.ts';
import { expectLinearTime } from '../../support/machine/linear-time.ts';

function words(body: string | Uint8Array, contentType = 'application/json', secrets: readonly string[] = []): string {
  const headers = contentType === '' ? {} : { 'content-type': [contentType] };
  return formatServerWords({ headers, excerpt: Buffer.from(body) }, secrets);
}

const S3 = '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>';
const AZURE =
  '\ufeff<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code><Message>Server failed.\nTime:x</Message></Error>';

describe('formatServerWords', () => {
  it.each([
    ['the distribution protocol', '{"errors":[{"code":"DENIED","message":"no"},{"code":"TWO"}]}', ' (DENIED: no; TWO)'],
    ['Docker Hub', '{"details":"incorrect username or password"}', ' (incorrect username or password)'],
    ['OAuth 2.0', '{"error":"invalid_grant","error_description":"expired"}', ' (invalid_grant; expired)'],
    ['a service with one error', '{"error":{"code":"X","message":"pay first"}}', ' (X: pay first)'],
    ['a service with a message', '{"message":"pull limit reached"}', ' (pull limit reached)'],
    ['Artifactory', '{"errors":[{"status":403,"message":"Forbidden"}]}', ' (Forbidden)'],
    ['S3', S3, ' (AccessDenied: Request has expired)'],
    ['Azure', AZURE, ' (AuthenticationFailed: Server failed. Time:x)'],
    ['a proxy', '<html><head><title>502 Bad &amp; Gateway</title></head></html>', ' (text/html: 502 Bad & Gateway)'],
    ['a server without a title', '<!DOCTYPE html><p>no</p>', ' (text/html)'],
    ['a server with plain text', '\n slow down \r\nsecond line', ' (slow down)'],
    ['JSON without known fields', '{"ok":false}', ''],
    ['JSON that was cut', '{"errors":[{"code":"DENIED","mess', ''],
    ['bytes that are no text', Buffer.from([1, 2, 3, 0]), ''],
    ['nothing', '', ''],
  ])('reads the words of %s', (_, body, expected) => {
    expect(words(body)).toBe(expected);
    expect(words(body, '')).toBe(expected);
  });

  it('decodes an error that was sent with gzip', () => {
    const headers = { 'content-encoding': ['gzip'] };
    expect(formatServerWords({ headers, excerpt: gzipSync('{"details":"slow down"}') }, [])).toBe(' (slow down)');
    expect(formatServerWords({ headers, excerpt: gzipSync(Buffer.alloc(1 << 20)) }, [])).toBe('');
    expect(formatServerWords({ headers, excerpt: gzipSync('{}').subarray(0, 8) }, [])).toBe('');
  });

  it('makes the words printable and cuts them', () => {
    expect(words('a\u0007b', 'text/plain')).toBe('');
    expect(words(JSON.stringify({ details: 'a\u001b[31m\n b\u202e' }))).toBe(' (a [31m b)');
    const long = words(JSON.stringify({ errors: Array(9).fill({ message: 'x'.repeat(10_000) }) }));
    expect(long).toBe(
      ` (${Array(3)
        .fill(`${'x'.repeat(200)}…`)
        .join('; ')})`,
    );
  });

  it('removes secrets, also where the cut goes through one', () => {
    const secret = 'seaworthy';
    expect(words(`you sent ${secret}`, '', [secret])).toBe(' (you sent REDACTED)');
    expect(words(`${'x'.repeat(197)}${secret}`, '', [secret])).not.toContain('sea');
    expect(words('see https://u:p@h/x?sig=abcdefgh', '')).toBe(' (see https://h/x?REDACTED)');
  });

  it.each(['<Code>', '<title', ' ', '&amp;', '{', '[', '\n'])('takes linear time: many times %j', (unit) => {
    expectLinearTime(1 << 20, (bytes) => {
      const body = unit.repeat(bytes / unit.length);
      return () => words(`<html>${body}`, 'text/html') + words(`<Error>${body}`) + words(body);
    });
  });
});

describe('secretsOfRequest', () => {
  const request = { method: 'GET', url: 'https://h/', headers: {}, allowHttp: false } as const;

  it('has the password of Basic, also decoded', () => {
    const authorization = `Basic ${Buffer.from('mate:sea:worthy').toString('base64')}`;
    expect(secretsOfRequest({ ...request, headers: { authorization } })).toEqual(
      expect.arrayContaining([authorization, 'mate:sea:worthy', 'sea:worthy', 'sea%3Aworthy']),
    );
  });

  it('has a token, a refresh token and the signature of an address', () => {
    const headers = { authorization: 'Bearer t0ken' };
    expect(secretsOfRequest({ ...request, headers })).toContain('t0ken');
    expect(secretsOfRequest({ ...request, method: 'POST', body: 'refresh_token=a%26b' })).toContain('a&b');
    const url = 'https://h/x?X-Amz-Signature=0123456789&X-Amz-SignedHeaders=host';
    expect(secretsOfRequest({ ...request, url })).toContain('0123456789');
    expect(secretsOfRequest({ ...request, url })).not.toContain('host');
  });
});
