import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startTlsFront, type TlsFront } from '../../support/proxies/tls-front.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

/**
 * One authority is a system root of this process; the other occurs only in imagepuller.toml. The variable of OpenSSL
 * names the system's file, which is read when the first connection needs roots.
 */
describeWith(['root', 'openssl'], 'ca-certs of imagepuller.toml', () => {
  let scratch: Scratch;
  let ofSystem: TestCertificates;
  let ofRegistry: TestCertificates;
  let daemon: DaemonBed | undefined;
  let front: TlsFront | undefined;

  beforeAll(() => {
    scratch = new Scratch('roots');
    [ofSystem, ofRegistry] = [makeTestCertificates(), makeTestCertificates()];
    writeFileSync(scratch.join('system.pem'), ofSystem.authority);
    process.env['SSL_CERT_FILE'] = scratch.join('system.pem');
    // An empty directory, so that no other root counts.
    mkdirSync(scratch.join('none'));
    process.env['SSL_CERT_DIR'] = scratch.join('none');
  });

  afterEach(async () => {
    await front?.stop();
    await daemon?.[Symbol.asyncDispose]();
    [front, daemon] = [undefined, undefined];
  });

  afterAll(() => scratch[Symbol.dispose]());

  /** Pulls from a registry with that certificate; `caCerts` is written under the registry's name. */
  async function pull({ server }: TestCertificates, caCerts: string | undefined): Promise<void> {
    const bed = await PullBed.open();
    const image = bed.serveImage([[file('a', 'a')]]);
    front = await startTlsFront({ target: bed.registry.host, ...server });
    const imagepuller = caCerts === undefined ? '' : `[registries."${front.host}"]\nca-certs = """${caCerts}"""\n`;
    daemon = await DaemonBed.open({ imagepuller }, bed);
    expect(await daemon.pull(`${front.host}/app@${image.digest}`)).toBe(image.digest);
  }

  it('are trusted for their registry', async () => {
    await pull(ofRegistry, ofRegistry.authority);
  });

  it('take the place of the system’s: what only those vouch for is refused', async () => {
    const error = await expectFailure('HTTP_UNAVAILABLE', () => pull(ofSystem, ofRegistry.authority));
    expect(error.hint).toContain('extra root');
  });

  it('may be several, the system’s among them', async () => {
    await pull(ofSystem, `${ofRegistry.authority}\n${ofSystem.authority}`);
  });

  it('trust nobody when there is none in them', async () => {
    await expectFailure('HTTP_UNAVAILABLE', () => pull(ofSystem, 'no certificate'));
  });

  it('hold for that registry alone: elsewhere the system’s count', async () => {
    await pull(ofSystem, undefined);
    await front?.stop();
    await daemon?.[Symbol.asyncDispose]();
    await expectFailure('HTTP_UNAVAILABLE', () => pull(ofRegistry, undefined));
  });
});
