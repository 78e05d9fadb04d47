/** The environment of a program that is started from its sources: no home and, as everywhere, Node's compile cache. */
export const SOURCE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  HOME: '/nonexistent',
  ...compileCache(process.env['NODE_COMPILE_CACHE']),
};

function compileCache(folder: string | undefined): Readonly<Record<string, string>> {
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}
