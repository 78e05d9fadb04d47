import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import type { ServedImage } from '../../support/beds/pull-bed.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { GpgHome, signaturePayload } from '../../support/signatures/gpg-home.ts';

describeWith(['root', 'gpg'], 'the daemon, with a policy that wants signatures', () => {
  const stack = new AsyncDisposableStack();
  let daemon: DaemonBed;
  let image: ServedImage;
  let reference: string;
  let keyData: string;

  beforeAll(async () => {
    daemon = stack.use(await DaemonBed.open({}));
    const { bed } = daemon;
    const gpg = stack.use(new GpgHome());
    await gpg.makeKey('alice');
    keyData = (await gpg.exportKeys('alice')).toString('base64');
    image = bed.serveImage([[dir('./'), file('f', 'content')]], { tag: '1' });
    reference = bed.reference('1');
    const folder = bed.path(`sigs/app@${image.digest.replace(':', '=')}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/signature-1`, await gpg.sign('alice', signaturePayload(reference, image.digest)));
  });

  afterAll(() => stack[Symbol.asyncDispose]());

  function configure(lines: string): void {
    const policy = JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyData }] });
    const toml = `[pull]\ntls_verify = false\n[image]\nimage_security_policy = '${policy}'\n${lines}`;
    daemon.configure({ toml });
  }

  const storeAt = (path: string) => `default-docker:\n  sigstore: file://${path}\n`;
  const layerRequests = () => daemon.bed.fetchesOf(image.layers[0] ?? '');

  it('finds none where its file names no store, and asks for no layer', async () => {
    configure('');
    const { message } = await expectFailure('POLICY_DENIED', () => daemon.pull(reference));
    expect(message).toContain('no lookaside store is configured for');
    expect(layerRequests()).toBe(0);
  });

  it('finds them where sigstore_config says, inline or in a file', async () => {
    const { bed } = daemon;
    configure(`sigstore_config = """\n${storeAt(bed.path('sigs'))}"""\n`);
    expect(await daemon.pull(reference)).toBe(image.digest);
    writeFileSync(bed.path('sigstore_config.yaml'), storeAt(bed.path('sigs')));
    configure(`sigstore_config_uri = "file://${bed.path('sigstore_config.yaml')}"\n`);
    expect(await daemon.pull(reference)).toBe(image.digest);
  });

  it('judges an image that it has again, when the store says otherwise', async () => {
    configure(`sigstore_config = """\n${storeAt(daemon.bed.path('empty'))}"""\n`);
    await expectFailure('POLICY_DENIED', () => daemon.pull(reference));
    writeFileSync(daemon.bed.path('in-the-way'), '');
    configure(`sigstore_config = """\n${storeAt(daemon.bed.path('in-the-way'))}"""\n`);
    await expectFailure('SIGNATURE_UNAVAILABLE', () => daemon.pull(reference));
  });
});
