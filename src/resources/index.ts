export { createResourceLoader } from './create-resource-loader.ts';
export { loadText, loadTextIfPresent } from './load-text.ts';
export { inlineUri, locateResource } from './locate-resource.ts';
export type { LoadOptions, ResourceLoader } from './types.ts';
