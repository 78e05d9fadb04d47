import { describe, expect, it } from 'vitest';
import { matchRegistry } from '../../../../src/config/daemon/match-registry.ts';

const SUFFIXES = ['.', '.com', '.example.com', '.some.example.com'];

describe('matchRegistry', () => {
  it.each([
    ['unknown', '.'],
    ['example.org', '.'],
    ['com', '.'],
    ['example.com', '.com'],
    ['example.com.', '.com'],
    ['badexample.com', '.com'],
    ['other.example.com', '.example.com'],
    ['some.example.com', '.example.com'],
    ['other.some.example.com', '.some.example.com'],
    ['OTHER.Some.Example.Com', '.some.example.com'],
  ])('%s is covered by %s', (host, expected) => {
    for (const patterns of [SUFFIXES, SUFFIXES.toReversed()]) expect(matchRegistry(patterns, host)).toBe(expected);
  });

  it('takes a literal over every suffix', () => {
    expect(matchRegistry(['.example.com', 'a.example.com', '.'], 'a.example.com')).toBe('a.example.com');
    expect(matchRegistry(['.com', 'a.com'], 'a.com')).toBe('a.com');
    expect(matchRegistry(['a.com', '.com'], 'a.com')).toBe('a.com');
  });

  it.each([
    [['ghcr.io'], 'ghcr.io.evil.org'],
    [['ghcr.io'], 'xghcr.io'],
    [['ghcr.io'], 'sub.ghcr.io'],
    [['.ghcr.io'], 'ghcr.io'],
    [['.ghcr.io'], 'xghcr.io'],
    [['ghcr.io'], 'ghcr.io:5000'],
    [['.io'], 'ghcr.io:5000'],
    [[], 'ghcr.io'],
  ])('%j leaves %s alone', (patterns, host) => {
    expect(matchRegistry(patterns, host)).toBeUndefined();
  });

  it('takes a port as part of the name', () => {
    expect(matchRegistry(['ghcr.io:5000', '.'], 'ghcr.io:5000')).toBe('ghcr.io:5000');
    expect(matchRegistry(['127.0.0.1:8000'], '127.0.0.1:8000')).toBe('127.0.0.1:8000');
    expect(matchRegistry(['.'], 'ghcr.io:5000')).toBe('.');
  });

  it('knows the two names of Docker Hub', () => {
    expect(matchRegistry(['index.docker.io'], 'docker.io')).toBe('index.docker.io');
    expect(matchRegistry(['docker.io'], 'docker.io')).toBe('docker.io');
    expect(matchRegistry(['.', 'docker.io'], 'docker.io')).toBe('docker.io');
    expect(matchRegistry(['docker.io'], 'quay.io')).toBeUndefined();
  });
});
