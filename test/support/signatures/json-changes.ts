import type { Json, JsonMembers } from './sigstore-builder.ts';

export type Path = readonly (string | number)[];

/** The path of each member and item of a document, and of the document itself. */
function pathsIn(value: Json, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, member]) => pathsIn(member, [...path, name]))];
}

/** JSON text of a document in which what is at `path` was written in another way. */
function rewrite(value: Json, path: Path, write: (name: string, member: Json) => string | undefined): string {
  const [step, ...rest] = path;
  if (step === undefined) return write('', value) ?? '';
  const inner = (member: Json): string =>
    (rest.length === 0 ? undefined : rewrite(member, rest, write)) ?? JSON.stringify(member);
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).flatMap((item, position) => {
      if (String(position) !== String(step)) return [JSON.stringify(item)];
      const written = rest.length === 0 ? write('', item) : inner(item);
      return written === undefined ? [] : [written];
    });
    return `[${items.join()}]`;
  }
  const members = Object.entries(value as JsonMembers).flatMap(([name, member]) => {
    if (name !== step) return [`${JSON.stringify(name)}:${JSON.stringify(member)}`];
    if (rest.length > 0) return [`${JSON.stringify(name)}:${inner(member)}`];
    const written = write(`${JSON.stringify(name)}:`, member);
    return written === undefined ? [] : [written];
  });
  return `{${members.join()}}`;
}

/** Values of every type; none of them is what a member has. */
const OTHERS: readonly Json[] = [null, true, 0, -1, 1.5, 1e300, '', 'x', 'eA==', '\u0000', [], [[]], {}, { x: 1 }];

function flip(member: Json): Json {
  if (typeof member === 'string' && member !== '') {
    const middle = member.length >> 1;
    const letter = member[middle] === 'A' ? 'B' : 'A';
    return `${member.slice(0, middle)}${letter}${member.slice(middle + 1)}`;
  }
  return typeof member === 'number' ? member + 1 : 'flipped';
}

/** A document in which one thing is different. */
export interface Change {
  readonly what: string;
  readonly path: Path;
  readonly text: string;
}

/** Each member of a document removed, doubled, flipped, and of each other type. */
export function changesOf(document: Json): readonly Change[] {
  return pathsIn(document)
    .filter((path) => path.length > 0)
    .flatMap((path): Change[] => {
      const change = (what: string, write: (name: string, member: Json) => string | undefined) => ({
        what,
        path,
        text: rewrite(document, path, write),
      });
      return [
        change('removed', () => undefined),
        change('doubled', (name, member) => `${name}${JSON.stringify(member)},${name}${JSON.stringify(member)}`),
        change('flipped', (name, member) => `${name}${JSON.stringify(flip(member))}`),
        change('beside an unknown one', (name, member) =>
          `${name}${JSON.stringify(member)},"${name === '' ? '' : 'unknown":1'}`.replace(/,"$/, ',1'),
        ),
        ...OTHERS.map((other) =>
          change(`of another type, ${JSON.stringify(other)}`, (name) => `${name}${JSON.stringify(other)}`),
        ),
      ];
    })
    .filter(({ text }) => text !== JSON.stringify(document));
}
