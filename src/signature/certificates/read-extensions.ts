import { type DerBound, type DerValue, type Refuse, readDer, TAG } from './read-der.ts';
import { readGeneralName } from './read-general-names.ts';
import { readNameConstraints } from './read-name-constraints.ts';
import type { Certificate, Extension } from './types.ts';

/** Object identifiers of the extensions that RFC 5280 defines and that are looked at. */
const EXTENSION = {
  keyUsage: '2.5.29.15',
  names: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Policies matter only to a verifier that asks for some, so a critical list of them is no obstacle. */
const KNOWN: ReadonlySet<string> = new Set(Object.values(EXTENSION));

/** Reads the list of extensions: each of them once, and no critical one that is not obeyed here. */
export function readExtensions(list: DerValue, refuse: Refuse): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const item of list.members().rest()) {
    const members = item.members();
    const id = members.next().objectIdentifier();
    const critical = members.nextIf(TAG.boolean);
    // DER leaves a default out.
    if (critical?.boolean() === false) refuse('expected no default in DER');
    const extension = { isCritical: critical !== undefined, value: members.next().octets(), raw: item.raw };
    members.end();
    if (extensions.has(id)) refuse(`it has the extension ${id} twice`);
    if (extension.isCritical && !KNOWN.has(id)) refuse(`it has a critical extension that is not known: ${id}`);
    extensions.set(id, extension);
  }
  return extensions;
}

type Uses = Pick<
  Certificate,
  'isAuthority' | 'maxPathLength' | 'keyUsage' | 'extendedKeyUsage' | 'names' | 'nameConstraints'
>;

/** What the extensions say about the use of a certificate. */
export function readUses(extensions: ReadonlyMap<string, Extension>, bound: DerBound, refuse: Refuse): Uses {
  const open = (id: string): DerValue | undefined => {
    const extension = extensions.get(id);
    return extension && readDer(extension.value, bound, (what) => refuse(`extension ${id}: ${what}`));
  };
  const constraints = open(EXTENSION.nameConstraints);
  return {
    ...readBasicConstraints(open(EXTENSION.basicConstraints)),
    keyUsage: open(EXTENSION.keyUsage)?.namedBits(),
    extendedKeyUsage: readList(open(EXTENSION.extendedKeyUsage), (value) => value.objectIdentifier()),
    names: [...(readList(open(EXTENSION.names), readGeneralName) ?? [])],
    nameConstraints: constraints && readNameConstraints(constraints),
  };
}

/** The items of a list, each of them once and at least one. */
function readList<Item>(value: DerValue | undefined, read: (value: DerValue) => Item): ReadonlySet<Item> | undefined {
  if (value === undefined) return undefined;
  const items = value.members().rest();
  return items.length === 0 ? value.refuse('expected at least one item in DER') : new Set(items.map(read));
}

function readBasicConstraints(value: DerValue | undefined): Pick<Uses, 'isAuthority' | 'maxPathLength'> {
  const members = value?.members();
  if (value === undefined || members === undefined) return { isAuthority: false, maxPathLength: undefined };
  const isAuthority = members.nextIf(TAG.boolean)?.boolean();
  if (isAuthority === false) value.refuse('expected no default in DER');
  const maxPathLength = members.nextIf(TAG.integer)?.smallInteger();
  members.end();
  if (isAuthority === undefined && maxPathLength !== undefined) value.refuse('expected no path length in DER');
  return { isAuthority: isAuthority === true, maxPathLength };
}
