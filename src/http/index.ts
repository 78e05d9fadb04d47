export { assertInside } from './byte-range.ts';
export { createProxyChoice } from './choose-proxy.ts';
export { unreadableExceptions } from './no-proxy.ts';
export { WIRE_BOUND_SHARE } from './pace.ts';
export { parseProxy } from './parse-proxy.ts';
export { isPrivateHost } from './private-host.ts';
export {
  createRangeBudget,
  createRangeBudgetMemory,
  freeRangeBudget,
  type RangeBudget,
  SLICE_BYTES,
} from './range-budget.ts';
export { SlicePool, slicesFor } from './range-segment.ts';
export { hintAfterRedirect } from './refusal.ts';
export { encodingOf, formatEncoding } from './response-head.ts';
export {
  describePage,
  formatServerWords,
  hintForMissing,
  mediaTypeOf,
  refuseHtml,
  secretsOfAuthorization,
} from './server-words.ts';
export type {
  AuthChallenge,
  BlobDelivery,
  BlobSource,
  ClientCertificate,
  DocumentResponse,
  HttpClient,
  HttpRequest,
  Transport,
  TransportSettings,
} from './types.ts';
