import type { KeySource, Requirement, RequirementType, SignedIdentity, SigstoreTrust } from '../policy/index.ts';
import type { KeyMaterial } from './types.ts';

/** What there is to check of one kind of requirement. */
interface CheckedKind<Type extends RequirementType> {
  /** Returns the key material that the requirement names. */
  readonly materials: (requirement: Requirement<Type>) => readonly KeyMaterial[];
  /** Says why the requirement accepts no image in files of this transport; undefined: it accepts some. */
  readonly refusesFiles: (requirement: Requirement<Type>, transport: string) => string | undefined;
  /** What is good to know about the requirement. */
  readonly notes: (requirement: Requirement<Type>) => readonly string[];
}

type CheckedKinds = { readonly [Type in RequirementType]: CheckedKind<Type> };

const WITHOUT_SIGNATURES = { materials: () => [], refusesFiles: () => undefined, notes: () => [] };

/** Rules that look at no name of the image, so that images in files can satisfy them. */
const NAMELESS: ReadonlySet<SignedIdentity['type']> = new Set(['exactReference', 'exactRepository', 'digestOnly']);
/** Rules that ask for a tag or digest in the signature. */
const TAGGED: ReadonlySet<SignedIdentity['type']> = new Set(['matchExact', 'matchRepoDigestOrExact', 'remapIdentity']);

const KINDS: CheckedKinds = {
  reject: WITHOUT_SIGNATURES,
  insecureAcceptAnything: WITHOUT_SIGNATURES,
  signedBy: {
    materials: ({ keys }) => [{ prefix: 'key', source: keys, form: 'key-ring' }],
    refusesFiles: () => 'simple signatures are kept beside registries, and images in files have none',
    notes: () => [],
  },
  sigstoreSigned: {
    materials: sigstoreMaterials,
    refusesFiles: ({ signedIdentity: { type } }, transport) => {
      if (transport === 'docker-archive') return 'a docker-archive has nothing beside its images';
      if (NAMELESS.has(type)) return undefined;
      return `an image in files has no name, so that "${type}" accepts none; write "exactRepository" or "digestOnly"`;
    },
    notes: ({ signedIdentity: { type } }) =>
      TAGGED.has(type)
        ? [
            `signatures by cosign name no tag, so "${type}" accepts none of them; write "matchRepository", or "digestOnly" for bundles of cosign 3`,
          ]
        : [],
  },
};

/** Certificates have to be valid when a log or authority proves that they were used; without such a time, now. */
function sigstoreMaterials({ trust, rekorKeys, trustedRoot }: Requirement<'sigstoreSigned'>): readonly KeyMaterial[] {
  const isTimed = trustedRoot !== undefined || trust.kind === 'fulcio';
  const needsAuthorities = trust.kind === 'fulcio' && trust.ca === undefined;
  const root = needsAuthorities ? 'trusted-root-with-authorities' : 'trusted-root';
  return [
    ...materialsOfTrust(trust).map((material) => ({ ...material, isTimed })),
    ...materialIfPresent('rekorPublicKey', rekorKeys, 'public-key'),
    ...materialIfPresent('trustedRoot', trustedRoot, root).map((material) => ({ ...material, isTimed })),
  ];
}

function materialsOfTrust(trust: SigstoreTrust): readonly KeyMaterial[] {
  switch (trust.kind) {
    case 'keys':
      return [{ prefix: 'key', source: trust.keys, form: 'public-key' }];
    case 'fulcio':
      return materialIfPresent('ca', trust.ca, 'certificates');
    case 'pki':
      return [
        { prefix: 'caRoots', source: trust.roots, form: 'certificates' },
        ...materialIfPresent('caIntermediates', trust.intermediates, 'certificates'),
      ];
  }
}

function materialIfPresent(
  prefix: string,
  source: KeySource | undefined,
  form: KeyMaterial['form'],
): readonly KeyMaterial[] {
  return source === undefined ? [] : [{ prefix, source, form }];
}

export function materialsOf<Type extends RequirementType>(requirement: Requirement<Type>): readonly KeyMaterial[] {
  return KINDS[requirement.type].materials(requirement);
}

export function refusesFiles<Type extends RequirementType>(
  requirement: Requirement<Type>,
  transport: string,
): string | undefined {
  return KINDS[requirement.type].refusesFiles(requirement, transport);
}

export function notesOn<Type extends RequirementType>(requirement: Requirement<Type>): readonly string[] {
  return KINDS[requirement.type].notes(requirement);
}
