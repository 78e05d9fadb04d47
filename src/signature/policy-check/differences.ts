import { isJsonObject, type JsonObject } from '../../oci/index.ts';
import { isArmored } from '../policy/index.ts';
import type { Finding } from './types.ts';

/** A member of a requirement that another tool does not read as Sealift does. */
interface Difference {
  readonly type: 'signedBy' | 'sigstoreSigned';
  /** Names of members, from the outside in. */
  readonly member: readonly string[];
  /** Absent: whatever the value is. */
  readonly applies?: (value: unknown) => boolean;
  readonly effect: string;
}

const CONTAINERS = 'podman and skopeo';
const IMAGE_RS = 'image-rs';
const ALL = 'podman, skopeo and image-rs';

const textsOf = (value: unknown): readonly string[] => [value].flat().filter((each) => typeof each === 'string');
const hasUri = (value: unknown): boolean => textsOf(value).some((text) => text.includes('://'));
const hasArmor = (value: unknown): boolean => textsOf(value).some(isArmored);
const hasBase64 = (value: unknown): boolean => textsOf(value).some((text) => !isArmored(text));
const isOneOf =
  (...names: readonly string[]) =>
  (value: unknown): boolean =>
    textsOf(value).some((text) => names.includes(text));

/** Members with paths, and with keys and certificates, of either kind of requirement. */
const PATHS = [
  ...['keyPath', 'keyPaths', 'rekorPublicKeyPath', 'rekorPublicKeyPaths', 'fulcio.caPath'],
  ...['pki.caRootsPath', 'pki.caIntermediatesPath'],
];
const TEXTS = [
  ...['keyData', 'keyDatas', 'rekorPublicKeyData', 'rekorPublicKeyDatas', 'fulcio.caData'],
  ...['pki.caRootsData', 'pki.caIntermediatesData'],
];
/** Members of Sealift's own in `fulcio`. */
const OWN_CLAIMS = ['subjectURI', 'buildSignerURI', 'sourceRepositoryURI', 'sourceRepositoryRef', 'runnerEnvironment'];
const LOG_KEYS = ['rekorPublicKeyPath', 'rekorPublicKeyPaths', 'rekorPublicKeyData', 'rekorPublicKeyDatas'];

/** Rows for several members, whose names have a dot before a member inside another. */
function rows(
  type: Difference['type'],
  members: readonly string[],
  rest: Omit<Difference, 'type' | 'member'>,
): readonly Difference[] {
  return members.map((member) => ({ type, member: member.split('.'), ...rest }));
}

/** Rows for both kinds of requirements. */
function rowsOfBoth(type: Difference['type']): readonly Difference[] {
  return [
    ...rows(type, PATHS, { applies: hasUri, effect: `${CONTAINERS} take the URI for the path of a file` }),
    ...rows(type, TEXTS, { applies: hasArmor, effect: `${CONTAINERS} take base64 only, and refuse the file` }),
    ...rows(type, ['keyPaths', 'keyDatas'], {
      effect: `${IMAGE_RS} knows only keyPath and keyData, and refuses the file`,
    }),
    ...rows(type, ['signedIdentity.type'], {
      applies: isOneOf('digestOnly'),
      effect: `a type of Sealift's own: ${ALL} refuse the file`,
    }),
  ];
}

// containers-policy.json(5) of containers/image 5.36; image-rs of guest-components, August 2026, which ignores members
// that it does not know as long as it finds those that it needs.
const DIFFERENCES: readonly Difference[] = [
  ...rowsOfBoth('signedBy'),
  ...rowsOfBoth('sigstoreSigned'),
  ...rows('signedBy', ['keyData'], {
    applies: hasArmor,
    effect: `${IMAGE_RS} takes base64 only, and cannot use the key`,
  }),
  ...rows('sigstoreSigned', ['keyData'], {
    applies: hasBase64,
    effect: `${IMAGE_RS} takes the text of the PEM block only, and cannot use the key`,
  }),
  ...rows('sigstoreSigned', ['predicateTypes', 'trustedRootPath', 'trustedRootData'], {
    effect: `a member of Sealift's own: ${CONTAINERS} refuse the file, ${IMAGE_RS} ignores it`,
  }),
  ...rows(
    'sigstoreSigned',
    OWN_CLAIMS.map((claim) => `fulcio.${claim}`),
    { effect: `a member of Sealift's own: ${CONTAINERS} refuse the file` },
  ),
  ...rows('sigstoreSigned', ['fulcio', 'pki'], { effect: `${IMAGE_RS} knows only keys, and refuses the file` }),
  ...rows('sigstoreSigned', LOG_KEYS, {
    effect: `${IMAGE_RS} ignores it, and accepts signatures that no log has seen`,
  }),
  ...rows('sigstoreSigned', ['signedIdentity.type'], {
    applies: isOneOf('matchExact', 'exactReference', 'remapIdentity'),
    effect: `${IMAGE_RS} accepts no image by this rule`,
  }),
];

/** Returns what other tools make of one requirement, as it is in the file. */
export function checkDifferences(rawRequirement: unknown, where: string): readonly Finding[] {
  if (!isJsonObject(rawRequirement)) return [];
  return DIFFERENCES.flatMap(({ type, member, applies = () => true, effect }): Finding[] => {
    if (rawRequirement['type'] !== type) return [];
    const value = memberOf(rawRequirement, member);
    if (value === undefined || !applies(value)) return [];
    const detail = `${member.join('.')}: ${effect}`;
    return [{ status: 'note', check: 'portability', where, detail, remedy: undefined }];
  });
}

/** Returns what other tools make of the file as a whole. */
export function checkDocument(rawDocument: JsonObject): readonly Finding[] {
  if ('transports' in rawDocument) return [];
  const detail = `without "transports" ${IMAGE_RS} refuses the file`;
  return [{ status: 'note', check: 'portability', where: 'document', detail, remedy: 'add "transports": {}' }];
}

function memberOf(object: JsonObject, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isJsonObject(value) ? value[name] : undefined), object);
}
