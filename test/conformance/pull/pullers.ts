import { mkdirSync, writeFileSync } from 'node:fs';
import { SealiftError } from '../../../src/errors/index.ts';
import type { PullBed } from '../../support/beds/pull-bed.ts';
import { hasCommand, IS_ROOT, runCommand } from '../../support/machine/commands.ts';
import { Containerd } from '../../support/oracles/containerd.ts';

export const PULLERS = ['sealift', 'skopeo', 'podman', 'containerd'] as const;

export type PullerName = (typeof PULLERS)[number];

/** `pulls with a warning` is said of Sealift only, whose warnings a table can expect. */
export type Verdict = 'pulls' | 'pulls with a warning' | 'refuses';

export interface PullOutcome {
  readonly verdict: Verdict;
  /** What the program said, for a failing test. */
  readonly output: string;
}

/** One program that pulls; `reference` is `HOST/app:TAG` or `HOST/app@DIGEST` of the bed's registry. */
export interface Puller extends AsyncDisposable {
  readonly name: PullerName;
  pull(bed: PullBed, reference: string): Promise<PullOutcome>;
}

/** Opens the programs that this machine has, and says which are missing. Each uses folders of the bed or of its own. */
export async function openPullers(): Promise<{ readonly pullers: readonly Puller[]; readonly missing: PullerName[] }> {
  const pullers: Puller[] = [SEALIFT];
  if (hasCommand('skopeo')) pullers.push(SKOPEO);
  if (hasCommand('podman') && IS_ROOT) pullers.push(PODMAN);
  if (hasCommand('containerd') && hasCommand('ctr') && IS_ROOT) pullers.push(await openContainerd());
  const missing = PULLERS.filter((name) => !pullers.some((puller) => puller.name === name));
  return { pullers, missing };
}

const nothing = async (): Promise<void> => {};

const SEALIFT: Puller = {
  name: 'sealift',
  async pull(bed, reference) {
    const tagOrDigest = reference.slice(bed.reference('').length);
    const target = { kind: 'unpack', directory: bed.path('tree') } as const;
    try {
      const { warnings } = await bed.pull(tagOrDigest, target, { settings: { 'store.root': undefined as never } });
      return { verdict: warnings.length > 0 ? 'pulls with a warning' : 'pulls', output: warnings.join('\n') };
    } catch (error) {
      if (!(error instanceof SealiftError)) throw error;
      return { verdict: 'refuses', output: `${error.code}: ${error.message}` };
    }
  },
  [Symbol.asyncDispose]: nothing,
};

const SKOPEO: Puller = {
  name: 'skopeo',
  async pull(bed, reference) {
    const flags = ['--insecure-policy', 'copy', '--src-tls-verify=false'];
    return outcomeOf(await runCommand('skopeo', [...flags, `docker://${reference}`, `dir:${bed.path('skopeo')}`]));
  },
  [Symbol.asyncDispose]: nothing,
};

const PODMAN: Puller = {
  name: 'podman',
  async pull(bed, reference) {
    const home = bed.path('podman');
    mkdirSync(`${home}/.config/containers`, { recursive: true });
    writeFileSync(`${home}/.config/containers/policy.json`, '{"default":[{"type":"insecureAcceptAnything"}]}');
    const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home };
    const folders = ['--root', `${home}/root`, '--runroot', `${home}/run`, '--storage-driver', 'vfs'];
    return outcomeOf(await runCommand('podman', [...folders, 'pull', '--tls-verify=false', reference], { env }));
  },
  [Symbol.asyncDispose]: nothing,
};

async function openContainerd(): Promise<Puller> {
  const containerd = await Containerd.start();
  let pulls = 0;
  return {
    name: 'containerd',
    async pull(_, reference) {
      pulls += 1;
      return outcomeOf(await containerd.pull(reference, `pull-${pulls}`));
    },
    [Symbol.asyncDispose]: () => containerd[Symbol.asyncDispose](),
  };
}

function outcomeOf({ code, stderr }: { readonly code: number | null; readonly stderr: string }): PullOutcome {
  return { verdict: code === 0 ? 'pulls' : 'refuses', output: stderr };
}
