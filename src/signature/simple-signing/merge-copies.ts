import { type Packet, TAGS } from './read-packets.ts';

/** The packets of one copy of a public key, the primary key first. */
export interface KeyCopy {
  readonly fingerprint: string;
  readonly packets: readonly Packet[];
}

/** A key, subkey, user ID or user attribute, with the signatures about it by their bytes. */
interface Section {
  readonly head: Packet;
  readonly signatures: Map<string, Packet>;
}

/**
 * Merges the copies of each key: what one of them says of the key, of a subkey or of a user ID counts, whatever the order
 * of the copies. So a revocation in any of them counts, and the newest self-signature says when the key expires. Nothing
 * is verified here.
 */
export function mergeCopies(copies: readonly KeyCopy[]): readonly KeyCopy[] {
  const keys = new Map<string, Map<string, Section>>();
  for (const { fingerprint, packets } of copies) {
    const sections = keys.get(fingerprint) ?? new Map<string, Section>();
    keys.set(fingerprint, sections);
    addCopy(sections, packets);
  }
  return [...keys].map(([fingerprint, sections]) => ({
    fingerprint,
    packets: [...sections.values()]
      .toSorted(bySection)
      .flatMap(({ head, signatures }) => [head, ...signatures.values()]),
  }));
}

function addCopy(sections: Map<string, Section>, packets: readonly Packet[]): void {
  let current: Section | undefined;
  for (const packet of packets) {
    const key = `${packet.tag} ${Buffer.from(packet.body).toString('latin1')}`;
    if (packet.tag === TAGS.signature) {
      current?.signatures.set(key, packet);
      continue;
    }
    current = sections.get(key) ?? { head: packet, signatures: new Map() };
    sections.set(key, current);
  }
}

/** https://www.rfc-editor.org/rfc/rfc9580#section-10.1.1: the primary key, then user IDs, then subkeys. */
const ORDER: readonly number[] = [TAGS.publicKey, TAGS.userId, TAGS.userAttribute, TAGS.publicSubkey];

function bySection(one: Section, other: Section): number {
  return ORDER.indexOf(one.head.tag) - ORDER.indexOf(other.head.tag);
}
