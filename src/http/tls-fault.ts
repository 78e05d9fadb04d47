/** The code that Node or OpenSSL gives an error; empty if it has none. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** The reason in a line of OpenSSL, `ID:error:NUMBER:LIBRARY:FUNCTION:REASON:FILE:LINE:`. */
const OPENSSL_REASON = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/i;

/**
 * Returns the code of an error like {@link errorCode}, except that a fault of TLS that Node met while it wrote, and which
 * has the code `EPROTO` then, has the code that it has when Node reads: `ERR_SSL_` and the reason.
 */
export function faultCode(error: unknown): string {
  const code = errorCode(error);
  if (code !== 'EPROTO' || !(error instanceof Error)) return code;
  const reason = OPENSSL_REASON.exec(error.message)?.[1] ?? 'protocol error';
  return `ERR_SSL_${reason
    .slice(0, MAX_REASON_LENGTH)
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase()}`;
}

interface TlsFault {
  readonly sentence: string;
  readonly hint: string;
}

const ADD_AUTHORITY =
  'if the server is the right one, add the certificate of its authority to the extra root certificates (--cert-dir, certs.d; ' +
  'image.extra_root_certificates of the daemon), or do not verify it (--tls-verify=false; insecure = true in registries.conf)';
const CHECK_DATES = 'renew the certificate of the server, and check the clock of this machine';
const SELF_SIGNED = 'the certificate of the server is self-signed';
const UNKNOWN = 'the certificate of the server is from an authority that is not trusted here';

/**
 * What is wrong with a certificate. The messages of Node and OpenSSL are not shown: they give advice for Node.
 * https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
const CERTIFICATE_FAULTS: ReadonlyMap<string, TlsFault> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', { sentence: SELF_SIGNED, hint: ADD_AUTHORITY }],
  ['SELF_SIGNED_CERT_IN_CHAIN', { sentence: UNKNOWN, hint: ADD_AUTHORITY }],
  ['UNABLE_TO_GET_ISSUER_CERT', { sentence: UNKNOWN, hint: ADD_AUTHORITY }],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', { sentence: UNKNOWN, hint: ADD_AUTHORITY }],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', { sentence: UNKNOWN, hint: ADD_AUTHORITY }],
  ['CERT_HAS_EXPIRED', { sentence: 'the certificate of the server has expired', hint: CHECK_DATES }],
  ['CERT_NOT_YET_VALID', { sentence: 'the certificate of the server is not valid yet', hint: CHECK_DATES }],
]);

const CERTIFICATE_CODE = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT)/;

const WRONG_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';

/** Errors of OpenSSL about bytes that are no TLS at all. */
const NO_TLS_CODES: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_RECORD_LAYER_FAILURE',
]);

const NO_TLS: TlsFault = {
  sentence: 'the server does not speak https on this port',
  hint: 'if the registry serves plain http, allow it (--tls-verify=false; insecure = true in registries.conf); otherwise check the port',
};

/** Alerts of a server that requires a client certificate. In TLS 1.3 it may close before the alert has been read. */
const HANDSHAKE_ALERT = /ALERT_(?:HANDSHAKE_FAILURE|CERTIFICATE_REQUIRED)$/;

const OPENSSL_CODE = /^ERR_SSL_/;
const MAX_NAMES_LENGTH = 120;
const MAX_REASON_LENGTH = 80;

/** Returns a text field of an error, which is attacker-controlled, without control characters and quotes. */
function fieldOf(value: unknown, name: string): string {
  if (typeof value !== 'object' || value === null) return '';
  const field: unknown = new Map<string, unknown>(Object.entries(value)).get(name);
  return typeof field === 'string' ? field.replace(/[^\x20\x21\x23-\x7e]/g, ' ').slice(0, MAX_NAMES_LENGTH) : '';
}

function wrongName(error: object): TlsFault {
  const certificate: unknown = 'cert' in error ? error.cert : undefined;
  const names = fieldOf(certificate, 'subjectaltname');
  return {
    sentence: `the certificate of the server is for other names: ${names === '' ? 'none' : `"${names}"`}`,
    hint:
      'use a name that the certificate is for, have it issued for this one, or do not verify it (--tls-verify=false; ' +
      'insecure = true in registries.conf)',
  };
}

function handshakeFault(error: object, code: string): TlsFault | { readonly sentence: string } {
  const reason = fieldOf(error, 'reason') || code.replace(OPENSSL_CODE, '').replaceAll('_', ' ').toLowerCase();
  const sentence = `the TLS handshake failed: ${reason}`;
  if (!HANDSHAKE_ALERT.test(code)) return { sentence };
  const hint =
    'if the registry requires a client certificate, put NAME.cert and NAME.key into its directory in certs.d';
  return { sentence, hint };
}

/** Explains an error of TLS in our own words; undefined for any other error. */
export function explainTls(error: unknown): { readonly sentence: string; readonly hint?: string } | undefined {
  const code = faultCode(error);
  if (typeof error !== 'object' || error === null || code === '') return undefined;
  if (NO_TLS_CODES.has(code)) return NO_TLS;
  if (OPENSSL_CODE.test(code)) return handshakeFault(error, code);
  if (!CERTIFICATE_CODE.test(code)) return undefined;
  if (code === WRONG_NAME) return wrongName(error);
  const unnamed = { sentence: `the certificate of the server was refused (${code})`, hint: ADD_AUTHORITY };
  return CERTIFICATE_FAULTS.get(code) ?? unnamed;
}

/**
 * Returns the cause to keep with an error that tells a fault: none for a fault of TLS, whose sentence says it all. The
 * messages of Node and OpenSSL give advice for Node and lines of sources.
 */
export function causeToKeep(cause: unknown): unknown {
  return explainTls(cause) === undefined ? cause : undefined;
}

/** True if the certificate of the server cannot be verified. */
export function isUntrusted(error: unknown): boolean {
  return CERTIFICATE_CODE.test(faultCode(error));
}

/** True if another try would fail in the same way: the certificate is refused, or the server does not speak TLS. */
export function isLastingTls(error: unknown): boolean {
  return isUntrusted(error) || NO_TLS_CODES.has(faultCode(error));
}
