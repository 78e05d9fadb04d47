import { type DerBound, type Refuse, readDer } from './read-der.ts';
import type { Certificate } from './types.ts';

/** What Fulcio certifies beside the name, from the token that the author showed to it. Undefined: it does not say. */
export interface FulcioClaims {
  readonly oidcIssuer: string;
  readonly buildSignerURI: string | undefined;
  readonly runnerEnvironment: string | undefined;
  readonly sourceRepositoryURI: string | undefined;
  readonly sourceRepositoryRef: string | undefined;
}

// https://github.com/sigstore/fulcio/blob/v1.8.0/docs/oid-info.md
const ROOT = '1.3.6.1.4.1.57264.1';
const OLD_ISSUER = `${ROOT}.1`;
const CLAIMS = {
  oidcIssuer: `${ROOT}.8`,
  buildSignerURI: `${ROOT}.9`,
  runnerEnvironment: `${ROOT}.11`,
  sourceRepositoryURI: `${ROOT}.12`,
  sourceRepositoryRef: `${ROOT}.14`,
} as const;

/**
 * Reads the claims of a certificate by Fulcio. The issuer comes as bare text, as a UTF8String, or both, which then have to
 * agree. Calls `refuse` for a certificate without one.
 */
export function readClaims({ extensions }: Certificate, bound: DerBound, refuse: Refuse): FulcioClaims {
  const read = (id: string): string | undefined => {
    const extension = extensions.get(id);
    return extension && readDer(extension.value, bound, (what) => refuse(`extension ${id}: ${what}`)).utf8();
  };
  const issuer = read(CLAIMS.oidcIssuer);
  const rawOld = extensions.get(OLD_ISSUER)?.value;
  const old = rawOld === undefined ? undefined : decodeText(rawOld, refuse);
  if (issuer !== undefined && old !== undefined && issuer !== old) {
    refuse(`it names two OIDC issuers, "${old}" and "${issuer}"`);
  }
  return {
    oidcIssuer: issuer ?? old ?? refuse('it names no OIDC issuer, so it is not by Fulcio'),
    buildSignerURI: read(CLAIMS.buildSignerURI),
    runnerEnvironment: read(CLAIMS.runnerEnvironment),
    sourceRepositoryURI: read(CLAIMS.sourceRepositoryURI),
    sourceRepositoryRef: read(CLAIMS.sourceRepositoryRef),
  };
}

function decodeText(bytes: Uint8Array, refuse: Refuse): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(`extension ${OLD_ISSUER}: expected a text in UTF-8`);
  }
}
