import { describe, expect, it } from 'vitest';
import { toPlainError } from '../../../src/errors/index.ts';
import { brokenConnection } from '../../../src/http/fault.ts';
import type { HttpRequest } from '../../../src/http/index.ts';
import type { ProxyServer } from '../../../src/http/parse-proxy.ts';
import { brokenInTunnel, proxyUnreachable } from '../../../src/http/proxy-fault.ts';

const URL = 'https://registry.test/v2/';
const REQUEST: HttpRequest = { url: URL, method: 'GET', headers: {}, allowHttp: false };
const PROXY = { name: 'http://proxy.test:3128' } as ProxyServer;

const withCode = (code: string, message: string) => Object.assign(new Error(message), { code });
const openssl = (reason: string, place: string) =>
  `C066A43EB07F0000:error:0A00010B:SSL routines:f:${reason}:../${place}:`;

const SELF_SIGNED = withCode(
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca',
);
const NO_TLS = withCode('ERR_SSL_WRONG_VERSION_NUMBER', openssl('wrong version number', 'tlsany_meth.c:78'));
/** A fault that Node meets while it writes has only this code. */
const WRITE_NO_TLS = withCode('EPROTO', `write EPROTO ${openssl('wrong version number', 'tlsany_meth.c:78')}`);
const WRITE_ALERT = withCode('EPROTO', `write EPROTO ${openssl('tlsv1 alert internal error', 'rec_layer_s3.c:918')}`);
const WRITE_ODD = withCode('EPROTO', 'write EPROTO C066A43EB07F0000:error:0A00010B');

const attempt = (cause: unknown) => brokenConnection(REQUEST, { url: URL, cause }, 0);

describe('an error of TLS', () => {
  it.each([
    [SELF_SIGNED, 'the certificate of the server is self-signed', true],
    [NO_TLS, 'the server does not speak https on this port', true],
    [WRITE_NO_TLS, 'the server does not speak https on this port', true],
    [WRITE_ALERT, 'the TLS handshake failed: tlsv1 alert internal error', false],
    [WRITE_ODD, 'the TLS handshake failed: protocol error', false],
  ])('is told in one sentence of ours: %s', (cause, sentence, lasting) => {
    for (const [failed, subject] of [
      [attempt(cause), ''],
      [attempt(brokenInTunnel(PROXY, cause)), `: through proxy ${PROXY.name}`],
      [attempt(proxyUnreachable(PROXY, cause)), `: proxy ${PROXY.name}`],
    ] as const) {
      const { message, causes, hint } = toPlainError(failed.error);
      expect({ message, causes }).toEqual({ message: `GET ${URL}${subject}: ${sentence}`, causes: [] });
      expect(hint).not.toMatch(/node|openssl|error:/i);
      expect(failed.lasting).toBe(lasting);
    }
  });
});

describe('another broken connection', () => {
  it('keeps what has broken it', () => {
    const { error } = attempt(withCode('ECONNRESET', 'read ECONNRESET'));
    expect(toPlainError(error)).toMatchObject({ causes: ['read ECONNRESET'], context: { fault: 'ECONNRESET' } });
  });
});
