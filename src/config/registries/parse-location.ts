import { isReferenceDomain } from '../../oci/index.ts';
import { registriesInvalid } from './registries-invalid.ts';

/** Parses `host[:port][/path…][:tag][@digest]` and removes slashes at the end. An empty text stays empty. */
export function parseLocation(text: string, key: string, origin: string): string {
  const trimmed = text.replace(/\/+$/, '');
  const refuse = (problem: string): never => {
    throw registriesInvalid(origin, `${key} "${text}": ${problem}`);
  };
  if (trimmed === '') return trimmed;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)) refuse('expected a host and a path, got a URL');
  const [host = ''] = trimmed.split(/[/@]/, 1);
  if (!isReferenceDomain(host)) refuse('expected host[:port] at the beginning');
  return trimmed;
}

/**
 * Parses a location, or `*.` and a domain without port and path, because any other prefix with a star never matches.
 */
export function parsePrefix(text: string, origin: string): string {
  if (!text.startsWith('*.')) return parseLocation(text, 'prefix', origin);
  const prefix = text.replace(/\/+$/, '');
  const domain = prefix.slice(2);
  if (isReferenceDomain(domain) && !/[:[]/.test(domain)) return prefix;
  throw registriesInvalid(origin, `prefix "${text}": expected *. and a domain without port and path`);
}

/** Returns the tag or digest after the last component. */
export function suffixOf(location: string): string {
  const slash = location.lastIndexOf('/');
  if (slash < 0) return /@.*$/.exec(location)?.[0] ?? '';
  return /[:@].*$/.exec(location.slice(slash))?.[0] ?? '';
}
