import { describe, expect, it } from 'vitest';
import { decodeYaml, YamlProblem } from '../../../src/config/decode-yaml.ts';

describe('a YAML document', () => {
  it.each([
    ['', null],
    ['# only a comment', null],
    ['---\n', null],
    ['a: 1\nb: [x, true, null]\n', { a: 1, b: ['x', true, null] }],
    ['a: yes', { a: 'yes' }],
    ['a: "x: y"\nb:\n  c: |\n    text\n', { a: 'x: y', b: { c: 'text\n' } }],
    ['{"a": {"b": []}}', { a: { b: [] } }],
    ['"1": x', { '1': 'x' }],
  ])('%j is decoded', async (text, value) => {
    expect(await decodeYaml(text)).toEqual(value);
  });

  it.each([
    ['an alias', 'a: &x 1\nb: *x', /line [12]: a(nchor|lias)e?s are not allowed/],
    ['an anchor', 'a: &x 1', /line 1: anchors are not allowed/],
    ['an anchor of a map', 'a: &x\n  b: 1', /anchors are not allowed/],
    ['a tag', 'a: !!str 1', /line 1: tags are not allowed/],
    ['a tag of its own', 'a: !x 1', /line 1/],
    ['a merge key', 'a: {}\n<<: {b: 1}', /line 1: merge keys are not allowed/],
    ['a duplicate key', 'a: 1\na: 2', /line 2: /],
    ['a key that is no text', '? [a]\n: 1', /line 1/],
    ['two documents', 'a: 1\n---\nb: 1', /expected one document/],
    ['a tab as indentation', 'a:\n\tb: 1', /line 2/],
    ['an open quote', 'a: "x', /line 1/],
    ['an open bracket', 'a: [x', /line \d/],
    ['text behind a value', 'a: "x" y', /line 1/],
    ['a directive of another version', '%YAML 9.9\n---\na: 1', /line 1/],
    ['seventeen levels', '[['.repeat(9), /expected at most 16 levels, got more/],
  ])('with %s is refused', async (_, text, message) => {
    await expect(decodeYaml(text)).rejects.toThrow(message);
    await expect(decodeYaml(text)).rejects.toThrow(YamlProblem);
  });

  it.each([
    ['flow', '[', 500_000],
    ['block', '- ', 500_000],
    ['keys', '? ', 500_000],
  ])('is refused at the limit of levels, however deep it goes: %s', async (_, text, times) => {
    await expect(decodeYaml(text.repeat(times))).rejects.toThrow(YamlProblem);
  });

  it('does not touch prototypes', async () => {
    const value = await decodeYaml('__proto__: {polluted: true}\nconstructor: 1');
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
