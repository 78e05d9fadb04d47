import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { expectFailure } from '../../support/matchers.ts';
import { SocksProxy } from '../../support/proxies/socks-proxy.ts';

const ACCOUNT = { username: 'mate', password: 'barnacle' };

describe('a pull through a SOCKS proxy', () => {
  let bed: PullBed;
  let proxy: SocksProxy;

  beforeEach(async () => {
    bed = await PullBed.open();
    proxy = await SocksProxy.start({ account: ACCOUNT });
  });

  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    await bed.close();
  });

  /** The registry by a name that only the proxy knows. */
  async function pull(url: string): Promise<void> {
    const { digest } = bed.serveImage([[file('who', 'me')], [file('words', Buffer.alloc(200_000, 'w'))]]);
    proxy.routes.set('registry.example:5000', bed.registry.port);
    const settings = { 'pull.tls_verify': false, 'pull.limits.maxTries': 1 } as const;
    await composeTestCli({ environment: { ALL_PROXY: url } }).pull(
      {
        ...{ reference: `registry.example:5000/app@${digest}`, settings, credentials: undefined },
        ...{ target: { kind: 'unpack', directory: bed.path('tree') }, configFile: undefined, debug: false },
      },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
  }

  it('takes manifests and layers over it, and the names to it', async () => {
    await pull(`socks5h://mate:barnacle@${proxy.host}`);
    expect(readFileSync(bed.path('tree/who'), 'utf8')).toBe('me');
    expect(bed.registry.requestsTo(/\/blobs\//)).toHaveLength(3);
    expect(new Set(proxy.questions.map(({ host }) => host))).toEqual(new Set(['registry.example']));
    expect(new Set(proxy.accounts)).toEqual(new Set(['mate:barnacle']));
  });

  it('tells what the proxy has against it, and not the password', async () => {
    const error = await expectFailure('HTTP_PROXY_AUTH_REQUIRED', () => pull(`socks5://mate:hunter2@${proxy.host}`));
    expect(error.message).toContain(`proxy ${proxy.host}: refused the user name or the password`);
    expect(error.message).not.toContain('hunter2');
    expect(bed.registry.requests).toEqual([]);
  });

  it('is refused before any request where only SOCKS 4 is named', async () => {
    const error = await expectFailure('CONFIG_UNSUPPORTED', () => pull(`socks4a://mate:hunter2@${proxy.host}`));
    expect(error.message).not.toContain('hunter2');
    expect([proxy.accounts, proxy.questions]).toEqual([[], []]);
  });
});
