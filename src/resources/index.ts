export { countingLoader } from './count-loads.ts';
export { createResourceLoader, loadOptions, waitingLoader } from './create-resource-loader.ts';
export { loadIfPresent, loadText, loadTextIfPresent } from './load-text.ts';
export { inlineUri, locateResource, nameResource } from './locate-resource.ts';
export type {
  BrokerCall,
  BrokerResource,
  LoadOptions,
  ResourceBroker,
  ResourceLoad,
  ResourceLoader,
  ResourceSource,
} from './types.ts';
