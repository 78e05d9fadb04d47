import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import type { Plugin } from 'esbuild';

const NAMED_IMPORT = /^import \{([^}]*)\} from '([^']+\/index\.ts)';$/gm;
const NAMED_EXPORT = /^export (type )?\{([^}]*)\} from '([^']+)';$/gm;

/**
 * Replaces an import from the index of a room by imports from the files that define the names. esbuild takes each file
 * that any entry imports through an index as needed by all entries that import the index, so that every worker thread
 * would load the schemas of rooms from which it only uses a function.
 */
const directImports: Plugin = {
  name: 'direct-imports',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      contents: importDirectly(path, readFileSync(path, 'utf8')),
      loader: 'ts',
    }));
  },
};

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
 * of the time that a thread needs before its first request. Importing anything else from undici fails the build.
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
  },
};

/** The plugins with which the sources are bundled. */
export const BUNDLE_PLUGINS: Plugin[] = [directImports, slimUndici];
