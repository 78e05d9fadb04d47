import { writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyBrokerSettings } from '../../../src/config/index.ts';
import { type ErrorCode, SealiftError, toPlainError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import {
  countingLoader,
  loadText,
  type ResourceLoad,
  type ResourceLoader,
  waitingLoader,
} from '../../../src/resources/index.ts';
import { createKeyLoader } from '../../../src/signature/index.ts';
import { fail, STATUS } from '../../../src/ttrpc/index.ts';
import { AttestationAgent, makeAgentKeys } from '../../support/keybroker/attestation-agent.ts';
import { BrokerBed, CONTENT, REQUEST, RESOURCE } from '../../support/keybroker/broker-bed.ts';
import { refuse } from '../../support/keybroker/kbs-server.ts';
import { hang } from '../../support/keybroker/resource-hub.ts';
import { flipBit, sealAnswer } from '../../support/keybroker/seal-answer.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const KEYS = 'a second resource';
const BRIEF = { keyBrokerTimeoutMs: 200 };

describeWith(['openssl'], 'documents of the key broker', () => {
  let certificates: TestCertificates;
  let bed: BrokerBed;

  beforeAll(() => {
    certificates = makeTestCertificates();
  });

  beforeEach(async () => {
    bed = await BrokerBed.open(certificates);
  });

  afterEach(() => bed[Symbol.asyncDispose]());

  const load = (loader: ResourceLoader, uri = RESOURCE, request: object = {}) =>
    loadText(loader, uri, { ...REQUEST, ...request });
  const refused = (code: ErrorCode, loader: ResourceLoader, uri = RESOURCE): Promise<SealiftError> =>
    expectFailure(code, () => load(loader, uri));

  /** How often the source has been asked for a resource. */
  const SOURCES: readonly (readonly [string, () => KeyBrokerSettings, () => number, (content: string) => void])[] = [
    [
      'confidential-data-hub',
      () => bed.hubSettings,
      () => bed.hub.asked.length,
      (content) => bed.hub.resources.set(RESOURCE, Buffer.from(content)),
    ],
    [
      'the key broker itself',
      () => bed.kbsSettings,
      () => bed.kbs.requests.length,
      (content) => bed.kbs.resources.set('resource/default/policy/1', Buffer.from(content)),
    ],
  ];

  describe.each(SOURCES)('of %s', (_, settings, asked, put) => {
    it('are fetched once for all that ask at the same time', async () => {
      const loader = bed.loader(settings());
      const texts = await Promise.all(Array.from({ length: 50 }, () => load(loader)));
      expect(new Set(texts)).toEqual(new Set([CONTENT]));
      expect(asked()).toBe(1);
    });

    it('are kept for five minutes and not a moment longer, also when there is no other answer', async () => {
      const loader = bed.loader(settings());
      await load(loader);
      put('rotated');
      bed.nowMs = 299_999;
      expect([await load(loader), asked()]).toEqual([CONTENT, 1]);
      bed.nowMs = 300_000;
      expect([await load(loader), asked()]).toEqual(['rotated', 2]);
      bed.nowMs = 600_000;
      bed.hub.misbehave = async () => fail(STATUS.INTERNAL, 'down');
      bed.kbs.misbehave = (_request, response) => refuse(response, 503, 'down');
      await refused('KEYBROKER_UNAVAILABLE', loader);
      bed.hub.misbehave = undefined;
      bed.kbs.misbehave = undefined;
      expect(await load(loader)).toBe('rotated');
      const brief = bed.loader(settings(), { keyBrokerTtlMs: 10 });
      await load(brief);
      const before = asked();
      bed.nowMs += 10;
      await load(brief);
      expect(asked()).toBe(before + 1);
    });

    it('are not kept by their caller’s copy, nor across a reload of the configuration', async () => {
      let current = settings();
      const loader = bed.loader(() => current);
      (await loader.load(RESOURCE, REQUEST)).fill(0);
      expect([await load(loader), asked()]).toEqual([CONTENT, 1]);
      put('rotated');
      current = settings();
      expect([await load(loader), asked()]).toEqual(['rotated', 2]);
    });

    it('are refused when they are larger than a resource may be, or than the document', async () => {
      put('x'.repeat(2_000));
      const tooLarge = await refused('KEYBROKER_ANSWER_INVALID', bed.loader(settings(), { maxResourceBytes: 1_999 }));
      expect(tooLarge.context).toMatchObject({ limit: 'maxResourceBytes', expected: 1_999, actual: 2_000 });
      const loader = bed.loader(settings(), { maxResourceBytes: 2_000 });
      const document = await expectFailure('POLICY_INVALID', () => load(loader, RESOURCE, { maxBytes: 1_999 }));
      expect(document.context).toMatchObject({ limit: 'maxConfigurationBytes', actual: 2_000 });
      expect(await load(loader)).toHaveLength(2_000);
    });

    it('are waited for so long and no longer, and asked for again', async () => {
      const loader = bed.loader(settings(), BRIEF);
      bed.hub.misbehave = hang;
      bed.kbs.misbehave = () => undefined;
      const { context } = await refused('KEYBROKER_UNAVAILABLE', loader);
      expect(context).toMatchObject({ limit: 'keyBrokerTimeoutMs' });
      bed.hub.misbehave = undefined;
      bed.kbs.misbehave = undefined;
      expect(await load(bed.loader(settings()))).toBe(CONTENT);
    });

    it('are not waited for by a pull that was cancelled, while others go on', async () => {
      const loader = bed.loader(settings());
      const gate = Promise.withResolvers<void>();
      bed.hub.misbehave = async () => {
        await gate.promise;
        return fail(STATUS.NOT_FOUND, 'late');
      };
      bed.kbs.misbehave = (_request, response) => void gate.promise.then(() => refuse(response, 404, 'late'));
      const controller = new AbortController();
      const cancelled = load(loader, RESOURCE, { signal: controller.signal });
      const patient = load(loader);
      await expect.poll(asked).toBe(1);
      controller.abort();
      await expectFailure('PULL_CANCELLED', () => cancelled);
      gate.resolve();
      await expectFailure('KEYBROKER_RESOURCE_UNKNOWN', () => patient);
      expect(asked()).toBe(1);
    });
  });

  it('may be the keys and authorities of a policy, with the bounds that hold for those', async () => {
    const resources = bed.loader(bed.hubSettings);
    bed.hub.resources.set('kbs:///default/key/1', Buffer.from(KEYS));
    const source = { kind: 'paths', values: [RESOURCE, 'kbs://kbs.example/default/key/1'] } as const;
    const loaded = await createKeyLoader({ resources, limits: DEFAULT_LIMITS }).load(source);
    expect(loaded.map((bytes) => Buffer.from(bytes).toString())).toEqual([CONTENT, KEYS]);
    const tight = createKeyLoader({ resources, limits: { ...DEFAULT_LIMITS, maxKeyRingBytes: 10 } });
    const { context } = await expectFailure('POLICY_INVALID', () => tight.load(source));
    expect(context).toMatchObject({ limit: 'maxKeyRingBytes', expected: 10 });
  });

  describe('of confidential-data-hub', () => {
    it.each([
      [STATUS.PERMISSION_DENIED, 'KEYBROKER_DENIED'],
      [STATUS.UNAUTHENTICATED, 'KEYBROKER_DENIED'],
      [STATUS.NOT_FOUND, 'KEYBROKER_RESOURCE_UNKNOWN'],
      [STATUS.INTERNAL, 'KEYBROKER_UNAVAILABLE'],
    ] as const)('with status %i are refused with %s', async (status, code) => {
      bed.hub.misbehave = async () => fail(status, '[CDH] [ERROR]: Get Resource failed');
      const { message } = await refused(code, bed.loader(bed.hubSettings));
      const words = `status ${status}: [CDH] [ERROR]: Get Resource failed`;
      expect(message).toBe(`load policy: confidential-data-hub: ${RESOURCE}: ${words}`);
    });

    it('are unavailable while nothing listens, and asked for with the next pull', async () => {
      const settings = { kind: 'hub', socketPath: bed.scratch.join('absent.sock') } as const;
      const { context } = await refused('KEYBROKER_UNAVAILABLE', bed.loader(settings));
      expect(context).toMatchObject({ errno: 'ENOENT' });
    });

    it('are refused when the answer is malformed', async () => {
      bed.hub.misbehave = async () => ({ ...fail(STATUS.OK, ''), payload: Buffer.from([0x0a, 0x7f]) });
      await refused('KEYBROKER_ANSWER_INVALID', bed.loader(bed.hubSettings));
    });

    it('may be sealed secrets, which are opened there', async () => {
      const secret = 'sealed.aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl';
      bed.hub.secrets.set(secret, Buffer.from('unsealed'));
      const loader = bed.loader(bed.hubSettings);
      expect(await Promise.all([load(loader, secret), load(loader, secret)])).toEqual(['unsealed', 'unsealed']);
      expect(bed.hub.asked).toEqual([secret]);
      const { message } = await refused('CONFIG_UNSUPPORTED', bed.loader(bed.kbsSettings), secret);
      expect(message).not.toContain('cGF5bG9hZA');
      bed.hub.misbehave = async () => fail(STATUS.INTERNAL, `cannot open ${secret}`);
      const failed = await refused('KEYBROKER_UNAVAILABLE', bed.loader(bed.hubSettings), secret);
      expect(JSON.stringify(toPlainError(failed))).not.toContain('cGF5bG9hZA');
    });
  });

  describe('of the key broker itself', () => {
    const kbs = (limits = {}) => bed.loader(bed.kbsSettings, limits);

    it('are asked for by plugin, path and query, with a token for the key broker', async () => {
      bed.kbs.resources.set('pkcs11/slot/key?v=1', Buffer.from(KEYS));
      expect(await load(kbs(), 'kbs+pkcs11://ignored/slot/key?v=1')).toBe(KEYS);
      expect(bed.kbs.requests).toEqual([
        { path: '/kbs/v0/pkcs11/slot/key?v=1', authorization: `Bearer ${bed.agent.tokens[0]}` },
      ]);
      expect(bed.agent.asked).toEqual(['kbs']);
    });

    it('share one token, which is fetched once', async () => {
      bed.kbs.resources.set('resource/default/key/1', Buffer.from(KEYS));
      const loader = kbs();
      await Promise.all([load(loader), load(loader, 'kbs:///default/key/1')]);
      bed.nowMs = 400_000;
      await load(loader);
      expect([bed.agent.tokens.length, bed.kbs.requests.length]).toEqual([1, 3]);
    });

    it('are fetched with another token when the one that is there is not taken any more', async () => {
      bed.kbs.resources.set('resource/default/key/1', Buffer.from(KEYS));
      const loader = kbs();
      await load(loader);
      const keys = makeAgentKeys('P-521');
      bed.agent.keys = keys;
      bed.kbs.publicKey = keys.publicKey;
      bed.kbs.accepts = (token) => token !== bed.agent.tokens[0];
      bed.nowMs = 400_000;
      expect(await Promise.all([load(loader), load(loader, 'kbs:///default/key/1')])).toEqual([CONTENT, KEYS]);
      expect(bed.agent.tokens).toHaveLength(2);
    });

    it('are denied when a new token is not taken either', async () => {
      bed.kbs.accepts = () => false;
      const error = await refused('KEYBROKER_DENIED', kbs());
      expect(error.kind).toBe('denied');
      expect([bed.agent.tokens.length, bed.kbs.requests.length]).toEqual([2, 2]);
      // The server repeats the token in its answer.
      expect(JSON.stringify(toPlainError(error))).not.toMatch(/token-number/);
      expect(error.message).toContain('token REDACTED is not valid');
    });

    it.each([
      [403, 'KEYBROKER_DENIED', 1],
      [404, 'KEYBROKER_RESOURCE_UNKNOWN', 1],
      [400, 'KEYBROKER_UNAVAILABLE', 1],
      [500, 'KEYBROKER_UNAVAILABLE', 5],
      [503, 'KEYBROKER_UNAVAILABLE', 5],
    ] as const)('with status %i are refused with %s', async (status, code, tries) => {
      bed.kbs.misbehave = (_, response) => refuse(response, status, 'this is why');
      const loader = kbs();
      const { message } = await refused(code, loader);
      expect(message).toContain('this is why');
      expect(bed.kbs.requests).toHaveLength(tries);
      bed.kbs.misbehave = undefined;
      expect(await load(loader)).toBe(CONTENT);
    });

    it('are asked for when the name of the key broker can be looked up', async () => {
      const stop = new SealiftError('PULL_CANCELLED', 'the test has seen enough');
      const names: string[] = [];
      const loader = waitingLoader(
        bed.loader({ ...bed.kbsSettings, url: 'https://kbs.example:8080' }),
        async (name) => {
          names.push(name);
          throw stop;
        },
      );
      await refused('PULL_CANCELLED', loader);
      expect(names).toEqual(['kbs.example']);
    });

    it('are unavailable when the server asks for a longer wait than there is', async () => {
      bed.kbs.misbehave = (_, response) => response.writeHead(503, { 'retry-after': '51' }).end();
      await refused('KEYBROKER_UNAVAILABLE', kbs());
      expect(bed.kbs.requests).toHaveLength(1);
    });

    it('are unavailable when nothing listens', async () => {
      const settings = bed.kbsSettings;
      await bed.kbs[Symbol.asyncDispose]();
      const { hint } = await refused('KEYBROKER_UNAVAILABLE', bed.loader(settings));
      expect(hint).toContain('kbc.kbs_cert');
    });

    it.each([
      ['no certificate of the configuration', () => []],
      ['another certificate', ({ selfSigned }: TestCertificates) => [selfSigned.cert]],
    ])('are unavailable from a server with %s, which receives no token', async (_, pems) => {
      await refused('KEYBROKER_UNAVAILABLE', bed.loader({ ...bed.kbsSettings, certificates: pems(certificates) }));
      expect(bed.kbs.requests).toEqual([]);
    });

    it('are never taken from another host', async () => {
      await using other = await BrokerBed.open(certificates);
      bed.kbs.misbehave = (request, response) => {
        response.writeHead(302, { location: `${other.kbs.url}${request.url}` }).end();
      };
      await refused('KEYBROKER_UNAVAILABLE', kbs());
      expect(other.kbs.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    });

    it('are refused when they are for another key, or altered', async () => {
      const answers = [
        sealAnswer(Buffer.from(CONTENT), makeAgentKeys().publicKey),
        ...['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'].map((member) =>
          flipBit(sealAnswer(Buffer.from(CONTENT), bed.kbs.publicKey), member),
        ),
      ];
      const loader = kbs();
      for (const answer of answers) {
        bed.kbs.misbehave = (_, response) => response.end(JSON.stringify(answer));
        await refused('KEYBROKER_ANSWER_INVALID', loader);
      }
      bed.kbs.misbehave = undefined;
      expect(await load(loader)).toBe(CONTENT);
    });

    it.each(['', 'no json', '[]', '{}'])('are refused as %j', async (body) => {
      bed.kbs.misbehave = (_, response) => response.end(body);
      await refused('KEYBROKER_ANSWER_INVALID', kbs());
    });

    it('are refused without a token, which is asked for again', async () => {
      const loader = kbs();
      bed.agent.misbehave = async () => fail(STATUS.INTERNAL, 'attestation failed');
      const { message } = await refused('KEYBROKER_UNAVAILABLE', loader);
      expect(message).toContain('attestation agent: token for the key broker: status 13: attestation failed');
      bed.agent.misbehave = async () => AttestationAgent.rawReply('{"token":"a.b.c"}');
      await refused('KEYBROKER_ANSWER_INVALID', loader);
      bed.agent.misbehave = hang;
      await refused('KEYBROKER_UNAVAILABLE', kbs(BRIEF));
      bed.agent.misbehave = undefined;
      expect([await load(loader), bed.kbs.requests.length]).toEqual([CONTENT, 1]);
    });

    it('are unavailable without an attestation agent', async () => {
      const settings = { ...bed.kbsSettings, agentSocketPath: bed.scratch.join('absent.sock') };
      await refused('KEYBROKER_UNAVAILABLE', bed.loader(settings));
    });
  });

  describe('in files', () => {
    const write = (name: string, content: string | object): string => {
      const path = bed.scratch.join(name);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      return path;
    };
    const encoded = (text: string) => Buffer.from(text).toString('base64');
    const inFiles = (...paths: readonly string[]) => bed.loader({ kind: 'files', paths });

    it('are those of the last file that has them, and are read at each load', async () => {
      const first = write('1.json', { 'default/policy/1': encoded('first'), 'default/key/1': encoded('key') });
      const last = write('2.json', { 'default/policy/1': encoded('last') });
      const loader = inFiles(first, bed.scratch.join('absent.json'), last);
      expect([await load(loader), await load(loader, 'kbs:///default/key/1')]).toEqual(['last', 'key']);
      write('2.json', { 'default/policy/1': encoded('changed') });
      expect(await load(loader)).toBe('changed');
      write('2.json', {});
      expect(await load(loader)).toBe('first');
    });

    it('are missing in files that do not have them, or do not exist, and for a plugin', async () => {
      const path = write('1.json', { 'default/key/1': encoded('key'), toString: encoded('x') });
      for (const uri of [RESOURCE, 'kbs:///a/b/toString', 'kbs+p:///default/key/1']) {
        await refused('KEYBROKER_RESOURCE_UNKNOWN', inFiles(path, bed.scratch.join('absent.json')), uri);
      }
      await refused('KEYBROKER_RESOURCE_UNKNOWN', inFiles());
    });

    it.each([
      ['no JSON', 'x'],
      ['no object', '[]'],
      ['a value of another type', '{"default/policy/1":1}'],
      ['a value that is not in base64', '{"default/policy/1":"YQ"}'],
      ['such a value of another resource', '{"default/policy/1":"YQ==","a/b/c":"?"}'],
      ['a resource twice', '{"default/policy/1":"YQ==","default/policy/1":"Yg=="}'],
    ])('are refused with %s', async (_, text) => {
      const { message, cause } = await refused('KEYBROKER_ANSWER_INVALID', inFiles(write('1.json', text)));
      expect(message).toContain(bed.scratch.join('1.json'));
      expect(cause).toBeUndefined();
    });

    it('are refused when the file is too large, or no regular file', async () => {
      const path = write('1.json', { 'default/policy/1': encoded('x') });
      const loader = bed.loader({ kind: 'files', paths: [path] }, { maxOfflineResourcesBytes: 10 });
      const { context } = await refused('KEYBROKER_ANSWER_INVALID', loader);
      expect(context).toMatchObject({ limit: 'maxOfflineResourcesBytes', expected: 10 });
      await refused('KEYBROKER_ANSWER_INVALID', inFiles(bed.scratch.path));
    });
  });

  it('are counted by the source that has them, and how their fetch ended', async () => {
    const paths = [bed.scratch.join('1.json')];
    writeFileSync(paths[0] ?? '', JSON.stringify({ 'default/policy/1': Buffer.from(CONTENT).toString('base64') }));
    const loads: ResourceLoad[] = [];
    const none = { kind: 'none', code: 'CONFIG_CLASS_REFUSED', reason: 'why', hint: 'do' } as const;
    for (const settings of [bed.hubSettings, bed.kbsSettings, { kind: 'files', paths } as const]) {
      const counted = countingLoader(bed.loader(settings), (each) => loads.push(each));
      await load(counted);
      await expect(load(counted, 'kbs:///default/none/1')).rejects.toThrow(SealiftError);
    }
    for (const settings of [none, undefined]) {
      const counted = countingLoader(bed.loader(settings), (each) => loads.push(each));
      await expectFailure(settings?.code ?? 'CONFIG_UNSUPPORTED', () => load(counted));
    }
    expect(loads).toEqual([
      { source: 'hub', result: 'ok' },
      // A confidential-data-hub has one status for all that goes wrong.
      { source: 'hub', result: 'KEYBROKER_UNAVAILABLE' },
      { source: 'kbs', result: 'ok' },
      { source: 'kbs', result: 'KEYBROKER_RESOURCE_UNKNOWN' },
      { source: 'offline', result: 'ok' },
      { source: 'offline', result: 'KEYBROKER_RESOURCE_UNKNOWN' },
      { source: 'none', result: 'CONFIG_CLASS_REFUSED' },
      { source: 'none', result: 'CONFIG_UNSUPPORTED' },
    ]);
  });

  describe('without a key broker that may be asked', () => {
    it.each(['CONFIG_UNSUPPORTED', 'CONFIG_CLASS_REFUSED'] as const)('are refused with %s', async (code) => {
      const loader = bed.loader({ kind: 'none', code, reason: 'this is why', hint: 'do this' });
      for (const uri of [RESOURCE, 'sealed.a.b.c']) {
        const { message, hint } = await refused(code, loader, uri);
        expect([message.endsWith('this is why'), hint]).toEqual([true, 'do this']);
      }
    });

    it('are refused by a program that has none', async () => {
      const { message } = await refused('CONFIG_UNSUPPORTED', bed.loader(undefined));
      expect(message).toBe(`load policy: ${RESOURCE}: only the daemon can ask a key broker`);
    });
  });
});

describe('a key broker', () => {
  it('is not opened for other documents', async () => {
    const { createResourceLoader, inlineUri } = await import('../../../src/resources/index.ts');
    let opened = 0;
    const loader = createResourceLoader(async () => {
      opened += 1;
      throw new Error('not needed');
    });
    await loadText(loader, inlineUri('text'), REQUEST);
    await expectFailure('POLICY_INVALID', () => loader.load('/nonexistent', REQUEST));
    expect(opened).toBe(0);
    await expect(loader.load(RESOURCE, REQUEST)).rejects.toThrow('not needed');
    expect(opened).toBe(1);
  });
});
