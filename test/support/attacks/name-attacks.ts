import {
  char,
  dir,
  file,
  hardlink,
  opaque,
  paxHeader,
  rawHeader,
  symlink,
  type TarMember,
} from '../builders/tar-builder.ts';
import { type Attack, CONFINED, ESCAPE, evil, INVALID, PLANTED, UP, type Verdict } from './attack.ts';

const UNREADABLE: Verdict = { refused: 'TAR_INVALID' };

/** A member whose name is written into the header unchanged, without the builder's help. */
const raw = (name: string, type: string, linkname = ''): Buffer => rawHeader({ name, type, linkname, mode: 0o777 });

const CLIMBING = [
  '../secret',
  '../../secret',
  '/../secret',
  'a/../../secret',
  './../secret',
  '../root-evil/secret',
  '..',
];

const climbing = CLIMBING.flatMap((path): Attack[] => [
  { mechanism: 'name', name: `file ${path}`, layers: () => [[dir('a'), evil(path)]], verdict: ESCAPE },
  {
    mechanism: 'name',
    name: `directory ${path}`,
    layers: () => [[dir('a'), dir(path, { mode: 0o777 })]],
    verdict: ESCAPE,
  },
  { mechanism: 'name', name: `symlink ${path}`, layers: () => [[dir('a'), symlink(path, 'x')]], verdict: ESCAPE },
  {
    mechanism: 'hard link',
    name: `hard link to ${path}`,
    layers: () => [[dir('a'), hardlink('h', path)]],
    verdict: ESCAPE,
  },
]);

/** CVE-2021-29136: the root entry as something else than a directory. */
const rootEntries = ['.', './', '/', './/', '', 'a/..', '/./'].flatMap((path): Attack[] => {
  const as = (what: string, layers: Attack['layers']): Attack => ({
    ...{ mechanism: 'root entry', name: `root ${JSON.stringify(path)} as ${what}`, layers, verdict: INVALID },
  });
  return [
    as('symlink', (out) => [[symlink(path, out), evil('secret')]]),
    as('file', () => [[evil(path)]]),
    as('hard link', () => [[file('f'), hardlink(path, 'f')]]),
    as('device', () => [[char(path, 1, 3)]]),
  ];
});

/** The same as headers that a builder would not write. */
const rawRootEntries = ['.', '/', './', './/', '..', '../', '', 'x/..', 'x/../..'].flatMap((name): Attack[] => {
  const as = (what: string, layers: Attack['layers']): Attack => ({
    ...{ mechanism: 'root entry', name: `a header for the root ${JSON.stringify(name)} as ${what}`, layers },
    verdict: /^\.\.|x\/\.\.\/\.\./.test(name) ? ESCAPE : INVALID,
  });
  return [
    as('a symlink', (out) => [[raw(name, '2', out), evil('planted')]]),
    as('a file', () => [[raw(name, '0'), evil('planted')]]),
    as('a hard link', (out) => [[raw(name, '1', `${out}/secret`)]]),
  ];
});

const names: readonly Attack[] = [
  {
    mechanism: 'name',
    name: 'an absolute name',
    layers: (out) => [[evil(`${out}/planted`)]],
    verdict: { confined: (out) => ({ [`${out.slice(1)}/planted`]: PLANTED }) },
  },
  {
    mechanism: 'name',
    name: 'a name with many slashes',
    layers: (out) => [[evil(`//${out}//planted`)]],
    verdict: { confined: (out) => ({ [`${out.slice(1)}/planted`]: PLANTED }) },
  },
  {
    mechanism: 'name',
    name: 'a name that climbs to the top',
    layers: (out) => [[evil(`${UP}${out}/planted`)]],
    verdict: ESCAPE,
  },
  {
    mechanism: 'name',
    name: 'a name that climbs in the middle',
    layers: (out) => [[dir('a'), evil(`a/${UP}${out}/planted`)]],
    verdict: ESCAPE,
  },
  {
    mechanism: 'name',
    name: 'a sibling that has the root as its prefix',
    layers: () => [[evil('../rootfs-evil/planted'), evil('../target-evil')]],
    verdict: ESCAPE,
  },
  {
    mechanism: 'name',
    name: 'backslashes and drives',
    layers: () => [[evil('..\\..\\planted'), evil('C:\\planted'), evil('C:../planted')]],
    verdict: { confined: () => ({ '..\\..\\planted': PLANTED, 'C:\\planted': PLANTED, 'C:../planted': PLANTED }) },
  },
  {
    mechanism: 'name',
    name: 'names that only look like the same (Unicode, case, backslash, drive)',
    layers: () => [
      [
        symlink(Buffer.from('\u00e9'), '../outside'),
        evil(Buffer.from('e\u0301/secret')),
        evil('C:/../x\\..\\..\\secret'),
        dir('D'),
        evil('d/secret'),
      ],
    ],
    verdict: { confined: () => ({ 'x\\..\\..\\secret': PLANTED, 'd/secret': PLANTED }) },
  },
  {
    mechanism: 'PAX header',
    name: 'a NUL in a PAX path',
    layers: (out) => [[paxHeader({ path: `a\0${UP}${out}/planted` }), raw('a', '0')]],
    verdict: UNREADABLE,
  },
  {
    mechanism: 'PAX header',
    name: 'a PAX path that climbs',
    layers: (out) => [[paxHeader({ path: `${UP}${out}/planted` }), raw('a', '0')]],
    verdict: ESCAPE,
  },
  {
    mechanism: 'PAX header',
    name: 'a global PAX path',
    layers: (out) => [[paxHeader({ path: `${out}/planted` }, 'g'), raw('a', '0')]],
    verdict: { confined: () => ({ a: 'file 777 ' }) },
  },
];

const mark = (name: string): TarMember => file(name, 'evil', { mode: 0o777 });

const whiteouts: readonly Attack[] = [
  { mechanism: 'whiteout', name: 'whiteout above the root', layers: () => [[file('../.wh.secret')]], verdict: ESCAPE },
  {
    mechanism: 'whiteout',
    name: 'opaque mark above the root',
    layers: () => [[file('../.wh..wh..opq')]],
    verdict: ESCAPE,
  },
  ...['.wh..', '.wh...', 'd/.wh..', 'd/.wh...', '.wh.'].map(
    (path): Attack => ({
      mechanism: 'whiteout',
      name: `whiteout ${path} of a directory itself or its parent`,
      layers: () => [[dir('d'), file('d/kept')], [file(path)]],
      verdict: INVALID,
    }),
  ),
  {
    mechanism: 'whiteout',
    name: 'a whiteout of the root in three ways',
    layers: () => [[dir('a')], [mark('.wh..'), mark('.wh...'), mark('.wh.')]],
    verdict: INVALID,
  },
  {
    mechanism: 'whiteout',
    name: 'a whiteout of the parent',
    layers: () => [[dir('a')], [mark('a/.wh...'), mark('a/.wh.../x')]],
    verdict: INVALID,
  },
  {
    mechanism: 'whiteout',
    name: 'a whiteout with a path',
    layers: (out) => [[dir('a')], [mark(`.wh.${UP}${out}/secret`)]],
    verdict: ESCAPE,
  },
  {
    mechanism: 'whiteout',
    name: 'a whiteout through a symlink of a lower layer',
    layers: (out) => [[symlink('link', out)], [mark('link/.wh.secret')]],
    verdict: CONFINED,
  },
  {
    mechanism: 'whiteout',
    name: 'an opaque mark through a symlink of a lower layer',
    layers: (out) => [[symlink('link', out)], [opaque('link')]],
    verdict: CONFINED,
  },
  {
    mechanism: 'whiteout',
    name: 'a whiteout through a symlink of its own layer',
    layers: (out) => [[symlink('link', out), mark('link/.wh.secret')]],
    verdict: CONFINED,
  },
  {
    mechanism: 'whiteout',
    name: 'symlink in one layer, a whiteout and an opaque mark through it in the next',
    layers: (out) => [
      [symlink('l', out), file('kept')],
      [file('l/.wh.secret'), file('l/.wh..wh..opq')],
    ],
    verdict: CONFINED,
  },
  {
    mechanism: 'whiteout',
    name: 'whiteout of a symlink to outside',
    layers: (out) => [[symlink('l', out)], [file('.wh.l')]],
    verdict: CONFINED,
  },
  {
    mechanism: 'whiteout',
    name: 'opaque mark on a symlink to outside',
    layers: (out) => [[symlink('l', out), file('l/.wh..wh..opq')]],
    verdict: CONFINED,
  },
];

/** Attacks by what an entry is called. */
export const NAME_ATTACKS: readonly Attack[] = [...climbing, ...rootEntries, ...rawRootEntries, ...names, ...whiteouts];
