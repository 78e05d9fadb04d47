import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const RULES = fileURLToPath(new URL('../../../config/udev/60-sealift-image-store.rules', import.meta.url));
/** https://man7.org/linux/man-pages/man7/udev.7.html: a key, an operator, a quoted value. */
const PAIR = /^(?:[A-Z_]+)(?:\{[A-Za-z_/]+\})?(?:==|!=|\+=|:=|=)"[^"]*"$/;

const lines = readFileSync(RULES, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

describe('the udev rules', () => {
  it('are written as udev reads them', () => {
    const pairs = lines.flatMap((line) => line.split(/,\s*/));
    expect(pairs.filter((pair) => !PAIR.test(pair))).toEqual([]);
  });

  it('jump to a label that exists', () => {
    const [target, ...others] = new Set(lines.flatMap((line) => /GOTO="([^"]+)"/.exec(line)?.[1] ?? []));
    expect(others).toEqual([]);
    expect(lines).toContain(`LABEL="${target}"`);
  });

  it('name the nodes that configuration looks for, and only whole disks', () => {
    const naming = lines.filter((line) => line.includes('SYMLINK'));
    expect(naming.length).toBeGreaterThan(0);
    for (const line of naming) expect(line).toContain('=="image_store|trusted_store"');
    expect(lines).toContain('ENV{DEVTYPE}!="disk", GOTO="sealift_end"');
  });
});
