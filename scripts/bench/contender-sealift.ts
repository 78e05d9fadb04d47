import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotTakePart, type Contender, pinnedReference, type Run } from './contender.ts';

export type SealiftVariant = 'erofs' | 'erofs-verity' | 'directory';

export const SEALIFT_NAMES: Readonly<Record<SealiftVariant, string>> = {
  erofs: 'Sealift, EROFS',
  'erofs-verity': 'Sealift, EROFS with tree',
  directory: 'Sealift, directory',
};

/** The built program with bundle and mounted root. The state is in memory, as in a guest. */
export function createSealift(program: string, variant: SealiftVariant): Contender {
  const format = variant === 'directory' ? 'directory' : 'erofs';
  return {
    name: SEALIFT_NAMES[variant],
    kind: 'ours',
    needs: [],
    steps: (run) => [
      {
        command: [
          program,
          'pull',
          pinnedReference(run),
          '--tls-verify=false',
          '--bundle',
          join(run.folder, 'bundle'),
          '--json',
        ],
        env: {
          SEALIFT_STORE_DATA: join(run.folder, 'data'),
          SEALIFT_STORE_STATE: join(run.stateFolder, 'state'),
          SEALIFT_STORE_LAYER_FORMAT: format,
          SEALIFT_STORE_VERITY: variant === 'erofs-verity' ? 'always' : 'never',
        },
      },
    ],
    results(run, output) {
      assertFormat(output, format);
      if (format === 'erofs') assertTrees(run, variant === 'erofs-verity');
      return [join(run.folder, 'bundle/rootfs')];
    },
  };
}

/** Another build of Sealift, in the form that is reported for this one. */
export function createBaseline(folder: string): Contender {
  return { ...createSealift(join(folder, 'sealift'), 'erofs'), name: 'Sealift, baseline', kind: 'peer' };
}

/** A build that does not report its layer format knows only the directory format. */
function assertFormat(output: string, wanted: 'erofs' | 'directory'): void {
  const { result } = JSON.parse(output) as { readonly result?: { readonly layerFormat?: string } };
  const format = result?.layerFormat ?? 'directory';
  if (format !== wanted) throw new CannotTakePart(`asked for ${wanted}, this Sealift made ${format}`);
}

function assertTrees(run: Run, wanted: boolean): void {
  const folder = join(run.stateFolder, 'state/layers');
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
    // The line after the document is its checksum.
    const [document = ''] = readFileSync(join(folder, name)).toString().split('\n');
    const record = JSON.parse(document) as { readonly key?: string; readonly image?: { verity?: unknown } };
    // The paths of a layer lie beside its record.
    if (record.key === undefined) continue;
    const hasTree = record.image?.verity !== undefined && record.image.verity !== null;
    if (hasTree !== wanted) {
      throw new CannotTakePart(`asked for layers ${wanted ? 'with' : 'without'} a verity tree, got the other`);
    }
  }
}
