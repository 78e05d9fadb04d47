import { describe, expect, it } from 'vitest';
import { readPayload } from '../../../../src/signature/signed-content/read-payload.ts';
import { expectFailure } from '../../../support/matchers.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const IMAGE = { 'docker-manifest-digest': DIGEST };
const IDENTITY = { 'docker-reference': 'r.io/app:1' };
const CRITICAL = { type: 'atomic container signature', image: IMAGE, identity: IDENTITY };
const GOOD = { critical: CRITICAL, optional: {} };

const read = (payload: unknown) =>
  readPayload(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)), {
    type: 'atomic container signature',
    mayLackOptional: false,
  });
const withOptional = (optional: unknown) => ({ ...GOOD, optional });
const withCritical = (critical: object) => ({ ...GOOD, critical: { ...CRITICAL, ...critical } });

describe('readPayload', () => {
  it.each<[string, unknown]>([
    ['a document without optional members', GOOD],
    ['creator and time', withOptional({ creator: 'skopeo 1.9', timestamp: 1_769_904_000 })],
    ['a time before 1970', withOptional({ timestamp: -1 })],
    ['a time with an exponent', `{"critical":${JSON.stringify(CRITICAL)},"optional":{"timestamp":1e3}}`],
    ['unknown optional members', withOptional({ other: { anything: [1, null] } })],
    ['white space around', `\n${JSON.stringify(GOOD, null, 2)}\n`],
  ])('reads %s', (_, payload) => {
    expect(read(payload)).toEqual({ manifestDigest: DIGEST, reference: 'r.io/app:1' });
  });

  // https://github.com/containers/image/blob/v5.30.2/signature/simple_test.go has the same list.
  it.each<[string, unknown]>([
    ['nothing', ''],
    ['no JSON', '&'],
    ['an array', []],
    ['null', null],
    ['bytes behind the document', `${JSON.stringify(GOOD)} x`],
    ['text that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1')],
    ['an unknown member', { ...GOOD, unexpected: 1 }],
    ['no critical', { optional: {} }],
    ['no optional', { critical: CRITICAL }],
    ['critical twice', `{"critical":${JSON.stringify(CRITICAL)},${JSON.stringify(GOOD).slice(1)}`],
    ['a key in other letters', { Critical: CRITICAL, optional: {} }],
    ['critical that is null', { ...GOOD, critical: null }],
    ['critical that is a text', { ...GOOD, critical: '' }],
    ['optional that is null', withOptional(null)],
    ['optional that is a number', withOptional(1)],
    ['no type', { ...GOOD, critical: { image: IMAGE, identity: IDENTITY } }],
    ['the type of cosign', withCritical({ type: 'cosign container image signature' })],
    ['a type that is a number', withCritical({ type: 1 })],
    ['an unknown member of critical', withCritical({ unexpected: 1 })],
    ['no image', withCritical({ image: undefined })],
    ['an image that is null', withCritical({ image: null })],
    ['no digest', withCritical({ image: {} })],
    ['a digest that is a number', withCritical({ image: { 'docker-manifest-digest': 1 } })],
    ['an unknown member of the image', withCritical({ image: { ...IMAGE, unexpected: 1 } })],
    ['no identity', withCritical({ identity: undefined })],
    ['no reference', withCritical({ identity: {} })],
    ['a reference that is null', withCritical({ identity: { 'docker-reference': null } })],
    ['an unknown member of the identity', withCritical({ identity: { ...IDENTITY, unexpected: 1 } })],
    ['a creator that is a number', withOptional({ creator: 1 })],
    ['a time that is a text', withOptional({ timestamp: '1' })],
    ['a time with a fraction', withOptional({ timestamp: 1.5 })],
    ['a time beyond 64 bits', `{"critical":${JSON.stringify(CRITICAL)},"optional":{"timestamp":9223372036854775808}}`],
    ['deep nesting', '{"critical":'.repeat(100)],
    ['__proto__ as a member', `{"__proto__":{},${JSON.stringify(GOOD).slice(1)}`],
  ])('refuses %s', async (_, payload) => {
    const error = await expectFailure('SIGNATURE_REFUSED', () => read(payload));
    expect(error.context['reason']).toBe('payload');
  });

  it('refuses each member twice', async () => {
    const text = JSON.stringify(withOptional({ creator: 'x', timestamp: 1 }));
    const members = [...text.matchAll(/"([a-z-]+)":/g)];
    expect(members.length).toBe(9);
    for (const { index, 0: member } of members) {
      await expectFailure('SIGNATURE_REFUSED', () => read(`${text.slice(0, index)}${member}0,${text.slice(index)}`));
    }
  });
});
