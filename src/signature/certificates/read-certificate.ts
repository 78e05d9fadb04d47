import { isSame } from '../signed-content/index.ts';
import { openPublicKey } from './open-public-key.ts';
import { contextTag, type DerBound, type DerValue, type Refuse, readDer, TAG } from './read-der.ts';
import { readExtensions, readUses } from './read-extensions.ts';
import type { Certificate, Extension } from './types.ts';

const VERSION = contextTag(0, 'constructed');
const EXTENSIONS = contextTag(3, 'constructed');
const VERSION_3 = 2;

/**
 * Reads a certificate of X.509 version 3: one value in DER with nothing behind it, a key of a kind that is strong enough,
 * and extensions of which each is there once. Node's reader ignores bytes behind the certificate, and gives the
 * alternative names as one text in which two cannot be told from one with a comma (CVE-2021-44531 to 44533). Calls
 * `refuse` for anything else.
 * https://www.rfc-editor.org/rfc/rfc5280#section-4.1
 */
export function readCertificate(raw: Uint8Array, bound: DerBound, refuse: Refuse): Certificate {
  const certificate = readDer(raw, bound, refuse).members();
  const tbs = certificate.next();
  const algorithm = certificate.next();
  const signature = certificate.next().bitString();
  certificate.end();

  const members = tbs.members();
  const version = members.nextIf(VERSION)?.members(VERSION);
  if (version?.next().smallInteger() !== VERSION_3) refuse('expected a certificate of version 3');
  version?.end();
  const serial = members.next().integerBytes();
  if (!isSame(members.next().raw, algorithm.raw)) refuse('it names two algorithms of its signature');
  const issuer = members.next();
  const validity = members.next().members();
  const [notBefore, notAfter] = [validity.next().time(), validity.next().time()];
  validity.end();
  const subject = members.next();
  const subjectText = describeName(subject);
  describeName(issuer);
  const spki = members.next();
  const list = members.nextIf(EXTENSIONS)?.members(EXTENSIONS);
  // The unique identifiers of version 2 are not read.
  members.end();
  const extensions = list === undefined ? new Map<string, Extension>() : readExtensions(list.next(), refuse);
  list?.end();
  return {
    raw,
    rawTbs: tbs.raw,
    serial,
    algorithm: readAlgorithm(algorithm),
    signature,
    rawIssuer: issuer.raw,
    rawSubject: subject.raw,
    subjectText,
    notBefore,
    notAfter,
    key: openPublicKey(subjectText, spki.raw, (what) => refuse(`its key: ${what}`)),
    extensions,
    ...readUses(extensions, bound, refuse),
  };
}

function readAlgorithm(value: DerValue): string {
  const members = value.members();
  const algorithm = members.next().objectIdentifier();
  // The algorithms that are accepted have no parameters, or NULL. Those of the signed copy have been compared.
  members.rest();
  return algorithm;
}

const TEXTS: ReadonlySet<number> = new Set([TAG.utf8String, TAG.printableString, TAG.ia5String]);
const MAX_SHOWN = 80;

/** Reads a name, and returns its values for messages. https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.4 */
function describeName(name: DerValue): string {
  const values = name
    .members()
    .rest()
    .flatMap((set) => set.members(TAG.set).rest())
    .map((attribute) => {
      const members = attribute.members();
      members.next().objectIdentifier();
      const value = members.next();
      members.end();
      return TEXTS.has(value.tag) ? Buffer.from(value.content).toString('utf8') : '?';
    });
  return values.join(', ').slice(0, MAX_SHOWN);
}
