import { createServer } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { describeWith } from '../../../support/machine/needs.ts';
import { startTlsFront } from '../../../support/proxies/tls-front.ts';
import { makeTestCertificates } from '../../../support/registries/test-certificates.ts';

describeWith(['openssl'], 'the TLS front', () => {
  it('serves what lies behind it to clients that know the authority, and to no others', async () => {
    const { authority, server: pair } = makeTestCertificates();
    const behind = createServer((incoming, answer) => incoming.pipe(answer));
    await new Promise<void>((resolve) => behind.listen(0, '127.0.0.1', resolve));
    const address = behind.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    await using front = await startTlsFront({ target: `127.0.0.1:${address.port}`, ...pair });
    const ask = (ca?: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const trust = ca === undefined ? {} : { ca };
        const outgoing = request(`https://${front.host}/`, { method: 'POST', agent: false, ...trust }, (answer) =>
          resolve(text(answer)),
        );
        outgoing.on('error', reject).end('there and back');
      });
    expect(await ask(authority)).toBe('there and back');
    await expect(ask()).rejects.toThrow(/certificate/);
    behind.close();
  });
});
