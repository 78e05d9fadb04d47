const IMPORT = /import(?:(\{[^}]*\})from)?"\.\/([^"]+)";/y;
const LATER_IMPORT = /\bimport\("\.\/([^"]+)"\)/g;
const EXPORT = /export(?:\{([^}]*)\}| default ([^;]+));$/;
const NOT_ASCII = /[^\0-\x7f]/;
const PARAMETERS = ['__load', '__loadLater', 'require', '__url'] as const;

/** The name that `import.meta.url` has in a chunk. */
export const URL_PARAMETER = '__url';

/**
 * Makes the script of a chunk from the ES module that esbuild wrote without white space: one function with the signature
 * that `src/bin/load-chunks.ts` calls. V8 gives the bytecode of a module only before the module runs; that of a script
 * can be kept. Throws for what a script cannot do as a module does.
 *
 * An export is read once, when the chunk that imports it is loaded. esbuild puts files that import each other into the
 * same chunk, so chunks do not import each other in a circle.
 */
export function formatChunkScript(module: string): string {
  const { imports, rest } = takeImports(module.replace(/^#!.*\n/, '').trimEnd());
  const { exports, body } = takeExports(rest);
  for (const { local } of exports) assertConstant(local, body);
  const names = exports.map(({ name, local }) => `${name}:${local}`).join();
  const script = `(function(${PARAMETERS.join()}){"use strict";${imports}${body}\nreturn{${names}}})\n`;
  if (NOT_ASCII.test(script)) throw new Error('chunk: expected ASCII, which V8 keeps as one byte a character');
  return script;
}

function takeImports(module: string): { readonly imports: string; readonly rest: string } {
  let imports = '';
  let offset = 0;
  for (;;) {
    IMPORT.lastIndex = offset;
    const match = IMPORT.exec(module);
    if (match === null) break;
    const [all, names, chunk] = match;
    imports += `${names === undefined ? '' : `const${names.replaceAll(' as ', ':')}=`}__load("${chunk}");`;
    offset += all.length;
  }
  const rest = module.slice(offset).replaceAll(LATER_IMPORT, '__loadLater("$1")');
  return { imports, rest };
}

interface Export {
  readonly name: string;
  readonly local: string;
}

function takeExports(module: string): { readonly exports: readonly Export[]; readonly body: string } {
  const exports: Export[] = [];
  let body = module;
  for (let match = EXPORT.exec(body); match !== null; match = EXPORT.exec(body)) {
    const [all, names, value = ''] = match;
    if (names === undefined) exports.push({ name: 'default', local: value });
    for (const each of names?.split(',') ?? []) {
      const [local = '', name = local] = each.split(' as ');
      exports.push({ name, local });
    }
    body = body.slice(0, -all.length).trimEnd();
  }
  return { exports, body };
}

/**
 * An importing chunk would not see a later value. Each variable of a chunk has a name of its own, also in functions:
 * esbuild numbers those that would be equal.
 */
function assertConstant(name: string, body: string): void {
  if (!/^[\w$]+$/.test(name)) return;
  const escaped = name.replaceAll('$', '\\$');
  const isLater = [
    // `var a=1,b=2` is a declaration, any other assignment is not.
    `(?<!(?:[\\w$.#]|\\b(?:var|let|const) |,))${escaped}(?:[-+*/%&|^?<>]{0,3}=(?![=>])|\\+\\+|--)`,
    `(?<![\\w$.#]),${escaped}(?:[-+*/%&|^?<>]{1,3}=|\\+\\+|--)`,
    `(?:\\+\\+|--|\\b(?:var|let) )${escaped}(?![\\w$=])`,
  ];
  const found = new RegExp(isLater.join('|')).exec(body);
  if (found !== null)
    throw new Error(`chunk: expected no assignment to the export ${name}, got ${body.substr(found.index, 60)}`);
}
