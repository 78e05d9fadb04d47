import { contextTag, type DerValue } from './read-der.ts';

/** A name of one of the kinds that identities have; `other` is any other kind, of which nothing is known. */
export type GeneralName =
  | { readonly kind: 'email' | 'dns' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly address: Uint8Array }
  | { readonly kind: 'other'; readonly tag: number };

const EMAIL = contextTag(1, 'primitive');
const DNS = contextTag(2, 'primitive');
const URI = contextTag(6, 'primitive');
const IP = contextTag(7, 'primitive');

/** otherName, x400Address, directoryName, ediPartyName, registeredID */
const OTHERS: ReadonlySet<number> = new Set([
  ...[0, 3, 4, 5].map((number) => contextTag(number, 'constructed')),
  contextTag(8, 'primitive'),
]);

/** Reads a name. https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6 */
export function readGeneralName(value: DerValue): GeneralName {
  switch (value.tag) {
    case EMAIL:
      return { kind: 'email', text: value.ia5(EMAIL) };
    case DNS:
      return { kind: 'dns', text: value.ia5(DNS) };
    case URI:
      return { kind: 'uri', text: value.ia5(URI) };
    case IP:
      return { kind: 'ip', address: value.octets(IP) };
    default:
      return OTHERS.has(value.tag) ? { kind: 'other', tag: value.tag } : value.refuse('expected a name in DER');
  }
}
