import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  IMPURE_EXPRESSIONS,
  OPEN_FILES,
  PACKAGE_OWNERS,
  PURE_BUILTINS,
  PURE_FILES,
  PURE_FOLDERS,
  ROOM_IMPORTS,
  ROOM_TYPE_IMPORTS,
  roomOf,
  SUB_ROOMS,
  SYNCHRONOUS_FOLDERS,
  TABLE_FILES,
} from './import-rules.ts';
import { unusedExports } from './named-imports.ts';
import { type ImportStatement, loadSources, type SourceFile } from './source-files.ts';

const ENTRIES = ['src/bin/sealift.ts', 'src/bin/sealiftd.ts', 'src/compose/worker.ts'];

let sources: SourceFile[];
let byPath: Map<string, SourceFile>;

beforeAll(async () => {
  sources = await loadSources('src');
  byPath = new Map(sources.map((source) => [source.path, source]));
});

function eachImport(check: (source: SourceFile, statement: ImportStatement) => string | undefined): string[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((statement) => {
      const complaint = check(source, statement);
      return complaint === undefined ? [] : [complaint];
    }),
  );
}

/** The shortest way from an entry to `path`, so that a complaint says how the import is reached. */
function chainTo(path: string): string {
  const queue: string[][] = ENTRIES.flatMap((entry) => (byPath.has(entry) ? [[entry]] : []));
  const seen = new Set(queue.flat());
  for (let chain = queue.shift(); chain !== undefined; chain = queue.shift()) {
    const last = chain.at(-1) ?? '';
    if (last === path) return chain.join(' → ');
    for (const { target, typeOnly } of byPath.get(last)?.imports ?? []) {
      if (target === undefined || typeOnly || seen.has(target)) continue;
      seen.add(target);
      queue.push([...chain, target]);
    }
  }
  return path;
}

describe('imports between rooms', () => {
  it('finds the sources', () => {
    expect(sources.length).toBeGreaterThan(10);
    expect(sources.flatMap((source) => source.imports).length).toBeGreaterThan(10);
  });

  it('go only in the drawn directions', () => {
    const complaints = eachImport(({ path }, { target, typeOnly }) => {
      if (target === undefined || !target.startsWith('src/')) return undefined;
      const [from, to] = [roomOf(path), roomOf(target)];
      const allowed = ROOM_IMPORTS[from] ?? [];
      if (from === to || allowed.includes(to)) return undefined;
      if (typeOnly && ROOM_TYPE_IMPORTS[from]?.includes(to)) return undefined;
      return `${from} may not import ${to}: ${chainTo(path)} → ${target}`;
    });
    expect(complaints).toEqual([]);
  });

  it('are drawn without a cycle', () => {
    const order: string[] = [];
    const visit = (room: string, path: readonly string[]): void => {
      expect(path, `cycle in the table: ${[...path, room].join(' → ')}`).not.toContain(room);
      if (order.includes(room)) return;
      for (const next of ROOM_IMPORTS[room] ?? []) visit(next, [...path, room]);
      order.push(room);
    };
    for (const room of Object.keys(ROOM_IMPORTS)) visit(room, []);
  });

  it('name every room in the table', () => {
    const rooms = new Set(sources.map(({ path }) => roomOf(path)));
    expect([...rooms].filter((room) => ROOM_IMPORTS[room] === undefined)).toEqual([]);
    const named = [ROOM_IMPORTS, ROOM_TYPE_IMPORTS].flatMap((table) => Object.entries(table).flat(2));
    expect([...new Set(named)].filter((room) => !rooms.has(room))).toEqual([]);
  });

  it('are permitted only where they occur', () => {
    const used = new Set(eachImport(({ path }, { target }) => target && `${roomOf(path)} → ${roomOf(target)}`));
    const usedAsTypes = new Set(
      eachImport(({ path }, { target, typeOnly }) => {
        return typeOnly && target !== undefined ? `${roomOf(path)} → ${roomOf(target)}` : undefined;
      }),
    );
    const permissions = (table: typeof ROOM_IMPORTS) =>
      Object.entries(table).flatMap(([from, rooms]) => rooms.map((to) => `${from} → ${to}`));
    expect(permissions(ROOM_IMPORTS).filter((permission) => !used.has(permission))).toEqual([]);
    expect(permissions(ROOM_TYPE_IMPORTS).filter((permission) => !usedAsTypes.has(permission))).toEqual([]);
  });

  it('are described by folders and files that exist', () => {
    const paths = [...ENTRIES, ...OPEN_FILES, ...TABLE_FILES];
    expect(paths.filter((path) => !byPath.has(path))).toEqual([]);
    const folders = [...SUB_ROOMS, ...PURE_FOLDERS, ...SYNCHRONOUS_FOLDERS, ...PURE_FILES];
    const isThere = (start: string) => sources.some(({ path }) => path.startsWith(start));
    expect(folders.filter((start) => !isThere(start))).toEqual([]);
  });

  it('need each name that an index exports', async () => {
    const files = [...sources, ...(await loadSources('scripts'))];
    const indexes = sources.filter(({ path }) => path.endsWith('/index.ts'));
    const complaints = indexes.flatMap((index) => unusedExports(index, files).map((name) => `${index.path}: ${name}`));
    expect(complaints).toEqual([]);
  });

  it('reach another folder through its index only', () => {
    const complaints = eachImport(({ path }, { target }) => {
      if (target === undefined || !target.startsWith('src/')) return undefined;
      const folder = posix.dirname(target);
      const isInside = path.startsWith(`${folder}/`);
      const isIndex = target.endsWith('/index.ts');
      if (isInside || isReachable(path, target, isIndex)) return undefined;
      return `${chainTo(path)} → ${target}: import ${folder}/index.ts instead`;
    });
    expect(complaints).toEqual([]);
  });

  it('never leave src', () => {
    const complaints = eachImport(({ path }, { target }) =>
      target === undefined || target.startsWith('src/') ? undefined : `${path} → ${target}`,
    );
    expect(complaints).toEqual([]);
  });

  it('make no cycle of files, types included', () => {
    expect(findCycles()).toEqual([]);
  });
});

/** An index of a room or a named sub-room, or a file that is open to all; plain folders inside one's room are open. */
function isReachable(path: string, target: string, isIndex: boolean): boolean {
  if (OPEN_FILES.includes(target)) return true;
  const folder = posix.dirname(target);
  const sameRoom = roomOf(path) === roomOf(target);
  const isRoom = folder.split('/').length === 2 || SUB_ROOMS.includes(folder);
  if (isIndex) return isRoom || sameRoom;
  return sameRoom && !isRoom && !byPath.has(`${folder}/index.ts`);
}

function findCycles(): string[] {
  const cycles: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, chain: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...chain.slice(chain.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const { target } of byPath.get(path)?.imports ?? []) {
      if (target !== undefined) visit(target, [...chain, path]);
    }
    state.set(path, 'done');
  };
  for (const { path } of sources) visit(path, []);
  return cycles;
}

describe('pure rooms', () => {
  const isPure = (path: string) =>
    PURE_FOLDERS.some((folder) => path.startsWith(`${folder}/`)) || PURE_FILES.some((start) => path.startsWith(start));

  it('import nothing that reaches the outside', () => {
    const complaints = eachImport(({ path }, { specifier, target, typeOnly }) => {
      if (!isPure(path) || typeOnly || target !== undefined) return undefined;
      if (PURE_BUILTINS.includes(specifier) || specifier === 'zod') return undefined;
      return `${chainTo(path)} → ${specifier}`;
    });
    expect(complaints).toEqual([]);
  });

  it('use no clock, no chance, no timers and no process', () => {
    const complaints = sources.flatMap(({ path, code }) =>
      IMPURE_EXPRESSIONS.filter((expression) => isPure(path) && expression.test(code)).map(
        (expression) => `${path}: ${expression.source}`,
      ),
    );
    expect(complaints).toEqual([]);
  });
});

describe('npm packages', () => {
  it('are imported by their owner only', () => {
    const complaints = eachImport(({ path }, { specifier, target, typeOnly }) => {
      if (target !== undefined || typeOnly || isBuiltin(specifier)) return undefined;
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      return PACKAGE_OWNERS[name]?.(path) ? undefined : `${chainTo(path)} → ${name}`;
    });
    expect(complaints).toEqual([]);
  });
});

describe('every source file', () => {
  it('exports by name: no default export, no export *', () => {
    const complaints = sources.filter((source) => source.hasDefaultExport || source.hasStarExport);
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('writes Node builtins with their prefix and relative imports with their ending', () => {
    const complaints = eachImport(({ path }, { specifier, target }) => {
      const isBare = target === undefined && isBuiltin(specifier) && !specifier.startsWith('node:');
      const lacksEnding = target !== undefined && !target.endsWith('.ts');
      // undici is named like a built-in module of Node, and is a package.
      return (isBare && specifier !== 'undici') || lacksEnding ? `${path}: ${specifier}` : undefined;
    });
    expect(complaints).toEqual([]);
  });

  it('refuses with a code: no plain error is thrown', () => {
    const complaints = sources.filter(({ code }) => /\bthrow new (?:Error|TypeError|RangeError)\b/.test(code));
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('is at most 400 lines long unless it is a table', () => {
    const complaints = sources.filter(({ path, text }) => text.split('\n').length > 401 && !TABLE_FILES.includes(path));
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('reads the environment in src/bin only', () => {
    const complaints = sources.filter(
      ({ path, code }) => !path.startsWith('src/bin/') && /\bprocess\.env\b/.test(code),
    );
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('swallows no error: no empty catch', () => {
    const complaints = sources.filter(({ code }) => /catch\s*(?:\([^)]*\))?\s*\{\s*\}/.test(code));
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });
});
