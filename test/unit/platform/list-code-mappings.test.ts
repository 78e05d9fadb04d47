import { expect, it } from 'vitest';
import { listCodeMappings } from '../../../src/platform/page-out-code.ts';

interface Mapped {
  readonly mode?: string;
  readonly name?: string;
  readonly residentKb?: number;
  readonly anonymousKb?: number;
}

const CODE = '/usr/lib/sealift/lib/node';

function mapped({ mode = 'r-xp', name = CODE, residentKb = 8, anonymousKb = 0 }: Mapped): string {
  return `00400000-00404000 ${mode} 00001000 fe:00 1234                       ${name}
Size:                 16 kB
Rss:                   ${residentKb} kB
Pss:                   4 kB
Anonymous:             ${anonymousKb} kB
AnonHugePages:         0 kB
VmFlags: rd ex mr mw me
`;
}

it('lists code and constants of files', () => {
  const name = '/opt/a folder/libc.so.6';
  expect(listCodeMappings(mapped({}) + mapped({ mode: 'r--p', name, residentKb: 16 }))).toEqual([
    { path: CODE, address: 0x400000n, bytes: 0x4000n, residentBytes: 8192 },
    { path: name, address: 0x400000n, bytes: 0x4000n, residentBytes: 16_384 },
  ]);
});

it.each<[string, Mapped]>([
  ['can be written', { mode: 'rw-p' }],
  ['can be written and run', { mode: 'rwxp' }],
  ['is shared', { mode: 'r--s' }],
  ['cannot be read', { mode: '---p' }],
  ['has pages that were written once', { mode: 'r--p', anonymousKb: 4 }],
  ['has no page in memory', { residentKb: 0 }],
  ['is not a file', { name: '[vdso]' }],
  ['has no name', { name: '' }],
  ['is a file without a name', { name: `${CODE} (deleted)` }],
])('leaves out a mapping that %s', (_, each) => {
  expect(listCodeMappings(mapped(each) + mapped({}))).toHaveLength(1);
});
