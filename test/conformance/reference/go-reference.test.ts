import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatReference, parseReference } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { parseAsGo } from '../../support/oracles/reference-oracle.ts';

const { verdicts } = JSON.parse(
  readFileSync(new URL('../../../testdata/references/go-verdicts.json', import.meta.url), 'utf8'),
) as { readonly verdicts: Readonly<Record<string, string | null>> };

const all = Object.entries(verdicts);
const accepted = all.flatMap(([text, expanded]) => (expanded === null ? [] : [{ text, expanded }]));
const refused = all.flatMap(([text, expanded]) => (expanded === null ? [text] : []));

/**
 * Sealift refuses a digest that it cannot check, a name that is too long with its host, and an invalid host. Go takes
 * my_host.io for a part of the path, and the reference then has no host.
 */
const isRefusedByUsAlone = ({ text, expanded }: { readonly text: string; readonly expanded: string }) => {
  const [name = '', digest = ''] = expanded.split('@');
  const isTooLong = name.replace(/:[^:/]*$/, '').length > 255;
  return digest.startsWith('sha384:') || isTooLong || parseAsGo(text).domain === '';
};
const both = accepted.filter((verdict) => !isRefusedByUsAlone(verdict));
const stricter = accepted.filter(isRefusedByUsAlone);

describe('parseReference against Go', () => {
  it('is asked of enough texts of either kind', () => {
    expect(refused.length).toBeGreaterThan(400);
    expect(both.length).toBeGreaterThan(200);
    expect(stricter.length).toBeGreaterThan(2);
  });

  it.each(refused)('refuses %j as Go does', async (text) => {
    await expectFailure('REFERENCE_INVALID', () => parseReference(text));
  });

  it.each(both)('reads $text as Go does', ({ text, expanded }) => {
    expect(formatReference(parseReference(text))).toBe(expanded);
  });

  it.each(stricter)('refuses $text, which Go reads', async ({ text }) => {
    await expectFailure('REFERENCE_INVALID', () => parseReference(text));
  });

  it('goes for the expression that properties are judged by as well', () => {
    for (const text of refused) expect(() => parseAsGo(text), text).toThrow(RangeError);
    for (const { text, expanded } of accepted) {
      const { domain, path, tag, digest } = parseAsGo(text);
      const host = domain === '' ? '' : `${domain}/`;
      const written = `${host}${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
      expect(written).toBe(expanded);
    }
  });
});
