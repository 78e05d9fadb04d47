export { createResourceLoader } from './create-resource-loader.ts';
export { loadIfPresent, loadText, loadTextIfPresent } from './load-text.ts';
export { inlineUri, locateResource } from './locate-resource.ts';
export type { LoadOptions, ResourceLoader } from './types.ts';
