import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import type { ServedImage } from '../../support/beds/pull-bed.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { ResourceHub } from '../../support/keybroker/resource-hub.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { GpgHome, signaturePayload } from '../../support/signatures/gpg-home.ts';

describeWith(['root', 'gpg'], 'the daemon, with a policy that wants signatures', () => {
  const stack = new AsyncDisposableStack();
  let daemon: DaemonBed;
  let image: ServedImage;
  let reference: string;
  let keyData: string;
  let otherKey: string;

  beforeAll(async () => {
    daemon = stack.use(await DaemonBed.open({}));
    const { bed } = daemon;
    const gpg = stack.use(new GpgHome());
    await gpg.makeKey('alice');
    keyData = (await gpg.exportKeys('alice')).toString('base64');
    await gpg.makeKey('mallory');
    otherKey = (await gpg.exportKeys('mallory')).toString('base64');
    image = bed.serveImage([[dir('./'), file('f', 'content')]], { tag: '1' });
    reference = bed.reference('1');
    const folder = bed.path(`sigs/app@${image.digest.replace(':', '=')}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/signature-1`, await gpg.sign('alice', signaturePayload(reference, image.digest)));
  });

  afterAll(() => stack[Symbol.asyncDispose]());

  function configure(lines: string, key = keyData): void {
    const policy = JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyData: key }] });
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

  /** Pulls the image with its signature, which is kept then. */
  async function keep(): Promise<void> {
    configure(`sigstore_config = """\n${storeAt(daemon.bed.path('sigs'))}"""\n`);
    expect(await daemon.pull(reference)).toBe(image.digest);
  }

  it('judges an image that it has again, by what it has kept in memory and the keys of now', async () => {
    const inTheWay = `sigstore_config = """\n${storeAt(daemon.bed.path('in-the-way'))}"""\n`;
    const empty = `sigstore_config = """\n${storeAt(daemon.bed.path('empty'))}"""\n`;
    writeFileSync(daemon.bed.path('in-the-way'), '');
    await keep();
    configure(inTheWay);
    expect(await daemon.pull(reference)).toBe(image.digest);
    // It is mounted now; another key lets it run no more.
    configure(empty, otherKey);
    const { message } = await expectFailure('POLICY_DENIED', () => daemon.pull(reference));
    expect(message).toContain('(kept by an earlier pull): it names key');
    configure(inTheWay, otherKey);
    await expectFailure('SIGNATURE_UNAVAILABLE', () => daemon.pull(reference));
  });

  it('starts a pinned image from memory with the registry off, but not once its key has left', async () => {
    const { bed } = daemon;
    const pinned = bed.reference(image.digest);
    await keep();
    configure('');
    bed.registry.inject({ match: /^/, times: 99, action: { kind: 'hang-up' } });
    bed.registry.requests.length = 0;
    expect(await daemon.pull(pinned)).toBe(image.digest);
    expect(bed.registry.requests).toEqual([]);
    configure('', otherKey);
    await expectFailure('SIGNATURE_UNAVAILABLE', () => daemon.pull(pinned));
    bed.registry.forgetFaults();
    await expectFailure('POLICY_DENIED', () => daemon.pull(pinned));
    expect(layerRequests()).toBe(0);
  });

  it('asks for policy and keys once when fifty pulls need them at once', async () => {
    const { bed } = daemon;
    await using hub = await ResourceHub.start(bed.path('hub.sock'));
    const [policyUri, keyUri] = ['kbs:///default/policy/1', 'kbs:///default/key/1'];
    const requirement = { type: 'signedBy', keyType: 'GPGKeys', keyPath: keyUri };
    hub.resources.set(policyUri, Buffer.from(JSON.stringify({ default: [requirement] })));
    hub.resources.set(keyUri, Buffer.from(keyData, 'base64'));
    const broker = `passthrough_socket = "unix://${bed.path('hub.sock')}"\n`;
    const store = `sigstore_config = """\n${storeAt(bed.path('sigs'))}"""\n`;
    const table = `[image]\nimage_security_policy_uri = "${policyUri}"\n${store}`;
    daemon.configure({ toml: `${broker}[pull]\ntls_verify = false\n${table}` });
    const digests = await Promise.all(Array.from({ length: 50 }, () => daemon.pull(reference)));
    expect(new Set(digests)).toEqual(new Set([image.digest]));
    expect(hub.asked.toSorted()).toEqual([keyUri, policyUri]);
    const counted = [...daemon.daemon.counts.resources].filter(([source]) => source === 'hub');
    expect(counted).toEqual([['hub', 'ok', 100]]);
  });
});
