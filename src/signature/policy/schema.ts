import * as z from 'zod';
import { asSealiftError } from '../../errors/index.ts';
import { formatReference, isReferenceDomain, parseReference, type Reference } from '../../oci/index.ts';
import { isRefPattern, isUriPattern } from './match-claim.ts';
import type { KeySource, Requirement, SignedIdentity, SigstoreTrust } from './types.ts';

// https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#policy-requirements

const filled = z.string().min(1);
/** The text that begins a key in PEM or ASCII armor. */
const ARMOR_START = '-----BEGIN ';

/** True for a key that the policy holds as it is, and not in base64. */
export function isArmored(text: string): boolean {
  return text.trimStart().startsWith(ARMOR_START);
}

/** The same for a JSON document. */
export function isJsonText(text: string): boolean {
  return text.trimStart().startsWith('{');
}

/** Line ends in base64 are ignored, as Go does; what is armored is decoded where the key is used. */
const base64 = z
  .string()
  .refine((text) => isArmored(text) || isBase64(text), 'expected a key in base64, or in PEM or ASCII armor as it is');

function isBase64(text: string): boolean {
  const encoded = text.replaceAll(/[\r\n]/g, '');
  return encoded !== '' && Buffer.from(encoded, 'base64').toString('base64') === encoded;
}
/** A JSON document in base64, or as it is. */
const encodedJson = z
  .string()
  .refine((text) => isJsonText(text) || isBase64(text), 'expected JSON in base64, or as it is')
  .optional();
const path = filled.optional();
const paths = z.array(filled).min(1).optional();
const encoded = base64.optional();
const encodeds = z.array(base64).min(1).optional();

type Context = z.core.$RefinementCtx;

function complain(context: Context, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}

/** The values given for members of which at most one may be present. */
type Alternatives = {
  readonly path?: string | undefined;
  readonly paths?: readonly string[] | undefined;
  readonly data?: string | undefined;
  readonly datas?: readonly string[] | undefined;
};

/** Returns the names as they are in the file: `keyPath`, `keyPaths` … */
function memberNames(prefix: string, alternatives: Alternatives): string {
  return Object.keys(alternatives)
    .map((kind) => `${prefix}${kind.charAt(0).toUpperCase()}${kind.slice(1)}`)
    .join(', ');
}

function atMostOne(context: Context, prefix: string, alternatives: Alternatives): KeySource | undefined {
  const { path, paths, data, datas } = alternatives;
  const sources: KeySource[] = [];
  if (path !== undefined) sources.push({ kind: 'path', values: [path] });
  if (paths !== undefined) sources.push({ kind: 'paths', values: paths });
  if (data !== undefined) sources.push({ kind: 'data', values: [data] });
  if (datas !== undefined) sources.push({ kind: 'datas', values: datas });
  if (sources.length <= 1) return sources[0];
  return complain(context, `expected at most one of ${memberNames(prefix, alternatives)}`);
}

function exactlyOne(context: Context, prefix: string, alternatives: Alternatives): KeySource {
  return (
    atMostOne(context, prefix, alternatives) ??
    complain(context, `expected exactly one of ${memberNames(prefix, alternatives)}`)
  );
}

/** A schema for a text that parses as a reference and satisfies `test`. */
function referenceText(test: (reference: Reference, text: string) => boolean, expectation: string) {
  return z.string().superRefine((text, context) => {
    try {
      if (!test(parseReference(text), text)) context.addIssue({ code: 'custom', message: expectation });
    } catch (error) {
      context.addIssue({ code: 'custom', message: asSealiftError(error).message });
    }
  });
}

const isName = ({ tag, digest }: Reference) => tag === undefined && digest === undefined;

const pinnedReference = referenceText((reference) => !isName(reference), 'expected a reference with tag or digest');
const repositoryName = referenceText(isName, 'expected a repository without tag and digest');

/** `host[:port]`, a namespace or a repository, fully expanded. */
const identityPrefix = z.union(
  [
    z.string().refine(isReferenceDomain),
    referenceText(
      (reference, text) => isName(reference) && formatReference(reference) === text,
      'expected a full name',
    ),
  ],
  'expected host[:port], a namespace or a repository, fully expanded',
);

const signedIdentity = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('digestOnly') }),
    z.strictObject({ type: z.literal('matchExact') }),
    z.strictObject({ type: z.literal('matchRepoDigestOrExact') }),
    z.strictObject({ type: z.literal('matchRepository') }),
    z.strictObject({
      type: z.literal('exactReference'),
      dockerReference: pinnedReference,
    }),
    z.strictObject({
      type: z.literal('exactRepository'),
      dockerRepository: repositoryName,
    }),
    z.strictObject({ type: z.literal('remapIdentity'), prefix: identityPrefix, signedPrefix: identityPrefix }),
  ])
  .optional()
  .transform((identity): SignedIdentity => identity ?? { type: 'matchRepoDigestOrExact' });

const signedBy = z
  .strictObject({
    type: z.literal('signedBy'),
    keyType: z.enum(['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs']),
    keyPath: path,
    keyPaths: paths,
    keyData: encoded,
    signedIdentity,
  })
  .transform(({ type, keyType, keyPath, keyPaths, keyData, signedIdentity }, context): Requirement => {
    return {
      type,
      keyType,
      keys: exactlyOne(context, 'key', { path: keyPath, paths: keyPaths, data: keyData }),
      signedIdentity,
    };
  });

/** A whole text, or one with a `*` where the name of a tag or branch ends. */
const claim = (isPattern: (text: string) => boolean, expectation: string) =>
  filled.refine((text) => !text.includes('*') || isPattern(text), expectation).optional();

const exact = claim(() => false, 'expected no "*"');
const uriPattern = claim(isUriPattern, 'expected "*" only at the end, behind @refs/tags/ or @refs/heads/');
const refPattern = claim(isRefPattern, 'expected "*" only at the end of refs/tags/… or refs/heads/…');

const fulcio = z
  .strictObject({
    caPath: path,
    caData: encoded,
    oidcIssuer: filled,
    subjectEmail: filled.optional(),
    subjectURI: uriPattern,
    buildSignerURI: uriPattern,
    sourceRepositoryURI: exact,
    sourceRepositoryRef: refPattern,
    runnerEnvironment: exact,
  })
  .transform(({ caPath, caData, ...identity }, context): Extract<SigstoreTrust, { kind: 'fulcio' }> => {
    const { subjectEmail, subjectURI, buildSignerURI } = identity;
    if (subjectEmail === undefined && subjectURI === undefined && buildSignerURI === undefined) {
      return complain(context, 'expected at least one of subjectEmail, subjectURI, buildSignerURI');
    }
    if (subjectEmail !== undefined && subjectURI !== undefined) {
      // Fulcio certifies one name, so nothing could satisfy both.
      return complain(context, 'expected at most one of subjectEmail, subjectURI');
    }
    return { kind: 'fulcio', ca: atMostOne(context, 'ca', { path: caPath, data: caData }), identity };
  });

const pki = z
  .strictObject({
    caRootsPath: path,
    caRootsData: encoded,
    caIntermediatesPath: path,
    caIntermediatesData: encoded,
    subjectEmail: filled.optional(),
    subjectHostname: filled.optional(),
  })
  .transform((raw, context): SigstoreTrust => {
    const { caRootsPath, caRootsData, caIntermediatesPath, caIntermediatesData, ...subject } = raw;
    if (subject.subjectEmail === undefined && subject.subjectHostname === undefined) {
      return complain(context, 'expected subjectEmail, subjectHostname or both');
    }
    const roots = exactlyOne(context, 'caRoots', { path: caRootsPath, data: caRootsData });
    const intermediates = atMostOne(context, 'caIntermediates', {
      path: caIntermediatesPath,
      data: caIntermediatesData,
    });
    return { kind: 'pki', roots, intermediates, subject };
  });

/** Says what is wrong with the sources of a requirement. A trusted root comes in place of the CA of Fulcio and of logs. */
function trustProblem(trust: SigstoreTrust, rekorKeys: unknown, trustedRoot: unknown): string | undefined {
  if (trustedRoot !== undefined && rekorKeys !== undefined) {
    return 'expected at most one of trustedRootPath, trustedRootData and the members rekorPublicKey…';
  }
  if (trust.kind === 'pki' && rekorKeys !== undefined) return 'pki: expected no Rekor public key';
  if (trust.kind !== 'fulcio') return undefined;
  if ((trust.ca === undefined) === (trustedRoot === undefined)) {
    return 'fulcio: expected exactly one of caPath, caData and, beside fulcio, trustedRootPath, trustedRootData';
  }
  // A short-lived certificate proves nothing without the time that the log attests.
  const isTimed = rekorKeys !== undefined || trustedRoot !== undefined;
  return isTimed ? undefined : 'fulcio: expected a Rekor public key as well, or a trusted root instead of the CA';
}

const sigstoreSigned = z
  .strictObject({
    type: z.literal('sigstoreSigned'),
    keyPath: path,
    keyPaths: paths,
    keyData: encoded,
    keyDatas: encodeds,
    fulcio: fulcio.optional(),
    pki: pki.optional(),
    rekorPublicKeyPath: path,
    rekorPublicKeyPaths: paths,
    rekorPublicKeyData: encoded,
    rekorPublicKeyDatas: encodeds,
    trustedRootPath: path,
    trustedRootData: encodedJson,
    predicateTypes: z.array(filled).min(1).optional(),
    signedIdentity,
  })
  .transform((raw, context): Requirement => {
    const { keyPath, keyPaths, keyData, keyDatas, fulcio, pki } = raw;
    const { rekorPublicKeyPath, rekorPublicKeyPaths, rekorPublicKeyData, rekorPublicKeyDatas } = raw;
    const keys = atMostOne(context, 'key', { path: keyPath, paths: keyPaths, data: keyData, datas: keyDatas });
    const trusts = [keys && ({ kind: 'keys', keys } as const), fulcio, pki].filter((trust) => trust !== undefined);
    const [trust] = trusts;
    if (trust === undefined || trusts.length > 1) {
      return complain(context, 'expected exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, pki');
    }
    const rekorKeys = atMostOne(context, 'rekorPublicKey', {
      path: rekorPublicKeyPath,
      paths: rekorPublicKeyPaths,
      data: rekorPublicKeyData,
      datas: rekorPublicKeyDatas,
    });
    const trustedRoot = atMostOne(context, 'trustedRoot', { path: raw.trustedRootPath, data: raw.trustedRootData });
    const problem = trustProblem(trust, rekorKeys, trustedRoot);
    if (problem !== undefined) return complain(context, problem);
    const { type, predicateTypes = [], signedIdentity } = raw;
    return { type, trust, rekorKeys, trustedRoot, predicateTypes, signedIdentity };
  });

/** One requirement; its type decides which members it may have. */
export const requirementSchema: z.ZodType<Requirement> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('reject') }),
  z.strictObject({ type: z.literal('insecureAcceptAnything') }),
  signedBy,
  sigstoreSigned,
]);
