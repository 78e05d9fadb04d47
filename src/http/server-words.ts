import { redact, removeSecrets, SealiftError } from '../errors/index.ts';
import { decodeBody } from './decode-body.ts';
import type { HttpRequest, ResponseHead, ResponseHeaders } from './types.ts';

const MAX_TEXTS = 3;
const MAX_TEXT_LENGTH = 200;
const MAX_DECODED_BYTES = 65_536;

/** The start of an HTML document, also of one without a Content-Type. */
const HTML_START = /^\s*(?:<!doctype html|<html|<head|<title)/i;

/** Control characters and characters that were no UTF-8 show that a body is not text. */
const BINARY = /[\u0000-\u0008\u000e-\u001a\ufffd]/;

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'" };

const LOOKS_LIKE_WEB_SERVER =
  'this looks like a web server and not like a registry, because the answer is a web page: check the host and the port';

/** A response of which only the start of the body was kept. */
export interface ExcerptedResponse {
  readonly headers: ResponseHeaders;
  readonly excerpt: Uint8Array;
}

/** Returns the media type of the Content-Type header without parameters, in lower case; empty if there was none. */
export function mediaTypeOf({ headers }: Pick<ResponseHead, 'headers'>): string {
  const [value = ''] = headers['content-type'] ?? [];
  return (value.split(';', 1)[0] ?? '').trim().toLowerCase();
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** Returns `CODE: text` of an object that describes an error, or of a text. */
function textsOfError(rawError: unknown): string[] {
  if (isText(rawError)) return [rawError];
  if (typeof rawError !== 'object' || rawError === null || Array.isArray(rawError)) return [];
  const fields = new Map<string, unknown>(Object.entries(rawError));
  const texts = [fields.get('code'), fields.get('message')].filter(isText);
  return texts.length === 0 ? [] : [texts.join(': ')];
}

/**
 * Returns the texts of the known documents for errors: that of the distribution protocol, `details` of Docker Hub,
 * `error` of OAuth 2.0 and of many services, and `message` alone.
 */
function textsOfJson(text: string): string[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof document !== 'object' || document === null) return [];
  const fields = new Map<string, unknown>(Object.entries(document));
  const listed = fields.get('errors');
  if (Array.isArray(listed) && listed.length > 0) return listed.slice(0, MAX_TEXTS).flatMap(textsOfError);
  const error = textsOfError(fields.get('error'));
  const others = ['error_description', 'details', 'detail', 'message'].map((name) => fields.get(name)).filter(isText);
  return [...error, ...others, ...textsOfError(listed)].slice(0, MAX_TEXTS);
}

function decodeEntities(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|#39);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}

function elementOf(text: string, name: string): string {
  return decodeEntities(new RegExp(`<${name}>([^<]{1,2000})`, 'i').exec(text)?.[1] ?? '').trim();
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, which other storage services follow. */
function textsOfXml(text: string): string[] {
  const fields = [elementOf(text, 'Code'), elementOf(text, 'Message')].filter(isText);
  return fields.length === 0 ? [] : [fields.join(': ')];
}

function titleOf(text: string): string {
  return decodeEntities(/<title[^<>]{0,200}>([^<]{1,2000})/i.exec(text)?.[1] ?? '').trim();
}

function textsOfHtml(text: string): string[] {
  const title = titleOf(text);
  return [isText(title) ? `text/html: ${title}` : 'text/html'];
}

/** Returns the body as text; undefined if it is none. */
function decodeText({ headers, excerpt }: ExcerptedResponse): string | undefined {
  const bytes = decodeBody({ headers }, excerpt, MAX_DECODED_BYTES) ?? excerpt;
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  return BINARY.test(text.slice(0, MAX_TEXT_LENGTH)) ? undefined : text;
}

function textsOf(response: ExcerptedResponse): string[] {
  const text = decodeText(response);
  if (text === undefined) return [];
  if (/^\s*[[{]/.test(text)) return textsOfJson(text);
  if (isHtml(response)) return textsOfHtml(text);
  if (/^\s*<(?:\?xml|Error)/.test(text)) return textsOfXml(text);
  const [line = ''] = text.trimStart().split(/[\r\n]/, 1);
  return line === '' ? [] : [line];
}

/** True if the body is an HTML page, such as that of a log-in or of a proxy. */
function isHtml(response: ExcerptedResponse): boolean {
  const start = Buffer.from(response.excerpt.subarray(0, MAX_TEXT_LENGTH)).toString('latin1');
  return HTML_START.test(start) || (mediaTypeOf(response) === 'text/html' && /^\s*</.test(start));
}

/**
 * Formats what the server itself said for the end of a message: ` (CODE: text)`, ` (text/html: title)`, or nothing. The
 * text is attacker-controlled: it is cut and made printable, and the secrets are removed from it.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
export function formatServerWords(response: ExcerptedResponse, secrets: readonly string[]): string {
  const texts = textsOf(response)
    .map((text) => clean(text, secrets))
    .filter((text) => text !== '');
  return texts.length === 0 ? '' : ` (${texts.join('; ')})`;
}

function clean(text: string, secrets: readonly string[]): string {
  // Before the cut, after which the beginning of a secret would not be recognised.
  const words = redact(removeSecrets(text, secrets)).replace(/\s+/g, ' ').trim();
  return words.length > MAX_TEXT_LENGTH ? `${words.slice(0, MAX_TEXT_LENGTH).toWellFormed()}…` : words;
}

/** Names a response that is a web page, with its title; undefined for any other. The secrets are removed. */
export function describePage(response: ExcerptedResponse, secrets: readonly string[]): string | undefined {
  if (!isHtml(response)) return undefined;
  const title = clean(titleOf(decodeText(response) ?? ''), secrets);
  return title === '' ? 'text/html' : `text/html with the title "${title}"`;
}

/** Returns the hint of a response that says that something is missing, if it is a web page; else nothing. */
export function hintForMissing(response: ExcerptedResponse): { readonly hint?: string } {
  return isHtml(response) ? { hint: LOOKS_LIKE_WEB_SERVER } : {};
}

/** Throws `HTTP_STATUS_UNEXPECTED` if a successful response is a web page where `subject` was asked for. */
export function refuseHtml(subject: string, response: ExcerptedResponse, secrets: readonly string[]): void {
  const shown = describePage(response, secrets);
  if (shown === undefined) return;
  throw new SealiftError('HTTP_STATUS_UNEXPECTED', `${subject}: got ${shown}`, {
    context: { contentType: 'text/html' },
    hint: 'a web page was served instead of the image: check the host and port, and whether a proxy or a log-in page answers',
  });
}

/** Query parameters of signed addresses. */
const SECRET_PARAMETER = /sig|token|secret|key|credential|policy|password/i;
/** Shorter values, such as `host` of `X-Amz-SignedHeaders`, are no signatures. */
const MIN_SECRET_PARAMETER = 8;

/** Returns the secrets in an Authorization header, also decoded. */
export function secretsOfAuthorization(authorization: string): string[] {
  const value = authorization.replace(/^\S+ /, '');
  if (!/^basic /i.test(authorization)) return [authorization, value];
  const pair = Buffer.from(value, 'base64').toString('utf8');
  return [authorization, value, pair, pair.slice(pair.indexOf(':') + 1)];
}

/** Returns the secrets that a request carried to the server, which its response may quote. */
export function secretsOfRequest({ url, headers, body = '' }: HttpRequest): string[] {
  const { authorization } = headers;
  const form = new URLSearchParams(body).get('refresh_token') ?? '';
  const query = [...(URL.parse(url)?.searchParams ?? [])].filter(
    ([name, value]) => SECRET_PARAMETER.test(name) && value.length >= MIN_SECRET_PARAMETER,
  );
  const sent = [...(authorization === undefined ? [] : secretsOfAuthorization(authorization)), form];
  return [...sent, ...query.map(([, value]) => value)].flatMap((secret) => [
    secret,
    encodeURIComponent(secret.toWellFormed()),
  ]);
}
