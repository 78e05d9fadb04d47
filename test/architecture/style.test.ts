import { beforeAll, describe, expect, it } from 'vitest';
import { beginsWithOf, commentsOf, namesPersons } from './comments.ts';
import { declaredNames, usesRetiredWord, wordsOf } from './names.ts';
import { functionShapes } from './parameters.ts';
import { loadSources, type SourceFile } from './source-files.ts';

const MAX_PARAMETERS = 3;
const MAX_LONG_LISTS = 15;

let sources: SourceFile[];
let all: SourceFile[];

beforeAll(async () => {
  sources = await loadSources('src');
  all = [...sources, ...(await loadSources('test')), ...(await loadSources('scripts'))];
});

describe('names of types, functions and methods', () => {
  it('are found, and taken apart into words', () => {
    // The text must not be found in this file itself.
    const lines = [
      'export function_findPlaces() {}',
      'class_FetchTurn {',
      '  async #tell_(x) {}',
      '  replaceAll<T>(x) {}',
    ];
    const text = lines.join('\n').replace('tell_', 'tell').replaceAll('_', ' ');
    expect(declaredNames(text)).toEqual(['findPlaces', 'FetchTurn', 'tell', 'replaceAll']);
    expect(declaredNames(text).filter(usesRetiredWord)).toEqual(['findPlaces', 'FetchTurn', 'tell']);
    expect(wordsOf('readHTTPReplacement')).toEqual(['read', 'http', 'replacement']);
  });

  it('use no retired word', () => {
    const complaints = all.flatMap(({ path, text }) =>
      declaredNames(text).flatMap((name) => (usesRetiredWord(name) ? [`${path}: ${name}`] : [])),
    );
    expect(complaints).toEqual([]);
  });
});

describe('comments', () => {
  it('are found, and judged sentence by sentence', () => {
    const lines = [
      '_** Of the last one. *_',
      "const a = 'Of'; __ Fine.",
      '  __ Nobody reads it. Of none.',
      '_**',
      ' * Two',
      ' * lines.',
      ' *_',
    ];
    const text = lines.join('\n').replaceAll('_', '/');
    expect(commentsOf(text)).toEqual(['Of the last one.', 'Fine.', 'Nobody reads it. Of none.', 'Two lines.']);
    expect(commentsOf(text).filter(beginsWithOf)).toEqual(['Of the last one.', 'Nobody reads it. Of none.']);
    expect(commentsOf(text).filter(namesPersons)).toEqual(['Nobody reads it. Of none.']);
  });

  it('have no sentence that begins with "Of", and no person for a component', () => {
    const complaints = all.flatMap(({ path, text }) =>
      commentsOf(text).flatMap((comment) =>
        beginsWithOf(comment) || namesPersons(comment) ? [`${path}: ${comment}`] : [],
      ),
    );
    expect(complaints).toEqual([]);
  });
});

describe('texts for users', () => {
  it('have no sentence that begins with "Of"', () => {
    const complaints = sources.flatMap(({ path, code }) =>
      [...code.matchAll(/(['`])(?:[^'`\n]*[.!?]\s)?Of\s[^'`\n]*\1/g)].map(([text]) => `${path}: ${text}`),
    );
    expect(complaints).toEqual([]);
  });
});

describe('functions', () => {
  it('are found with the number of their parameters', () => {
    const code =
      'function one(a) {}\nconst two = async (a, b = [1, 2]) => a;\nclass C {\n  #three({ a, b }, c, d) { if (a, b) {} }\n}';
    expect(functionShapes(code)).toEqual([
      { name: 'one', parameters: 1 },
      { name: 'two', parameters: 2 },
      { name: '#three', parameters: 3 },
    ]);
  });

  it(`have at most ${MAX_PARAMETERS} parameters, with ${MAX_LONG_LISTS} exceptions in all`, () => {
    const long = sources.flatMap(({ path, code }) =>
      functionShapes(code).flatMap(({ name, parameters }) =>
        parameters > MAX_PARAMETERS ? [`${path}: ${name} has ${parameters}`] : [],
      ),
    );
    expect(long.length, long.join('\n')).toBeLessThanOrEqual(MAX_LONG_LISTS);
  });
});

describe('src', () => {
  it('has rooms at its root and no file', () => {
    expect(sources.filter(({ path }) => path.split('/').length < 3).map(({ path }) => path)).toEqual([]);
  });
});
