import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FOREIGN_TABLES } from '../../../src/config/daemon/schema.ts';
import { parseSecureMount } from '../../../src/volume/index.ts';
import { CellBed, type CellServers, type CellTexts, IMAGES, type Observation } from '../../support/beds/cell-bed.ts';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { resolveSample } from '../../support/daemons/daemon-texts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { makeTestCertificates } from '../../support/registries/test-certificates.ts';

const [PINNED, TAG] = IMAGES;
const CREDENTIALS = 'CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS';

/** One key of confidential-data-hub that concerns the connection to registries, and the proof that it takes effect. */
interface Row {
  readonly key: string;
  readonly proof: string;
  readonly prove: (bed: CellBed) => Promise<void>;
}

/** Keys that control something else, or nothing. */
const NOT_OF_TRANSPORT = ['image.default_snapshot', 'image.image_security_policy_uri', 'image.image_security_policy'];
/** Keys that `test/integration/compose/configuration-cells.test.ts` proves; the last one is a table. */
const SIGNATURES = ['image.sigstore_config_uri', 'image.sigstore_config', 'image.image_pull_proxy'];

const pulledFrom = (...asked: readonly string[]) => ({ result: 'pulled', asked }) as const;
const insecure = (host: string) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`;
/** The registry by an address that a proxy is used for, where its certificate is not valid. */
const distantSecure = ({ secure }: CellServers) => secure.replace('127.0.0.1', '0.0.0.0');
const auths = (host: string, servers: CellServers) =>
  servers.write('auth.json', JSON.stringify({ auths: { [host]: { username: 'me', password: 'secret' } } }));
const AS_ME = [`guarded: Basic ${Buffer.from('me:secret').toString('base64')}`];

/** Pulls an image that is pinned by digest and returns what the pull shows. */
async function pinned(bed: CellBed, name: string, texts: CellTexts): Promise<Observation> {
  return bed.pull(name, PINNED, texts);
}

/** Writes a file with resources of `offline_fs_kbc`, and returns the tables that make it the key broker. */
function offlineBroker({ write }: CellServers, resources: Readonly<Record<string, string>>): string {
  const encoded = Object.entries(resources).map(([name, text]) => [name, Buffer.from(text).toString('base64')]);
  const path = write('resources.json', JSON.stringify(Object.fromEntries(encoded)));
  return `[kbc]\nname = "offline_fs_kbc"\n[keybroker]\noffline_files = ["${path}"]\n`;
}

/**
 * Expects that a reference to the key broker, where there is none, keeps every pull from being served, and that the refusal
 * names the key.
 */
async function expectObstacle(bed: CellBed, texts: CellTexts, key: string, code = 'CONFIG_UNSUPPORTED'): Promise<void> {
  for (const kind of IMAGES) {
    expect(await bed.pull(`${bed.servers.own}/app`, kind, texts)).toMatchObject({ result: code, asked: [] });
  }
  const { pullObstacles } = resolveSample(texts);
  expect(pullObstacles).toMatchObject([{ code, key, hint: expect.any(String) }]);
}

/** Expects that the host may choose how to connect for an image that a digest proves, and for nothing else. */
async function expectForPinnedOnly(bed: CellBed, name: string, texts: CellTexts, way: readonly string[]) {
  expect(await bed.pull(name, PINNED, texts)).toMatchObject(pulledFrom(...way));
  expect(await bed.pull(name, TAG, texts)).toMatchObject({ result: 'CONFIG_CLASS_REFUSED' });
}

const ROWS: readonly Row[] = [
  {
    key: 'image.image_pull_proxy.https_proxy',
    proof: 'https goes through it in a tunnel',
    prove: async (bed) => {
      const host = distantSecure(bed.servers);
      const toml = `[image.image_pull_proxy]\nhttps_proxy = "${bed.servers.proxy}"\n`;
      const texts = { conf: insecure(host), toml };
      expect(await bed.pull(`${host}/app`, TAG, texts)).toMatchObject(pulledFrom('own', 'proxy'));
      // The second pull uses the tunnel that is already open.
      expect(await pinned(bed, `${host}/app`, texts)).toMatchObject(pulledFrom('own'));
      expect(await pinned(bed, `${host}/app`, { conf: insecure(host) })).toMatchObject(pulledFrom('own'));
    },
  },
  {
    key: 'image.image_pull_proxy.http_proxy',
    proof: 'plain http goes through it',
    prove: async (bed) => {
      const { distant, proxy } = bed.servers;
      const texts = { conf: insecure(distant), toml: `[image.image_pull_proxy]\nhttp_proxy = "${proxy}"\n` };
      for (const kind of IMAGES) {
        expect(await bed.pull(`${distant}/app`, kind, texts)).toMatchObject(pulledFrom('own', 'proxy'));
      }
    },
  },
  {
    key: 'image.image_pull_proxy.no_proxy',
    proof: 'what it names is reached directly',
    prove: async (bed) => {
      const { distant, proxy } = bed.servers;
      const without = (noProxy: string): CellTexts => ({
        conf: insecure(distant),
        toml: `[image.image_pull_proxy]\nhttps_proxy = "${proxy}"\nhttp_proxy = "${proxy}"\nno_proxy = "${noProxy}"\n`,
      });
      expect(await pinned(bed, `${distant}/app`, without('x.io, 0.0.0.0/8'))).toMatchObject(pulledFrom('own'));
      expect(await pinned(bed, `${distant}/app`, without('x.io'))).toMatchObject(pulledFrom('own', 'proxy'));
    },
  },
  {
    key: 'image.extra_root_certificates',
    proof: 'who is signed by one of them is trusted, also where an entry has several',
    prove: async (bed) => {
      const { secure, authority } = bed.servers;
      const trusting = (pem: string) => ({ toml: `[image]\nextra_root_certificates = ["""${pem}"""]\n` });
      expect(await pinned(bed, `${secure}/app`, {})).toMatchObject({ result: 'HTTP_UNAVAILABLE', asked: [] });
      const several = `${makeTestCertificates().authority}${authority}`;
      for (const pem of [authority, several]) {
        for (const kind of IMAGES) {
          expect(await bed.pull(`${secure}/app`, kind, trusting(pem))).toMatchObject(pulledFrom('own'));
        }
      }
    },
  },
  {
    key: 'image.registry_config',
    proof: 'its mirror is asked first',
    prove: async (bed) => {
      const { own, mirror } = bed.servers;
      const toml = `[[image.registry_config.registry]]
location = "${own}"
insecure = true
[[image.registry_config.registry.mirror]]
location = "${mirror}"
insecure = true
`;
      for (const kind of IMAGES)
        expect(await bed.pull(`${own}/app`, kind, { toml })).toMatchObject(pulledFrom('mirror'));
      const blocked = { toml: `[[image.registry_config.registry]]\nlocation = "${own}"\nblocked = true\n` };
      expect(await pinned(bed, `${own}/app`, blocked)).toMatchObject({ result: 'REGISTRY_BLOCKED', asked: [] });
    },
  },
  {
    key: 'image.registry_configuration_uri',
    proof: 'the mirror of its file, or of its document of the key broker, is asked first',
    prove: async (bed) => {
      const { own, mirror, write } = bed.servers;
      const text = `${insecure(own)}[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true\n`;
      const path = write('r.toml', text);
      const broker = offlineBroker(bed.servers, { 'default/r/1': text });
      for (const uri of [path, `file://${path}`, 'kbs:///default/r/1']) {
        const toml = `[image]\nregistry_configuration_uri = "${uri}"\n${broker}`;
        expect(await bed.pull(`${own}/app`, TAG, { toml })).toMatchObject(pulledFrom('mirror'));
      }
      const key = 'image.registry_configuration_uri';
      await expectObstacle(bed, { toml: '[image]\nregistry_configuration_uri = "kbs:///default/r/1"\n' }, key);
    },
  },
  {
    key: 'image.authenticated_registry_credentials_uri',
    proof: 'its credentials, also those of the key broker, are sent to the registry that they are for',
    prove: async (bed) => {
      const { guarded, servers } = { ...bed.servers, servers: bed.servers };
      const asking = (uri: string) => ({
        conf: insecure(guarded),
        toml: `[image]\nauthenticated_registry_credentials_uri = "${uri}"\n`,
      });
      const path = auths(guarded, servers);
      const broker = offlineBroker(servers, { 'default/c/1': readFileSync(path, 'utf8') });
      const fromBroker = asking('kbs:///default/c/1');
      const seenFromBroker = await bed.pull(`${guarded}/app`, TAG, { ...fromBroker, toml: fromBroker.toml + broker });
      expect(seenFromBroker).toMatchObject({ ...pulledFrom('guarded'), authorizations: AS_ME });
      for (const uri of [path, `file://${path}`]) {
        const seen = await bed.pull(`${guarded}/app`, TAG, asking(uri));
        expect(seen).toMatchObject({ ...pulledFrom('guarded'), authorizations: AS_ME });
      }
      expect(await pinned(bed, `${guarded}/app`, asking(auths('other.io', servers)))).toMatchObject({
        result: 'REGISTRY_AUTH_REJECTED',
        authorizations: [],
      });
      const key = 'image.authenticated_registry_credentials_uri';
      await expectObstacle(
        bed,
        { toml: `[image]\nauthenticated_registry_credentials_uri = "kbs:///default/c/1"\n` },
        key,
      );
    },
  },
  {
    key: 'image.anonymous_fallback_on_unauthorized',
    proof: 'a registry that refuses the credentials is asked without them, and only then',
    prove: async (bed) => {
      // Its token service has no accounts: it gives tokens only to requests without credentials.
      await using daemon = await DaemonBed.open(
        {},
        new PullBed(await startFakeRegistry({ auth: { kind: 'bearer', account: '' } })),
      );
      const { registry } = daemon.bed;
      const image = daemon.bed.serveImage([[file('a', 'a')]]);
      const path = auths(registry.host, bed.servers);
      const say = (more: string) =>
        daemon.configure({
          toml: `[pull]\ntls_verify = false\n[image]\nauthenticated_registry_credentials_uri = "${path}"\n${more}`,
        });
      say('');
      await expectFailure('REGISTRY_AUTH_REJECTED', () => daemon.pull(daemon.bed.reference(image.digest)));
      say('anonymous_fallback_on_unauthorized = false\n');
      await expectFailure('REGISTRY_AUTH_REJECTED', () => daemon.pull(daemon.bed.reference(image.digest)));
      say('anonymous_fallback_on_unauthorized = true\n');
      expect(await daemon.pull(daemon.bed.reference(image.digest))).toBe(image.digest);
      const sent = registry.requestsTo(/^\/token/).map(({ headers: { authorization } }) => authorization !== undefined);
      expect(sent.slice(-2)).toEqual([true, false]);
      // Where the registry accepts the credentials, no request is sent without them.
      const { guarded } = bed.servers;
      const toml = `[image]\nauthenticated_registry_credentials_uri = "${auths(guarded, bed.servers)}"\nanonymous_fallback_on_unauthorized = true\n`;
      const seen = await pinned(bed, `${guarded}/app`, { conf: insecure(guarded), toml });
      expect(seen).toMatchObject({ ...pulledFrom('guarded'), authorizations: AS_ME });
    },
  },
  {
    key: 'image.max_concurrent_layer_downloads_per_image',
    proof: '1 is one request for a layer at a time',
    prove: async () => {
      const toml = '[pull]\ntls_verify = false\n[image]\nmax_concurrent_layer_downloads_per_image = 1\n';
      await using daemon = await DaemonBed.open({ toml });
      const { bed } = daemon;
      const image = bed.serveImage(['a', 'b', 'c'].map((name) => [file(name, name)]));
      const action = { kind: 'trickle', chunkBytes: 20, everyMs: 20 } as const;
      bed.registry.inject({ match: new RegExp(image.layers.join('|')), times: image.layers.length, action });
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, bed.registry.requests.length - bed.registry.finishedResponses);
      }, 2);
      try {
        expect(await daemon.pull(bed.reference(image.digest))).toBe(image.digest);
      } finally {
        clearInterval(watch);
      }
      expect(most).toBe(1);
    },
  },
  {
    key: 'image.work_dir',
    proof: 'the agent may have the store mounted there and nowhere else',
    prove: async () => {
      const { volume, store } = resolveSample({ toml: '[image]\nwork_dir = "/run/hub/images/"\n' });
      expect([volume.mountPoint.value, store.data.value]).toEqual(['/run/hub/images', '/run/hub/images']);
      const options = { deviceId: '8:0', sourceType: 'empty', targetType: 'fileSystem' };
      const more = { filesystemType: 'ext4', encryptionType: 'luks2', mkfsOpts: '-E lazy_journal_init' };
      const request = {
        volumeType: 'block-device',
        options: new Map(Object.entries({ ...options, ...more })),
        flags: [],
      };
      const bounds = { imageStore: volume.mountPoint.value, mountRoots: volume.mountRoots.value };
      const mount = (mountPoint: string) => parseSecureMount({ ...request, mountPoint }, bounds);
      const accepted = { purpose: 'imageStore', request: { mountPoint: '/run/hub/images' } };
      expect(mount('/run/hub/images/')).toMatchObject(accepted);
      await expectFailure('VOLUME_REQUEST_UNSUPPORTED', () => mount('/run/kata-containers/image'));
    },
  },
  {
    key: 'agent.https_proxy',
    proof: 'https goes through it, for images that are pinned',
    prove: async (bed) => {
      const host = distantSecure(bed.servers);
      // Other settings than those of `image_pull_proxy` above, whose tunnel may still be open.
      const kernel = `ro agent.https_proxy=${bed.servers.proxy} agent.no_proxy=unrelated.example`;
      const texts = { conf: insecure(host), kernel };
      await expectForPinnedOnly(bed, `${host}/app`, texts, ['own', 'proxy']);
    },
  },
  {
    key: 'agent.http_proxy',
    proof: 'plain http goes through it, for images that are pinned',
    prove: async (bed) => {
      const { distant, proxy } = bed.servers;
      const texts = { conf: insecure(distant), kernel: `agent.http_proxy=${proxy}` };
      await expectForPinnedOnly(bed, `${distant}/app`, texts, ['own', 'proxy']);
    },
  },
  {
    key: 'agent.no_proxy',
    proof: 'what it names is reached directly, for images that are pinned',
    prove: async (bed) => {
      const { distant, otherProxy } = bed.servers;
      const kernel = `agent.http_proxy=${otherProxy} agent.https_proxy=${otherProxy} agent.no_proxy=x.io,0.0.0.0`;
      await expectForPinnedOnly(bed, `${distant}/app`, { conf: insecure(distant), kernel }, ['own']);
    },
  },
  {
    key: 'agent.image_registry_auth',
    proof: 'keeps pulls from being served: the host may not pick what is sent',
    prove: async (bed) => {
      const path = auths(bed.servers.guarded, bed.servers);
      for (const uri of [`file://${path}`, 'kbs:///default/c/1']) {
        const texts = { kernel: `agent.image_registry_auth=${uri}` };
        await expectObstacle(bed, texts, 'agent.image_registry_auth', 'CONFIG_CLASS_REFUSED');
      }
    },
  },
  {
    key: 'agent.image_policy_file',
    proof: 'keeps pulls from being served, where signatures are to be verified: the host may not pick the policy',
    prove: async (bed) => {
      const { own, write } = bed.servers;
      const path = write('policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}');
      const policy = `agent.image_policy_file=file://${path}`;
      const texts = { pull: '', kernel: `${policy} agent.enable_signature_verification=true` };
      await expectObstacle(bed, texts, 'agent.image_policy_file', 'CONFIG_CLASS_REFUSED');
      // As in confidential-data-hub, the key has no effect where signatures are not verified; and a tag needs a source
      // that vouches for it.
      const alone = { pull: '', conf: insecure(own), kernel: policy };
      expect(await bed.pull(`${own}/app`, PINNED, alone)).toMatchObject(pulledFrom('own'));
      expect(await bed.pull(`${own}/app`, TAG, alone)).toMatchObject({ result: 'POLICY_TAG_UNPINNED' });
    },
  },
  {
    key: 'agent.enable_signature_verification',
    proof: 'says nothing by itself: policy is measured configuration’s',
    prove: async (bed) => {
      const { own } = bed.servers;
      for (const word of ['true', 'false']) {
        const texts = { pull: '', conf: insecure(own), kernel: `agent.enable_signature_verification=${word}` };
        expect(await bed.pull(`${own}/app`, PINNED, texts)).toMatchObject(pulledFrom('own'));
      }
    },
  },
  {
    key: CREDENTIALS,
    proof: 'its credentials are sent whatever the file says; for those of the key broker there must be one',
    prove: async (bed) => {
      const { guarded, servers } = { ...bed.servers, servers: bed.servers };
      const toml = `[image]\nauthenticated_registry_credentials_uri = "${auths('other.io', servers)}"\n`;
      const texts = { conf: insecure(guarded), toml, environment: { [CREDENTIALS]: auths(guarded, servers) } };
      expect(await bed.pull(`${guarded}/app`, TAG, texts)).toMatchObject({
        ...pulledFrom('guarded'),
        authorizations: AS_ME,
      });
      await expectObstacle(bed, { environment: { [CREDENTIALS]: 'kbs:///default/c/1' } }, CREDENTIALS);
    },
  },
];

describeWith(
  ['root', 'openssl'],
  'keys of confidential-data-hub that have to do with the way to the registries',
  () => {
    let bed: CellBed;

    beforeAll(async () => {
      bed = await CellBed.open();
    });

    afterAll(() => bed[Symbol.asyncDispose]());

    it.each(ROWS)('$key: $proof', ({ prove }) => prove(bed));

    it('are all in this table, and each has a row in docs/daemon-configuration.md', () => {
      const known = ['image', 'image.image_pull_proxy'].flatMap((table) =>
        (FOREIGN_TABLES.get(table) ?? []).map((key) => `${table}.${key}`),
      );
      const rows = ROWS.map(({ key }) => key);
      const outside = [...NOT_OF_TRANSPORT, ...SIGNATURES];
      expect(known.filter((key) => !rows.includes(key) && !outside.includes(key))).toEqual([]);
      const document = readFileSync(new URL('../../../docs/daemon-configuration.md', import.meta.url), 'utf8');
      const documented = document.split('\n').filter((line) => line.startsWith('| `'));
      for (const key of [...rows, ...NOT_OF_TRANSPORT, 'image.sigstore_config']) {
        expect(
          documented.some((line) => line.includes(`\`${key}\``)),
          key,
        ).toBe(true);
      }
    });

    it('are looked at by their own names: any other is a warning', () => {
      const toml = '[image]\nmax_concurrent_downloads = 3\n[image.image_pull_proxy]\nall_proxy = "x"\n';
      expect(resolveSample({ toml }).warnings).toEqual([
        'file /c.toml: image.max_concurrent_downloads: unknown setting, ignored',
        'file /c.toml: image.image_pull_proxy.all_proxy: unknown setting, ignored',
      ]);
    });
  },
);
