import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../../src/cli/create-program.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { runBench } from '../../unit/cli/cli-bench.ts';

const COMPLETE_LINE = fileURLToPath(new URL('../../support/entries/complete-line.zsh', import.meta.url));

/** Names that shells split at : and @. */
const NAMES = ['localhost:5000/app:1', 'b.io/x@sha256:cd', 'c.io/y:2'];
const IMAGES = {
  schema: 1,
  result: { images: [{ names: NAMES.slice(0, 2) }, { names: [] }, { names: NAMES.slice(2) }] },
};

type Offers = (lines: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>;

describe('shell completion', () => {
  const scratch = new Scratch('completion');
  const env = { PATH: `${scratch.path}:${process.env['PATH']}`, HOME: scratch.path, TERM: 'dumb' };

  beforeAll(async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      writeFileSync(scratch.join(shell), (await runBench(['completion', shell])).stdout);
    }
    mkdirSync(scratch.join('dir'));
    writeFileSync(scratch.join('file.json'), '');
    // Replaces the program, whose answer is all that the scripts use, and records the arguments.
    const program = `#!/bin/sh\nprintf '%s\\n' "$*" >>"${scratch.join('asked')}"\necho '${JSON.stringify(IMAGES)}'\n`;
    writeFileSync(scratch.join('sealift'), program, { mode: 0o755 });
  });

  afterAll(() => scratch[Symbol.dispose]());

  /** Reads blocks of `LINE:…`, each followed by what is offered. */
  function readOffers(text: string): ReadonlyMap<string, readonly string[]> {
    const parts = text.split(/^LINE:/m).slice(1);
    return new Map(
      parts.map((part) => {
        const [line = '', ...offers] = part.split('\n');
        return [line, [...new Set(offers.filter((offer) => offer !== ''))].sort()];
      }),
    );
  }

  const SHELLS: Readonly<Record<string, Offers>> = {
    bash: async (lines) => {
      const script = `source "$0"
for line; do
  COMP_LINE=$line COMP_POINT=\${#line}
  _sealift
  echo "LINE:$line"
  printf '%s\\n' "\${COMPREPLY[@]}"
done`;
      const run = ['--norc', '-c', script, scratch.join('bash'), ...lines];
      return readOffers((await mustRun('bash', run, { env, cwd: scratch.path })).toString());
    },
    zsh: async (lines) => {
      const run = ['-f', COMPLETE_LINE, scratch.join('zsh'), ...lines];
      return readOffers((await mustRun('zsh', run, { env, cwd: scratch.path })).toString());
    },
    fish: async (lines) => {
      const script = `source ${scratch.join('fish')}
for line in $argv
  echo "LINE:$line"
  complete -C $line | string split --fields 1 \\t
end
true`;
      const run = ['--no-config', '-c', script, ...lines];
      return readOffers((await mustRun('fish', run, { env, cwd: scratch.path })).toString());
    },
  };

  /** Visits every command as commander defines it, independently of the data that the scripts were made from. */
  function eachCommand(command: Command, path: readonly string[] = ['sealift']): [string, Command][] {
    return [
      [path.join(' '), command],
      ...command.commands.flatMap((each) => eachCommand(each, [...path, each.name()])),
    ];
  }

  const program = createProgram({} as never, {
    ...{ version: '', cwd: '/', askPassword: undefined, finish: () => {}, writeHelp: () => {} },
    begin: () => expect.unreachable(),
  });

  describe.each(Object.keys(SHELLS))('in %s', (shell) => {
    describeWith([shell], 'with its script', () => {
      const offers: Offers = (lines) => SHELLS[shell]?.(lines) ?? Promise.reject(new Error(shell));

      it('offers every command and every flag that there is', async () => {
        const commands = eachCommand(program);
        expect(commands.length).toBeGreaterThan(10);
        const all = await offers(commands.flatMap(([path]) => [`${path} `, `${path} --`]));
        for (const [path, command] of commands) {
          const names = command.commands.map((each) => each.name());
          if (names.length > 0) expect(all.get(`${path} `)).toEqual([...names, 'help'].sort());
          const flags = command.options.flatMap(({ long }) => (long === undefined ? [] : [long]));
          expect(all.get(`${path} --`), path).toEqual(expect.arrayContaining([...flags, '--help']));
        }
      });

      it('offers what fits: choices, files, directories, names of images', async () => {
        const all = await offers([
          ...['sealift p', 'sealift store ', 'sealift completion ', 'sealift pull --policy f', 'sealift pull -c f'],
          ...['sealift umount ', 'sealift pull --bundle ', 'sealift pull --platform ', 'sealift rm ', 'sealift help s'],
          ...['sealift pull --insecure-policy --store dir x --unp', 'sealift pull --bundle pull --raw'],
        ]);
        const directory = shell === 'fish' ? 'dir/' : 'dir';
        expect(Object.fromEntries(all)).toEqual({
          'sealift p': ['policy', 'prune', 'pull'],
          'sealift store ': ['help', 'status'],
          'sealift completion ': ['bash', 'fish', 'zsh'],
          'sealift pull --policy f': expect.arrayContaining(['file.json']),
          'sealift pull -c f': expect.arrayContaining(['file.json']),
          'sealift umount ': [directory],
          'sealift pull --bundle ': [directory],
          'sealift pull --platform ': [],
          'sealift rm ': [...NAMES].sort(),
          'sealift help s': ['store'],
          'sealift pull --insecure-policy --store dir x --unp': ['--unpack'],
          // The value of a flag is no command.
          'sealift pull --bundle pull --raw': [],
        });
      });

      it('offers true and false behind = only', async () => {
        const line = 'sealift pull --tls-verify=';
        const values = ((await offers([line])).get(line) ?? []).map((offer) => offer.replace('--tls-verify=', ''));
        expect(values).toEqual(['false', 'true']);
      });
    });
  });

  describeWith(['bash'], 'in bash, which splits words at : = @', () => {
    it.each([
      ['sealift rm local', ['localhost:5000/app:1']],
      ['sealift rm localhost:5', ['5000/app:1']],
      ['sealift rm localhost:5000/app:', ['1']],
      ['sealift rm b.io/x@', ['sha256:cd']],
      ['sealift rm b.io/x@sha256:', ['cd']],
      ['sealift pull --bundle=d', ['dir']],
      ['sealift pull --tls-verify=f', ['false']],
      ['sealift rm -- --', []],
    ])('%s', async (line, expected) => {
      expect((await SHELLS['bash']?.([line]))?.get(line)).toEqual(expected);
    });

    it('asks for the images of the store that the line is about', async () => {
      writeFileSync(scratch.join('asked'), '');
      await SHELLS['bash']?.(['sealift rm --store /mnt/x -c f.toml ', 'sealift rm --daemon --config-file=g.toml ']);
      const asked = (await mustRun('cat', [scratch.join('asked')])).toString();
      expect(asked).toBe('images --json --store /mnt/x -c f.toml\nimages --json --daemon --config-file=g.toml\n');
    });
  });
});
