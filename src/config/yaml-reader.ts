// A module of its own: where esbuild splits bundles, `import('yaml')` would give the package's only export of CommonJS,
// without the names in it.
export { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
