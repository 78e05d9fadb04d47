import { SealiftError } from '../errors/index.ts';
import { type DocumentResponse, mediaTypeOf } from '../http/index.ts';
import { refuseWebPage, type SentSecrets } from './error-body.ts';
import { nextPage } from './next-page.ts';
import type { ReferrersPage } from './types.ts';

/** Apart from 404, the status with which registries answer that take the path for another method's. */
const METHOD_NOT_ALLOWED = 405;

/**
 * True for the answer of a registry without lists of referrers. What it has is then found by a tag. Any other refusal, and
 * a web page, may come from something in between, so that it does not say that there is no list.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#unavailable-referrers-api
 */
export function isWithoutReferrers(error: unknown): boolean {
  if (!(error instanceof SealiftError)) return false;
  if (error.code === 'REGISTRY_MANIFEST_UNKNOWN') return true;
  return error.code === 'HTTP_STATUS_UNEXPECTED' && error.context['status'] === METHOD_NOT_ALLOWED;
}

export interface PageQuestion {
  readonly subject: string;
  readonly url: string;
  readonly secrets: SentSecrets;
}

/** Reads one page of a list of referrers. Throws `HTTP_RESPONSE_INVALID`, `HTTP_STATUS_UNEXPECTED` for a web page. */
export function readReferrersPage(response: DocumentResponse, { subject, url, secrets }: PageQuestion): ReferrersPage {
  const { headers, body, decodedBody = body, redirected } = response;
  refuseWebPage(subject, response, secrets);
  const filters = (headers['oci-filters-applied'] ?? []).join(', ');
  if (filters !== '') refuse(subject, `expected the whole list, got one that was filtered by ${filters.slice(0, 64)}`);
  const next = nextPage(url, headers['link'] ?? []);
  // The link may be relative to an address that is not known here, and the credentials belong to the registry.
  if (redirected && next !== undefined) refuse(subject, 'expected no further page behind a redirect to another origin');
  return { rawBytes: decodedBody, contentType: mediaTypeOf(response), next };
}

function refuse(subject: string, why: string): never {
  throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: ${why}`);
}
