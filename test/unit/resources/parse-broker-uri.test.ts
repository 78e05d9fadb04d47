import { describe, expect, it } from 'vitest';
import { locateResource, nameResource } from '../../../src/resources/index.ts';

describe('the URI of a resource', () => {
  it.each([
    ['kbs:///default/key/1', 'resource', 'default/key/1', undefined, 'kbs:///default/key/1'],
    ['KBS://kbs.example:8080/default/key/1', 'resource', 'default/key/1', undefined, 'kbs:///default/key/1'],
    ['kbs:///a/b/c?v=1&w', 'resource', 'a/b/c', 'v=1&w', 'kbs:///a/b/c?v=1&w'],
    ['kbs+resource:///a/b/c', 'resource', 'a/b/c', undefined, 'kbs:///a/b/c'],
    ['kbs+PKCS11:///slot', 'pkcs11', 'slot', undefined, 'kbs+pkcs11:///slot'],
    ['kbs+x-1.y://h/a/b/c/d/e', 'x-1.y', 'a/b/c/d/e', undefined, 'kbs+x-1.y:///a/b/c/d/e'],
    ['kbs:///a/b/..c%20d~', 'resource', 'a/b/..c%20d~', undefined, 'kbs:///a/b/..c%20d~'],
  ])('%s is asked for by plugin, path and query', (uri, plugin, path, query, canonical) => {
    expect(locateResource(uri)).toEqual({ kind: 'broker', resource: { plugin, path, query, uri: canonical } });
    expect(nameResource(uri)).toBe(canonical);
  });

  it.each([
    'kbs://',
    'kbs:///',
    'kbs:///a',
    'kbs:///a/b',
    'kbs:///a/b/c/d',
    'kbs:///a//c',
    'kbs:///a/b/',
    'kbs:////a/b/c',
    'kbs:///a/../c',
    'kbs:///a/./c',
    'kbs:///a/b/%2e%2e',
    'kbs:///a/b/c%2Fd',
    'kbs:///a/b/c%5cd',
    'kbs:///a/b/c%00',
    'kbs:///a/b/c%0a',
    'kbs:///a/b/c%252e',
    'kbs:///a/b/c%zz',
    'kbs:///a/b/c d',
    'kbs:///a/b/c\\d',
    'kbs:///a/b/c\n',
    'kbs:///a/b/é',
    'kbs:///a/b/c#d',
    'kbs:///a/b/c?d e',
    'kbs:///a/b/c?%',
    'kbs://user@host/a/b/c',
    'kbs+:///a/b/c',
    'kbs+.:///a/b/c',
    'kbs+a_b:///a/b/c',
    'kbs+p:///',
    'kbs+p:///../attest',
    `kbs:///a/b/${'c'.repeat(5_000)}`,
  ])('%j is refused', (uri) => {
    const expected = 'expected kbs:///repository/type/tag or kbs+PLUGIN:///path';
    expect(locateResource(uri)).toEqual({ kind: 'unknown', expected });
  });

  it.each([
    ['sealed.eyJ.eyJ2.c2ln', true],
    ['sealed.fakejwsheader.eyJ2.fakesignature', true],
    ['sealed.a.b', false],
    ['sealed.a.b.c.d', false],
    ['sealed.a..c', false],
    ['sealed.a.b.c/d', false],
  ])('%j is a sealed secret: %s', (uri, isSealed) => {
    expect(locateResource(uri).kind).toBe(isSealed ? 'sealed' : 'unknown');
    if (isSealed) expect(nameResource(uri)).toBe('a sealed secret');
  });
});
