import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

/** Entries are no room, and the leaves are one table or type each, which needs no explanation beside the code. */
const WITHOUT_README = ['bin', 'errors', 'bytes', 'limits'];
/** A program loads one file of the wiring, and an index would bring them all. */
const WITHOUT_INDEX = ['bin', 'compose'];
const MAX_README_LINES = 40;
/** `compose` only wires: what makes it longer is a rule that belongs to another room. */
const MAX_COMPOSE_LINES = 900;

const rooms = readdirSync(join(PROJECT_ROOT, 'src'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && listFiles(`src/${entry.name}`).length > 0)
  .map((entry) => entry.name)
  .sort();

describe('every room', () => {
  it.each(rooms.filter((room) => !WITHOUT_INDEX.includes(room)))('%s has an index', (room) => {
    expect(existsSync(join(PROJECT_ROOT, 'src', room, 'index.ts'))).toBe(true);
  });

  it.each(rooms.filter((room) => !WITHOUT_README.includes(room)))('%s says on one page what it is', (room) => {
    const path = join(PROJECT_ROOT, 'src', room, 'README.md');
    expect(existsSync(path), `${path} is missing`).toBe(true);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(MAX_README_LINES);
    expect(lines[0]).toMatch(/^# /);
  });

  it.each(rooms)('%s names its files in kebab-case', (room) => {
    const odd = listFiles(`src/${room}`).filter((path) => !/^[a-z0-9/-]+\.ts$/.test(path));
    expect(odd).toEqual([]);
  });
});

describe('the wiring of the rooms', () => {
  it(`takes at most ${MAX_COMPOSE_LINES} lines`, () => {
    const lines = listFiles('src/compose').map(
      (path) => readFileSync(join(PROJECT_ROOT, path), 'utf8').split('\n').length - 1,
    );
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(MAX_COMPOSE_LINES);
  });
});
