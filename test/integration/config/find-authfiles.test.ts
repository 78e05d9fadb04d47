import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { findAuthfiles } from '../../../src/config/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const isRoot = process.geteuid?.() === 0;

describe('findAuthfiles', () => {
  const scratch = new Scratch('authfiles');

  afterEach(() => {
    if (isRoot) process.seteuid?.(0);
    chmodSync(scratch.path, 0o700);
  });

  afterAll(() => scratch[Symbol.dispose]());

  it('finds those that are there, in their order', () => {
    mkdirSync(scratch.join('.docker'));
    writeFileSync(scratch.join('.docker/config.json'), '{}');
    expect(findAuthfiles({ HOME: scratch.path }, 4711)).toEqual([scratch.join('.docker/config.json')]);
  });

  it('passes over a home that this user may not enter, and one that is no directory', () => {
    chmodSync(scratch.path, 0o000);
    if (isRoot) process.seteuid?.(65_534);
    expect(findAuthfiles({ HOME: scratch.path, DOCKER_CONFIG: '/dev/null' }, 4711)).toEqual([]);
  });
});
