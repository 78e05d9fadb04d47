import { char, dir, fifo, file, hardlink, rawHeader, symlink } from '../builders/tar-builder.ts';
import { type Attack, CONFINED, evil, INVALID, PLANTED, UP } from './attack.ts';

const raw = (name: string, type: string): Buffer => rawHeader({ name, type, mode: 0o777 });
const inside = (outside: string): string => outside.slice(1);

const hardLinks: readonly Attack[] = [
  {
    mechanism: 'hard link',
    name: 'hard link to a file outside, by absolute path',
    layers: (out) => [[hardlink('h', `${out}/secret`), evil('h')]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'hard link relative to the working directory',
    layers: () => [[hardlink('h', 'package.json')]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'hard link relative to its own directory',
    layers: () => [[file('d/f'), hardlink('d/h', 'f')]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'hard link through a symlink to outside',
    layers: (out) => [[symlink('l', out), hardlink('h', 'l/secret')]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'hard link through a chain of symlinks (CVE-2026-26960)',
    layers: () => [[dir('d'), symlink('d/up', '..'), symlink('up2', 'd/up/..'), hardlink('h', 'up2/secret')]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'a hard link with a mode onto a file outside',
    layers: (out) => [[hardlink('link', `${out}/secret`, { mode: 0o7777, uid: 99 })]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'a hard link that climbs to the top',
    layers: (out) => [[hardlink('link', `${UP}${out}/secret`), evil('link')]],
    verdict: { refused: 'UNPACK_PATH_ESCAPE' },
  },
  {
    mechanism: 'hard link',
    name: 'a hard link from where the program runs',
    layers: () => [[hardlink('link', 'secret', { mode: 0o7777 })]],
    verdict: INVALID,
  },
  {
    mechanism: 'hard link',
    name: 'a hard link to a symlink, with a mode',
    layers: (out) => [[symlink('a', `${out}/secret`), hardlink('b', 'a', { mode: 0o7777 }), evil('b')]],
    verdict: { confined: (out) => ({ a: `symlink ${out}/secret`, b: PLANTED }) },
  },
  {
    mechanism: 'hard link',
    name: 'hard link to a symlink, then a file over it and attributes on it',
    layers: (out) => [[symlink('l', `${out}/secret`, { uid: 9, mode: 0o777 }), hardlink('h', 'l'), evil('h')]],
    verdict: { confined: (out) => ({ l: `symlink ${out}/secret`, h: PLANTED }) },
  },
  {
    mechanism: 'hard link',
    name: 'a hard link through a symlink, with a mode',
    layers: (out) => [[symlink('a', out), hardlink('b', 'a/secret', { mode: 0o7777, uid: 99 })]],
    verdict: INVALID,
  },
];

const symlinks: readonly Attack[] = [
  {
    mechanism: 'symlink',
    name: 'endless symlinks',
    layers: () => [[symlink('a', 'b'), symlink('b', 'a'), evil('a/x')]],
    verdict: INVALID,
  },
  {
    mechanism: 'symlink',
    name: 'file through an absolute symlink to a directory',
    layers: (out) => [[symlink('l', out), evil('l/secret')]],
    verdict: { confined: (out) => ({ l: `symlink ${out}`, [`${inside(out)}/secret`]: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'file through a climbing symlink',
    layers: () => [[symlink('l', '../outside'), evil('l/secret')]],
    verdict: { confined: () => ({ l: 'symlink ../outside', 'outside/secret': PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'a file through a symlink that climbs to the top',
    layers: (out) => [[symlink('link', `${UP}${out}`), evil('link/planted')]],
    verdict: { confined: (out) => ({ [`${inside(out)}/planted`]: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'file through a symlink to the sibling with a common prefix (CVE-2025-48387)',
    layers: () => [[symlink('l', '../root-evil'), evil('l/secret')]],
    verdict: { confined: () => ({ 'root-evil/secret': PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'file over a symlink to a file',
    layers: (out) => [[symlink('l', `${out}/secret`), evil('l')]],
    verdict: { confined: () => ({ l: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'directory over a symlink to a directory, with another mode (CVE-2021-32760)',
    layers: (out) => [[symlink('l', out), dir('l', { mode: 0o777, uid: 9 }), evil('l/secret')]],
    verdict: { confined: () => ({ l: 'directory 777', 'l/secret': PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'chain of symlinks a → b/.., b → c, c → /',
    layers: () => [[symlink('c', '/'), symlink('b', 'c'), symlink('a', 'b/..'), evil('a/secret')]],
    verdict: { confined: () => ({ secret: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'a chain of symlinks that climbs to the top',
    layers: (out) => [
      [symlink('c', '/'), symlink('b', 'c'), symlink('a', `b${UP}`), evil(`a${out}/planted`), evil(`b${out}/planted`)],
    ],
    verdict: { confined: (out) => ({ [`${inside(out)}/planted`]: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'symlink to .. at the root, many times',
    layers: () => [[symlink('u', '..'), evil('u/u/u/u/secret')]],
    verdict: { confined: () => ({ secret: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'symlink to /proc/self/root and to /proc/self/cwd',
    layers: (out) => [
      [symlink('p', '/proc/self/root'), evil(`p${out}/secret`), symlink('w', '/proc/self/cwd'), evil('w/secret')],
    ],
    verdict: {
      confined: (out) => ({ [`proc/self/root${out}/secret`]: PLANTED, 'proc/self/cwd/secret': PLANTED }),
    },
  },
  {
    mechanism: 'symlink',
    name: 'parent that turns from directory into symlink between two files',
    layers: (out) => [[dir('d'), file('d/one'), symlink('d', out), evil('d/secret')]],
    verdict: { confined: (out) => ({ d: `symlink ${out}`, [`${inside(out)}/secret`]: PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'parent that turns from symlink into directory between two files',
    layers: (out) => [[symlink('d', out), evil('d/secret'), dir('d'), evil('d/secret')]],
    verdict: { confined: () => ({ d: 'directory 755', 'd/secret': PLANTED }) },
  },
  {
    mechanism: 'symlink',
    name: 'a device, a fifo and a link through a symlink',
    layers: (out) => [
      [
        symlink('l', out),
        raw('l/fifo', '6'),
        raw('l/dev', '3'),
        symlink('l/sym', '/etc/shadow'),
        hardlink('l/hard', 'l'),
      ],
    ],
    verdict: INVALID,
  },
];

const devices: readonly Attack[] = [
  {
    mechanism: 'device',
    name: 'overlay whiteout device from an image',
    layers: () => [[char('c', 0, 0)]],
    verdict: INVALID,
  },
  {
    mechanism: 'device',
    name: 'fifo over a symlink',
    layers: (out) => [[symlink('l', `${out}/secret`), fifo('l', { mode: 0o666, uid: 9 })]],
    verdict: { confined: () => ({ l: 'fifo 666' }) },
  },
];

const lowerLayers: readonly Attack[] = [
  {
    mechanism: 'lower layer',
    name: 'hard link through a symlink of the layer below',
    layers: (out) => [[symlink('l', out)], [hardlink('h', 'l/secret')]],
    verdict: INVALID,
  },
  {
    mechanism: 'lower layer',
    name: 'a hard link with a mode through a symlink of the layer below',
    layers: (out) => [[symlink('link', out)], [hardlink('b', 'link/secret', { mode: 0o7777 })]],
    verdict: INVALID,
  },
  {
    mechanism: 'lower layer',
    name: 'a hard link to a symlink of the layer below',
    layers: (out) => [[symlink('link', `${out}/secret`)], [hardlink('b', 'link'), evil('b')]],
    verdict: { confined: () => ({ b: PLANTED }) },
  },
  {
    mechanism: 'lower layer',
    name: 'symlink in one layer and a file through it in the next (CVE-2025-45582)',
    layers: (out) => [[symlink('l', out)], [evil('l/secret')]],
    verdict: { confined: (out) => ({ [`${inside(out)}/secret`]: PLANTED }) },
  },
  {
    mechanism: 'lower layer',
    name: 'climbing symlink in one layer and a file through it in the next',
    layers: () => [[dir('d'), symlink('d/l', '../../../outside')], [evil('d/l/secret')]],
    verdict: { confined: () => ({ 'outside/secret': PLANTED }) },
  },
  {
    mechanism: 'lower layer',
    name: 'a symlink to the top in one layer and a file through it in the next',
    layers: (out) => [[symlink('link', `${UP}${out}`)], [evil('link/planted')]],
    verdict: { confined: (out) => ({ [`${inside(out)}/planted`]: PLANTED }) },
  },
  {
    mechanism: 'lower layer',
    name: 'symlink in one layer and a directory over it in the next',
    layers: (out) => [[symlink('l', out)], [dir('l', { mode: 0o777 }), evil('l/secret')]],
    verdict: { confined: () => ({ l: 'directory 777', 'l/secret': PLANTED }) },
  },
  {
    mechanism: 'lower layer',
    name: 'a directory with an owner over a symlink of the layer below',
    layers: (out) => [[symlink('link', out)], [dir('link', { mode: 0o777, uid: 99 })]],
    verdict: { confined: () => ({ link: 'directory 777' }) },
  },
];

const runtime: readonly Attack[] = [
  {
    mechanism: 'overlay mark',
    name: 'overlay marks of its own',
    layers: (out) => [
      [dir('a')],
      [
        dir('a', {
          xattrs: { 'trusted.overlay.redirect': out, 'trusted.overlay.opaque': 'y', 'user.overlay.redirect': out },
        }),
      ],
    ],
    verdict: { confined: () => ({ a: 'directory 755' }) },
  },
  {
    mechanism: 'runtime files',
    name: 'mount points as symlinks',
    layers: (out) => [[...['proc', 'sys', 'dev', 'etc'].map((name) => symlink(name, out)), evil('etc/planted')]],
    verdict: { confined: (out) => ({ [`${inside(out)}/planted`]: PLANTED }) },
  },
  {
    mechanism: 'runtime files',
    name: 'a user database outside',
    layers: (out) => [[dir('etc'), symlink('etc/passwd', `${out}/passwd`), symlink('etc/group', `${UP}${out}/group`)]],
    verdict: CONFINED,
    config: { User: 'outsider' },
  },
];

/** Attacks by what an entry, or one before it, leads to. */
export const LINK_ATTACKS: readonly Attack[] = [...symlinks, ...hardLinks, ...devices, ...lowerLayers, ...runtime];
