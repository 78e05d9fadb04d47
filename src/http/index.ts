export { raceCancellation } from './cancellation.ts';
export { isPrivateHost } from './private-host.ts';
export type {
  AuthChallenge,
  BlobStream,
  ClientCertificate,
  DocumentResponse,
  HostSettings,
  HttpClient,
  HttpRequest,
  ProxySettings,
  ResponseHeaders,
  Transport,
  TransportClock,
  TransportLimits,
  TransportSettings,
} from './types.ts';
