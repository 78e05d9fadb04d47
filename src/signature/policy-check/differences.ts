import { isJsonObject, type JsonObject } from '../../oci/index.ts';
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

const isUri = (value: unknown): boolean =>
  [value].flat().some((each) => typeof each === 'string' && each.includes('://'));
const isText = (value: unknown): boolean => [value].flat().some((each) => typeof each === 'string' && isArmored(each));
const isBase64 = (value: unknown): boolean => typeof value === 'string' && !isArmored(value);
const isArmored = (text: string): boolean => text.trimStart().startsWith('-----BEGIN ');
const isOneOf =
  (...names: readonly string[]) =>
  (value: unknown): boolean =>
    names.some((name) => name === value);

const PATH_MEMBERS: readonly string[] = ['keyPath', 'keyPaths', 'rekorPublicKeyPath', 'rekorPublicKeyPaths'];
const TYPES = ['signedBy', 'sigstoreSigned'] as const;
/** Members of Sealift's own in `fulcio`. */
const OWN_CLAIMS = ['subjectURI', 'buildSignerURI', 'sourceRepositoryURI', 'sourceRepositoryRef', 'runnerEnvironment'];

// containers-policy.json(5) of containers/image 5.36; image-rs of guest-components, August 2026.
const DIFFERENCES: readonly Difference[] = [
  ...TYPES.flatMap((type): Difference[] => [
    ...PATH_MEMBERS.map((member): Difference => {
      return { type, member: [member], applies: isUri, effect: `${CONTAINERS} take the URI for the path of a file` };
    }),
    {
      type,
      member: ['signedIdentity', 'type'],
      applies: isOneOf('digestOnly'),
      effect: `a type of Sealift's own: ${CONTAINERS} and ${IMAGE_RS} refuse the file`,
    },
    { type, member: ['keyPaths'], effect: `${IMAGE_RS} knows only keyPath and keyData, and refuses the file` },
    { type, member: ['keyDatas'], effect: `${IMAGE_RS} knows only keyPath and keyData, and refuses the file` },
  ]),
  {
    type: 'signedBy',
    member: ['keyData'],
    applies: isText,
    effect: `${CONTAINERS} and ${IMAGE_RS} take base64 only, and refuse the file`,
  },
  {
    type: 'signedBy',
    member: ['keyType'],
    applies: (value) => value !== 'GPGKeys',
    effect: 'no tool accepts signatures by this type of keys',
  },
  {
    type: 'sigstoreSigned',
    member: ['keyData'],
    applies: isText,
    effect: `${CONTAINERS} take base64 only, and refuse the file`,
  },
  {
    type: 'sigstoreSigned',
    member: ['keyData'],
    applies: isBase64,
    effect: `${IMAGE_RS} takes the text of the PEM block only, and cannot use the key`,
  },
  {
    type: 'sigstoreSigned',
    member: ['predicateTypes'],
    effect: `a member of Sealift's own: ${CONTAINERS} refuse the file, ${IMAGE_RS} ignores it`,
  },
  ...['trustedRootPath', 'trustedRootData'].map((member): Difference => {
    const effect = `a member of Sealift's own: ${CONTAINERS} and ${IMAGE_RS} refuse the file`;
    return { type: 'sigstoreSigned', member: [member], effect };
  }),
  ...OWN_CLAIMS.map((claim): Difference => {
    const effect = `a member of Sealift's own: ${CONTAINERS} refuse the file`;
    return { type: 'sigstoreSigned', member: ['fulcio', claim], effect };
  }),
  ...['fulcio', 'pki'].map((member): Difference => {
    return { type: 'sigstoreSigned', member: [member], effect: `${IMAGE_RS} knows only keys, and refuses the file` };
  }),
  ...['Path', 'Paths', 'Data', 'Datas'].map((kind): Difference => {
    const effect = `${IMAGE_RS} ignores it, and accepts signatures that no log has seen`;
    return { type: 'sigstoreSigned', member: [`rekorPublicKey${kind}`], effect };
  }),
  {
    type: 'sigstoreSigned',
    member: ['signedIdentity', 'type'],
    applies: isOneOf('matchExact', 'exactReference', 'remapIdentity'),
    effect: `${IMAGE_RS} accepts no image by this rule`,
  },
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
