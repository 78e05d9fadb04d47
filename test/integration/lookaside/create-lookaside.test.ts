import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import type { TransportSettings } from '../../../src/http/index.ts';
import { createTransport } from '../../../src/http/transport.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { LocateSignatures } from '../../../src/lookaside/create-lookaside.ts';
import { cliLookaside, daemonLookaside } from '../../../src/lookaside/index.ts';
import { hashBytes, parseFileReference, parseReference } from '../../../src/oci/index.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import type { LookasideStore } from '../../../src/signature/index.ts';
import { resolveSample } from '../../support/daemons/daemon-texts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { recordingClock } from '../../support/registries/http-fixture.ts';
import { makeTestCertificates } from '../../support/registries/test-certificates.ts';
import { SignatureServer } from '../../support/signatures/signature-server.ts';

const DIGEST = hashBytes('x');
const { signal } = new AbortController();
const REFERENCE = parseReference('registry.example/team/app:1');

/** The address of a store, without what names a signature in it. */
const addressOf = (store: LookasideStore | undefined) => store?.locate(DIGEST, 1).href.replace(/\/team\/app@.*$/, '');

const lookasideOf =
  (locate: LocateSignatures) =>
  async (...asked: Parameters<LocateSignatures>) =>
    (await locate(...asked)).lookaside;

describeWith(['openssl'], 'the lookaside store of a name', () => {
  let scratch: Scratch;
  const closing = new AsyncDisposableStack();

  beforeEach(() => {
    scratch = new Scratch('lookaside');
  });
  afterEach(() => scratch[Symbol.dispose]());

  const shared = { limits: DEFAULT_LIMITS, userAgent: 'test', resources: createResourceLoader() };
  const pool = {
    httpClient: (settings: TransportSettings) => {
      const clock = recordingClock();
      const transport = createTransport(settings, { limits: { ...DEFAULT_LIMITS, maxTries: 2 }, clock });
      closing.defer(() => transport.close());
      return transport;
    },
  };

  function rules(text: string): string {
    mkdirSync(scratch.join('d'), { recursive: true });
    writeFileSync(scratch.join('d/s.yaml'), text);
    return scratch.join('d');
  }

  function cli(values: SettingValues, environment: Readonly<Record<string, string>> = {}, uid = 0) {
    const configuration = resolveConfiguration([{ class: 'measured', named: true, originOf: () => 'flag', values }]);
    return lookasideOf(cliLookaside({ ...shared, configuration, pool }, { environment, uid }));
  }

  function daemon(toml: string, deadlineMs?: number) {
    return lookasideOf(daemonLookaside({ ...shared, configuration: resolveSample({ toml }), pool, deadlineMs }));
  }

  it('is the one that registries.d names, on the command line and for the daemon', async () => {
    const directory = rules('docker: {registry.example/team: {lookaside: "file:///srv/sigs"}}');
    for (const open of [cli({ 'pull.registries_d': directory }), daemon(`[pull]\nregistries_d = "${directory}"\n`)]) {
      const store = await open(REFERENCE, signal);
      expect(store?.isConfigured).toBe(true);
      const hex = DIGEST.slice('sha256:'.length);
      expect(store?.locate(DIGEST, 2).href).toBe(`file:///srv/sigs/team/app@sha256=${hex}/signature-2`);
    }
  });

  it('is that of podman and skopeo where none is named, and none for the daemon', async () => {
    const directory = rules('docker: {other.example: {lookaside: "file:///srv/sigs"}}');
    const values = { 'pull.registries_d': directory };
    const baseOf = async (open: ReturnType<typeof cli>) => {
      const store = await open(REFERENCE, signal);
      expect(store?.isConfigured ?? false).toBe(false);
      return addressOf(store);
    };
    expect(await baseOf(cli(values))).toBe('file:///var/lib/containers/sigstore');
    const home = '/home/a b';
    expect(await baseOf(cli(values, { HOME: home }, 1000))).toBe('file:///home/a%20b/.local/share/containers/sigstore');
    expect(await baseOf(cli(values, {}, 1000))).toBeUndefined();
    expect(await baseOf(daemon(`[pull]\nregistries_d = "${directory}"\n`))).toBeUndefined();
    expect(await baseOf(daemon(''))).toBeUndefined();
  });

  it('does not exist for files', async () => {
    const open = cli({ 'pull.registries_d': rules('default-docker: {lookaside: "file:///srv/sigs"}') });
    expect(await open(parseFileReference('oci:/srv/layout:1'), signal)).toBeUndefined();
  });

  it('says whether signatures are attached to images, which is so unless the most specific section denies it', async () => {
    const directory = rules(
      'default-docker: {use-sigstore-attachments: false}\ndocker: {registry.example: {use-sigstore-attachments: true}}',
    );
    const values = { 'pull.registries_d': directory };
    const configuration = resolveConfiguration([{ class: 'measured', named: true, originOf: () => 'flag', values }]);
    const toml = `[pull]\nregistries_d = "${directory}"\n`;
    for (const locate of [
      cliLookaside({ ...shared, configuration, pool }, { environment: {}, uid: 0 }),
      daemonLookaside({ ...shared, configuration: resolveSample({ toml }), pool }),
    ]) {
      expect((await locate(REFERENCE, signal)).usesAttachments).toBe(true);
      expect((await locate(parseReference('other.example/app:1'), signal)).usesAttachments).toBe(false);
      expect((await locate(parseFileReference('oci:/srv/layout:1'), signal)).usesAttachments).toBe(true);
      rules('docker: {registry.example: {lookaside: "file:///srv/sigs"}}');
      expect((await locate(parseReference('other.example/app:1'), signal)).usesAttachments).toBe(true);
      rules(
        'default-docker: {use-sigstore-attachments: false}\ndocker: {registry.example: {use-sigstore-attachments: true}}',
      );
    }
  });

  it('is read anew for each pull', async () => {
    const open = cli({ 'pull.registries_d': rules('default-docker: {lookaside: "file:///one"}') });
    expect(addressOf(await open(REFERENCE, signal))).toBe('file:///one');
    rules('default-docker: {lookaside: "file:///two"}');
    expect(addressOf(await open(REFERENCE, signal))).toBe('file:///two');
    rules('default-docker: [');
    await expectFailure('REGISTRIES_D_INVALID', () => open(REFERENCE, signal));
  });

  it('is verified over https, with the roots of all hosts and those of its own folder in certs.d', async () => {
    const { authority, server } = makeTestCertificates();
    const store = await SignatureServer.start(server);
    closing.use(store);
    const directory = rules(`default-docker: {lookaside: "${store.origin}"}`);
    const fetch = async (values: SettingValues) => {
      const opened = await cli({ 'pull.registries_d': directory, ...values })(REFERENCE, signal);
      return opened?.fetchSignature(opened.locate(DIGEST, 1), signal);
    };
    await expectFailure('HTTP_UNAVAILABLE', () => fetch({}));
    expect(await fetch({ 'pull.extra_root_certificates': [authority] })).toBeUndefined();
    expect(await fetch({ 'pull.tls_verify': false })).toBeUndefined();
    mkdirSync(scratch.join('certs.d', store.host), { recursive: true });
    writeFileSync(scratch.join('certs.d', store.host, 'ca.crt'), authority);
    expect(await fetch({ 'pull.certs_d': scratch.join('certs.d') })).toBeUndefined();
    mkdirSync(scratch.join('others.d/registry.example'), { recursive: true });
    writeFileSync(scratch.join('others.d/registry.example/ca.crt'), authority);
    await expectFailure('HTTP_UNAVAILABLE', () => fetch({ 'pull.certs_d': scratch.join('others.d') }));
    expect(store.requests).toHaveLength(3);
  });

  it('is not waited for longer than the call has left', async () => {
    const store = await SignatureServer.start();
    closing.use(store);
    store.misbehave = (_, response) => response.writeHead(503, { 'retry-after': '60' }).end();
    const toml = `[image]\nsigstore_config = "default-docker: {sigstore: '${store.origin}'}"\n`;
    const opened = await daemon(toml, performance.now() + 5_000)(REFERENCE, signal);
    const error = await expectFailure('HTTP_UNAVAILABLE', () =>
      opened?.fetchSignature(opened.locate(DIGEST, 1), signal),
    );
    expect(error.message).toContain('the server asks to wait 60 s, and the call has');
    expect(store.requests).toHaveLength(1);
  });

  it('waits for a name server in a guest that has just started', async () => {
    const waited: string[] = [];
    const toml = `[image]\nsigstore_config = "default-docker: {lookaside: 'https://sigs.invalid/s'}"\n`;
    const open = daemonLookaside({
      ...{ ...shared, configuration: resolveSample({ toml }), pool },
      waitForName: async (name) => void waited.push(name),
    });
    const { lookaside: opened } = await open(REFERENCE, signal);
    await expectFailure('HTTP_UNAVAILABLE', () => opened?.fetchSignature(opened.locate(DIGEST, 1), signal));
    expect(waited).toEqual(['sigs.invalid']);
  });
});
