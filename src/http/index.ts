export type { AuthChallenge, DocumentResponse, HttpClient, HttpRequest, TransportSettings } from './types.ts';
