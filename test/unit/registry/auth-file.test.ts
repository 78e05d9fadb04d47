import { describe, expect, it } from 'vitest';
import { parseUserPassword } from '../../../src/registry/auth-file.ts';
import { credentialsFor } from '../../../src/registry/credentials.ts';
import { type Credentials, credentialSourceFor, parseAuthFile } from '../../../src/registry/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const encode = (text: string) => Buffer.from(text).toString('base64');
const file = (auths: unknown) => parseAuthFile(JSON.stringify({ auths }));
const basic = (username: string, password: string): Credentials => ({ kind: 'basic', username, password });
const only = (entry: unknown) => file({ h: entry }).entries.get('h');

describe('parseAuthFile', () => {
  it.each([
    ['auth', { auth: encode('user:pass') }, basic('user', 'pass')],
    ['a password with colons', { auth: encode('user:a:b:') }, basic('user', 'a:b:')],
    ['a line feed at the end', { auth: encode('user:pass\n') }, basic('user', 'pass')],
    ['padding with NUL', { auth: encode('user:pass\0\0') }, basic('user', 'pass')],
    [
      'base64 with line breaks',
      { auth: `${encode('user:pass').slice(0, 4)}\n${encode('user:pass').slice(4)}` },
      basic('user', 'pass'),
    ],
    ['username and password', { username: 'user', password: 'pass' }, basic('user', 'pass')],
    ['auth before username', { auth: encode('a:b'), username: 'c', password: 'd' }, basic('a', 'b')],
    ['non-ASCII', { auth: encode('usér:pässword') }, basic('usér', 'pässword')],
    [
      'identitytoken',
      { auth: encode('<token>:'), identitytoken: 'refresh' },
      { kind: 'identity-token', token: 'refresh' },
    ],
    [
      'registrytoken, before all others',
      { auth: encode('a:b'), identitytoken: 'refresh', registrytoken: 'bear.er' },
      { kind: 'registry-token', token: 'bear.er' },
    ],
    ['user <token>', { auth: encode('<token>:refresh') }, { kind: 'identity-token', token: 'refresh' }],
  ])('reads %s', (_, entry, expected) => expect(only(entry)).toEqual(expected));

  it.each([
    ['an empty entry', {}],
    ['empty fields', { auth: '', username: '', password: '' }],
    ['auth without a colon', { auth: encode('user') }],
    ['other fields', { email: 'a@b' }],
  ])('leaves out %s', (_, entry) => expect(only(entry)).toBeUndefined());

  it('reads a file without auths and with helpers', () => {
    const credHelpers = { 'gcr.io': 'gcloud', 'x.example': '' };
    const { entries, helpers, store } = parseAuthFile(
      JSON.stringify({ credsStore: 'desktop', credHelpers, HttpHeaders: {} }),
    );
    expect([entries.size, [...helpers], store]).toEqual([0, [['gcr.io', 'gcloud']], 'desktop']);
    expect(parseAuthFile('{"credsStore":""}')).toEqual({ entries: new Map(), helpers: new Map(), store: undefined });
  });

  it.each([
    ['../../bin/sh', 'a path'],
    ['a b', 'a space'],
    ['.', 'nothing but a dot'],
    ['a;id', 'a shell’s sign'],
    ['-x', 'a dash in front'],
    ['x'.repeat(65), '65 characters'],
  ])('refuses the helper %j: %s', async (name) => {
    await expectFailure('AUTHFILE_INVALID', () => parseAuthFile(JSON.stringify({ credsStore: name })));
    await expectFailure('AUTHFILE_INVALID', () => parseAuthFile(JSON.stringify({ credHelpers: { h: name } })));
  });

  it.each(['{"credHelpers":[]}', '{"credHelpers":{"h":1}}', '{"credsStore":1}'])('refuses %s', async (text) => {
    await expectFailure('AUTHFILE_INVALID', () => parseAuthFile(text));
  });

  it.each([
    ['nothing', ''],
    ['a list', '[]'],
    ['no JSON', 'user:pass'],
    ['a key twice', '{"auths":{"h":{"auth":"YTpi"},"h":{"auth":"YzpkCg=="}}}'],
    ['a registrytoken that would end its header', '{"auths":{"h":{"registrytoken":"a\\r\\nx: y"}}}'],
    ['a registrytoken with a space', '{"auths":{"h":{"registrytoken":"a b"}}}'],
    ['a registrytoken that is no string', '{"auths":{"h":{"registrytoken":1}}}'],
    ['trailing data', '{"auths":{}} x'],
    ['auths that are a list', '{"auths":[]}'],
    ['an entry that is text', '{"auths":{"h":"YTpi"}}'],
    ['auth that is a number', '{"auths":{"h":{"auth":1}}}'],
    ['auth that is no base64', '{"auths":{"h":{"auth":"user:pass"}}}'],
    ['base64 that is cut off', '{"auths":{"h":{"auth":"YTp"}}}'],
    ['a line feed inside the password', JSON.stringify({ auths: { h: { username: 'u', password: 'a\nb' } } })],
  ])('refuses %s', async (_, text) => {
    await expectFailure('AUTHFILE_INVALID', () => parseAuthFile(text));
  });

  it('names the entry and never quotes a value', async () => {
    const text = JSON.stringify({ auths: { 'registry.example': { auth: 'hunter2!' } } });
    const error = await expectFailure('AUTHFILE_INVALID', () => parseAuthFile(text));
    expect(error.message).toContain('registry.example');
    expect(JSON.stringify([error.message, error.context, String(error.cause)])).not.toContain('hunter2');
    const broken = await expectFailure('AUTHFILE_INVALID', () => parseAuthFile('{"auths":{"h":{"auth":"hunter2"'));
    expect(`${broken.message} ${broken.cause}`).not.toContain('hunter2');
  });
});

describe('parseUserPassword', () => {
  it('splits at the first colon', () => expect(parseUserPassword('user:a:b')).toEqual(basic('user', 'a:b')));
  it.each(['', 'user', ':', ':pass'])('refuses %j', async (text) => {
    const error = await expectFailure('AUTHFILE_INVALID', () => parseUserPassword(text));
    expect(error.message).not.toContain('pass');
  });
});

describe('credentialsFor', () => {
  const keys = (...names: string[]) =>
    file(Object.fromEntries(names.map((name) => [name, { auth: encode(`x:${name}`) }])));
  const chosen = (names: string[], domain: string, path: string) => {
    const found = credentialsFor(keys(...names), { domain, path });
    return found?.kind === 'basic' ? found.password : undefined;
  };

  it('takes the most specific key', () => {
    const names = ['h.example', 'h.example/a', 'h.example/a/b', 'h.example/a/b/c'];
    expect(chosen(names, 'h.example', 'a/b/c')).toBe('h.example/a/b/c');
    expect(chosen(names, 'h.example', 'a/b/x')).toBe('h.example/a/b');
    expect(chosen(names, 'h.example', 'a/x')).toBe('h.example/a');
    expect(chosen(names, 'h.example', 'x')).toBe('h.example');
  });

  it.each([
    ['a key that ends alike', ['ghcr.io'], 'cr.io'],
    ['a key within the host', ['cr.io'], 'ghcr.io'],
    ['a key that begins alike', ['registry.example'], 'registry.example.evil'],
    ['a key with another port', ['registry.example:5000'], 'registry.example'],
    ['a key without the port', ['registry.example'], 'registry.example:5000'],
    ['a key for a sub-domain', ['sub.registry.example'], 'registry.example'],
    ['a key for a parent domain', ['registry.example'], 'sub.registry.example'],
    ['a wildcard', ['*.example'], 'registry.example'],
    ['a key with a host as path', ['evil.example/registry.example'], 'registry.example'],
    ['a URL with the host as path', ['https://evil.example/registry.example'], 'registry.example'],
    ['a URL with the host as user', ['https://registry.example@evil.example/'], 'registry.example'],
  ])('sigstore-js #1718: does not take %s', (_, names, domain) => {
    expect(chosen(names, domain, 'a/b')).toBeUndefined();
    // The same file answers for what it does name.
    expect(chosen([...names, domain], domain, 'a/b')).toBe(domain);
  });

  it.each([
    ['part of a component', 'h.example/ap'],
    ['a longer component', 'h.example/apps'],
    ['a path in other case', 'h.example/APP'],
  ])('does not take a key with %s', (_, key) => expect(chosen([key], 'h.example', 'app/x')).toBeUndefined());

  it('ignores the case of hosts', () =>
    expect(chosen(['Registry.Example'], 'rEGISTRY.example', 'a')).toBe('Registry.Example'));

  it.each([
    'docker.io',
    'index.docker.io',
    'registry-1.docker.io',
    'https://index.docker.io/v1/',
    'http://docker.io/x',
  ])('takes %s for Docker Hub', (key) => expect(chosen([key], 'docker.io', 'library/busybox')).toBe(key));

  it('takes an URL as docker has written them for its host', () => {
    expect(chosen(['https://h.example:5000/v2/'], 'h.example:5000', 'a')).toBe('https://h.example:5000/v2/');
  });

  it('prefers an exact key to a spelling of the same host', () => {
    expect(chosen(['https://index.docker.io/v1/', 'docker.io'], 'docker.io', 'library/a')).toBe('docker.io');
  });
});

describe('credentialSourceFor', () => {
  const NAME = { domain: 'h.example', path: 'a/b' };
  const sourceIn = (document: object, name = NAME) =>
    credentialSourceFor(parseAuthFile(JSON.stringify(document)), name);
  const auths = { 'h.example': { username: 'user', password: 'pass' } };
  const helper = (name: string, server = 'h.example') => ({ kind: 'helper', helper: { name, server } });

  it('is the helper for the host, before an entry, and that before the helper for all', () => {
    const credHelpers = { 'h.example': 'mine' };
    expect(sourceIn({ auths, credHelpers, credsStore: 'all' })).toEqual(helper('mine'));
    expect(sourceIn({ auths, credsStore: 'all' })).toEqual({ kind: 'known', credentials: basic('user', 'pass') });
    expect(sourceIn({ auths: { 'h.example': {} }, credsStore: 'all' })).toEqual(helper('all'));
    expect(sourceIn({ credHelpers: { 'other.example': 'mine' } })).toBeUndefined();
  });

  it.each(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'https://index.docker.io/v1/'])(
    'knows Docker Hub as %s, and asks for it as docker does',
    (key) => {
      const hub = { domain: 'docker.io', path: 'library/a' };
      expect(sourceIn({ credHelpers: { [key]: 'mine' } }, hub)).toEqual(helper('mine', 'https://index.docker.io/v1/'));
      expect(sourceIn({ credHelpers: { [key]: 'mine' } })).toBeUndefined();
    },
  );

  it('takes a helper for its very host and port only', () => {
    const port = { domain: 'H.example:5000', path: 'a' };
    expect(sourceIn({ credHelpers: { 'h.example': 'mine' } }, port)).toBeUndefined();
    expect(sourceIn({ credHelpers: { 'h.example:5000': 'mine' } }, port)).toEqual(helper('mine', 'h.example:5000'));
    expect(sourceIn({ credHelpers: { 'h.example/a': 'mine' } })).toBeUndefined();
  });
});
