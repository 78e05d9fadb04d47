import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { parseReference } from '../../../src/oci/index.ts';
import { matchScope, parsePolicy } from '../../../src/signature/policy/index.ts';
import { runCommand } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const testdata = (name: string) => readFileSync(new URL(`../../../testdata/policies/${name}`, import.meta.url), 'utf8');

describe('the example of containers-policy.json(5)', () => {
  const policy = parsePolicy(testdata('man-page-example.json'));

  it.each([
    ['docker.io/openshift/hello-openshift:latest', 'scope "docker.io/openshift"'],
    ['openshift/origin', 'scope "docker.io/openshift"'],
    ['busybox', 'scope "docker.io/library/busybox"'],
    ['docker.io/library/busyboxes', 'default'],
    ['a.b.temporary-project.example.com:8443/x/y:z', 'scope "*.temporary-project.example.com"'],
    ['temporary-project.example.com/x:z', 'default'],
    [
      'hostname:5000/myns/sigstore-signed-with-full-references:1',
      'scope "hostname:5000/myns/sigstore-signed-with-full-references"',
    ],
    // The scopes of another transport do not count.
    ['hostname:5000/myns/official:1', 'default'],
    ['quay.io/any/thing:1', 'default'],
  ])('judges %s by %s', (reference, scope) => {
    expect(matchScope(policy, parseReference(reference)).scope).toBe(scope);
  });
});

function sealiftAccepts(text: string): boolean {
  try {
    parsePolicy(text);
    return true;
  } catch (error) {
    expect(error instanceof SealiftError && error.code).toBe('POLICY_INVALID');
    return false;
  }
}

async function skopeoAccepts(text: string): Promise<boolean> {
  using scratch = new Scratch('policy');
  const file = scratch.join('policy.json');
  writeFileSync(file, text);
  const copy = ['copy', `dir:${scratch.join('absent')}`, `dir:${scratch.join('copy')}`];
  const { code, stderr } = await runCommand('skopeo', ['--policy', file, ...copy]);
  expect(code, 'there is no image to copy').not.toBe(0);
  return !stderr.includes('Error loading trust policy');
}

const withDefault = (requirement: string) => `{"default":[${requirement}]}`;
const withScope = (transport: string, scope: string) =>
  JSON.stringify({ default: [{ type: 'reject' }], transports: { [transport]: { [scope]: [{ type: 'reject' }] } } });
const withIdentity = (identity: string) =>
  withDefault(`{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":${identity}}`);

describeWith(['skopeo'], 'skopeo and sealift agree on', () => {
  it.each<[string, boolean, string]>([
    ['the example of the man page', true, testdata('man-page-example.json')],
    ['two defaults', false, testdata('default-twice.json')],
    ['misspelt transports', false, testdata('misspelt-transports.json')],
    ['an empty default', false, '{"default":[]}'],
    ['no default', false, '{"transports":{}}'],
    ['an empty scope list', false, '{"default":[{"type":"reject"}],"transports":{"docker":{"":[]}}}'],
    ['trailing data', false, '{"default":[{"type":"reject"}]} x'],
    ['an unknown type', false, withDefault('{"type":"maybe"}')],
    ['an unknown member', false, withDefault('{"type":"reject","x":1}')],
    ['a member twice', false, withDefault('{"type":"reject","type":"reject"}')],
    ['a short name as scope', true, withScope('docker', 'busybox')],
    ['an unknown transport', true, withScope('tomorrow', '//..')],
    ['a clean path', true, withScope('oci', '/srv/images')],
    ['a relative path', false, withScope('oci', 'srv/images')],
    ['the root folder', false, withScope('dir', '/')],
    ['a path with dots', false, withScope('dir', '/srv/../images')],
    ['a scope for docker-archive', false, withScope('docker-archive', '/srv/a.tar')],
    ['signedBy with a path', true, withDefault('{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}')],
    ['signedBy without key', false, withDefault('{"type":"signedBy","keyType":"GPGKeys"}')],
    [
      'signedBy with two keys',
      false,
      withDefault('{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","keyData":"aw=="}'),
    ],
    [
      'signedBy with base64 in lines',
      true,
      withDefault('{"type":"signedBy","keyType":"GPGKeys","keyData":"a2V5\\na2V5\\r\\n"}'),
    ],
    [
      'signedBy with base64 and a space',
      false,
      withDefault('{"type":"signedBy","keyType":"GPGKeys","keyData":"a2V5 a2V5"}'),
    ],
    ['signedBy with bad base64', false, withDefault('{"type":"signedBy","keyType":"GPGKeys","keyData":"%"}')],
    ['sigstoreSigned with a path', true, withDefault('{"type":"sigstoreSigned","keyPath":"/k"}')],
    ['sigstoreSigned without key', false, withDefault('{"type":"sigstoreSigned"}')],
    ['matchExact', true, withIdentity('{"type":"matchExact"}')],
    ['matchExact with a reference', false, withIdentity('{"type":"matchExact","dockerReference":"a:b"}')],
    ['exactReference', true, withIdentity('{"type":"exactReference","dockerReference":"docker.io/library/a:b"}')],
    [
      'exactReference without tag',
      false,
      withIdentity('{"type":"exactReference","dockerReference":"docker.io/library/a"}'),
    ],
    ['remapIdentity', true, withIdentity('{"type":"remapIdentity","prefix":"h:5000/a","signedPrefix":"b.example"}')],
    [
      'remapIdentity with a tag',
      false,
      withIdentity('{"type":"remapIdentity","prefix":"h:5000/a:t","signedPrefix":"b"}'),
    ],
  ])('%s: valid is %s', async (_, valid, text) => {
    expect({ skopeo: await skopeoAccepts(text), sealift: sealiftAccepts(text) }).toEqual({
      skopeo: valid,
      sealift: valid,
    });
  });
});

describeWith(['skopeo'], 'sealift reads, and skopeo does not,', () => {
  it('a key in ASCII armor that is in the policy as it is', async () => {
    const keyData = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n';
    const text = withDefault(JSON.stringify({ type: 'signedBy', keyType: 'GPGKeys', keyData }));
    expect({ skopeo: await skopeoAccepts(text), sealift: sealiftAccepts(text) }).toEqual({
      skopeo: false,
      sealift: true,
    });
  });
});
