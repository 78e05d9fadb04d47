import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import type { BuildOptions, Plugin } from 'esbuild';

const NAMED_IMPORT = /^import \{([^}]*)\} from '([^']+\/index\.ts)';$/gm;
const BUILTIN_IMPORT = /^import (\{[^}]*\}|\w+) from '(node:[^']+)';$/gm;
const NAMED_EXPORT = /^export (type )?\{([^}]*)\} from '([^']+)';$/gm;

/** Rewrites imports of the sources so that a thread loads what it uses, and nothing beside. */
const leanImports: Plugin = {
  name: 'lean-imports',
  setup({ onLoad, initialOptions }) {
    const take = initialOptions.define?.['loadsBuiltinsLater'] === 'true' ? takeBuiltinsLater : takeBuiltins;
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      contents: take(importDirectly(path, readFileSync(path, 'utf8'))),
      loader: 'ts',
    }));
    onLoad({ filter: /\/node_modules\/commander\/.*\.js$/ }, ({ path }) => ({
      contents: take(readFileSync(path, 'utf8')),
      loader: 'js',
    }));
  },
};

/**
 * Functions and classes of Node's modules that a main thread may not need at all, or only when its socket is there. To
 * load `node:crypto` costs a third of a start of Node.
 */
const LATER_BUILTINS: ReadonlyMap<string, readonly string[]> = new Map([
  ['node:child_process', ['spawn', 'spawnSync']],
  [
    'node:crypto',
    [
      ...['createDecipheriv', 'createHash', 'createPrivateKey', 'createPublicKey', 'diffieHellman', 'hash'],
      ...['privateDecrypt', 'randomBytes', 'X509Certificate'],
    ],
  ],
  ['node:ffi', ['dlopen', 'getInt32', 'getRawPointer']],
  ['node:timers/promises', ['setImmediate', 'setTimeout']],
  ['node:tty', ['isatty', 'ReadStream']],
  ['node:v8', ['setFlagsFromString']],
  ['node:worker_threads', ['Worker']],
]);

/** Defines functions that load a module of Node when they are called, for names in the table; takes the others now. */
function takeBuiltinsLater(source: string): string {
  const later = source.replaceAll(BUILTIN_IMPORT, (all, bound: string, module: string) => {
    const known = LATER_BUILTINS.get(module);
    if (known === undefined) return all;
    const isWhole = !bound.startsWith('{');
    const names = isWhole ? listUses(source, bound) : listNames(bound.slice(1, -1));
    const unknown = names.find(({ name }) => !known.includes(name));
    if (unknown !== undefined) throw new Error(`${module}: ${unknown.name} is not in the table of later names`);
    if (isWhole) {
      const members = known.map((name) => `${name}: ${formatLater(module, name, `${bound}.${name}`)}`);
      return `const ${bound} = { ${members.join()} };`;
    }
    return names.map(({ name, alias }) => `let ${alias} = ${formatLater(module, name, alias)};`).join(' ');
  });
  return takeBuiltins(later);
}

/** Returns the functions that are called of a module that is imported as a whole. */
function listUses(source: string, bound: string): ImportedName[] {
  const uses = source.matchAll(new RegExp(`(?<![\\w$.])${bound}\\.(\\w+)\\(`, 'g'));
  return [...new Set(Array.from(uses, ([, name = '']) => name))].map((name) => ({ name, alias: name }));
}

/**
 * Returns a function that loads the module, puts the module's own function into `target`, where it stands itself, and
 * calls that.
 */
function formatLater(module: string, name: string, target: string): string {
  const load = `${target} = globalThis.process.getBuiltinModule('${module}').${name}`;
  return /^[A-Z]/.test(name)
    ? `function (...args) { return new (${load})(...args); }`
    : `(...args) => (${load})(...args)`;
}

/**
 * Replaces imports of Node's modules by reads of the names that they bind. An import reads every name that the module
 * exports, and some of Node's modules load others when a name is read: `node:http` a second undici, `node:crypto` the
 * Web Cryptography API, `node:fs` its promises, which load readline. That was a sixth of the time of a small pull.
 * https://nodejs.org/api/process.html#processgetbuiltinmoduleid
 */
function takeBuiltins(source: string): string {
  return source.replaceAll(BUILTIN_IMPORT, (_, bound: string, module: string) => {
    const pattern = bound.startsWith('{') ? formatPattern(listNames(bound.slice(1, -1))) : bound;
    return `const ${pattern} = globalThis.process.getBuiltinModule('${module}');`;
  });
}

function formatPattern(names: readonly ImportedName[]): string {
  return `{ ${names.map(({ name, alias }) => (name === alias ? name : `${name}: ${alias}`)).join(', ')} }`;
}

/**
 * Replaces an import from the index of a room by imports from the files that define the names. esbuild takes each file
 * that any entry imports through an index as needed by all entries that import the index, so that every worker thread
 * would load the schemas of rooms from which it only uses a function.
 */
function importDirectly(path: string, source: string): string {
  return source.replaceAll(NAMED_IMPORT, (_, names: string, index: string) => {
    const indexPath = resolve(dirname(path), index);
    return listNames(names)
      .map(({ name, alias }) => {
        const found = locateName(indexPath, name);
        const specifier = relative(dirname(path), found.path).replace(/^(?!\.)/, './');
        return `import { ${found.name} as ${alias} } from '${specifier}';`;
      })
      .join(' ');
  });
}

interface ImportedName {
  readonly name: string;
  readonly alias: string;
}

/** Parses the inside of the braces of an import or export, without what is only a type. */
function listNames(names: string): ImportedName[] {
  return names
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('type '))
    .map((each) => {
      const [name = '', alias = name] = each.split(' as ');
      return { name, alias };
    });
}

/** Returns the file that defines what the index exports as `name`, and the name that it has there. */
function locateName(indexPath: string, name: string): { readonly path: string; readonly name: string } {
  for (const [, type, names = '', file = ''] of readFileSync(indexPath, 'utf8').matchAll(NAMED_EXPORT)) {
    const exported = type === undefined ? listNames(names).find(({ alias }) => alias === name) : undefined;
    if (exported === undefined) continue;
    const path = resolve(dirname(indexPath), file);
    return path.endsWith('/index.ts') ? locateName(path, exported.name) : { path, name: exported.name };
  }
  return { path: indexPath, name };
}

/**
 * Replaces undici by its HTTP client. Its index also loads fetch, caches, mocks and web sockets: half of its size, and
 * of the time that a thread needs before its first request. Importing anything else from undici fails the build. The
 * client of HTTP/2, which is never allowed, would load Node's.
 */
const slimUndici: Plugin = {
  name: 'slim-undici',
  setup({ onResolve, onLoad }) {
    const namespace = 'slim-undici';
    onResolve({ filter: /^undici$/ }, ({ path, resolveDir }) => ({ path, namespace, pluginData: resolveDir }));
    onLoad({ filter: /.*/, namespace }, ({ pluginData }) => ({
      contents: `
        export { default as Agent } from 'undici/lib/dispatcher/agent.js';
        export { default as buildConnector } from 'undici/lib/core/connect.js';
      `,
      resolveDir: pluginData,
    }));
    onLoad({ filter: /\/undici\/lib\/dispatcher\/client-h2\.js$/ }, () => ({
      contents: `module.exports = () => { throw new Error('HTTP/2: expected HTTP/1.1, which alone is allowed'); };`,
    }));
  },
};

/**
 * Puts OpenPGP.js beside the bundles as its authors publish it. It is under the LGPL, so it has to be a file of its own
 * that another build of it can replace; and no program loads it before a signature is verified.
 */
const ownOpenPgp: Plugin = {
  name: 'own-openpgp',
  setup({ onResolve, onLoad, resolve: resolvePackage }) {
    onResolve({ filter: /^openpgp$/ }, async ({ resolveDir, pluginData }) => {
      if (pluginData === 'own-openpgp') return undefined;
      const { path } = await resolvePackage('openpgp', {
        resolveDir,
        kind: 'import-statement',
        pluginData: 'own-openpgp',
      });
      return { path: resolve(dirname(path), 'openpgp.min.mjs') };
    });
    onLoad({ filter: /\/openpgp\.min\.mjs$/ }, ({ path }) => ({ contents: readFileSync(path), loader: 'copy' }));
  },
};

/** How the sources are bundled, for the programs and for those of the tests. */
export const BUNDLE_OPTIONS = {
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // A thread loads the chunks that it needs and no others.
  splitting: true,
  minifyWhitespace: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  // Packages in CommonJS call `require` for Node's own modules, which an ES module lacks unless it is created.
  banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
  // Without its second HTTP parser, which is an experiment, undici is a quarter smaller.
  define: { esbuildDetection: 'true', loadsBuiltinsLater: 'false' },
  assetNames: '[name]',
  plugins: [leanImports, slimUndici, ownOpenPgp],
  logLevel: 'warning',
} satisfies BuildOptions;
