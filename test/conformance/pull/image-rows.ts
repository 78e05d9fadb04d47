import { gzipSync } from 'node:zlib';
import { PLATFORM, type PullBed } from '../../support/beds/pull-bed.ts';
import {
  entryOf,
  OCI,
  type OddImage,
  oddLayer,
  serveDocument,
  serveOddImage,
} from '../../support/builders/odd-image.ts';
import { dir, file, hardlink } from '../../support/builders/tar-builder.ts';
import { othersPull, type PullRow } from './pull-row.ts';

const FILES = [dir('./'), file('f', 'content')];
const LAYER = oddLayer(FILES);
const LOWEST_TIME = { mtime: { seconds: -(2 ** 63) }, format: 'gnu' } as const;

const serving = (image: OddImage) => (bed: PullBed) => serveOddImage(bed, image).digest;

function listing(image: OddImage): PullRow['serve'] {
  return (bed) => {
    const entry = entryOf(serveOddImage(bed, image), { platform: PLATFORM });
    return serveDocument(bed, OCI.index, { schemaVersion: 2, mediaType: OCI.index, manifests: [entry] }).digest;
  };
}

const SPARSE = [
  ['0.1', { 'GNU.sparse.size': '9000', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '5000,4' }, 'data'],
  [
    '1.0',
    { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9000' },
    `${'1\n5000\n4\n'.padEnd(512, '\0')}data`,
  ],
] as const;

/** Inputs that builders make. */
export const IMAGE_ROWS: readonly PullRow[] = [
  { title: 'an ordinary image', serve: serving({ layers: [LAYER] }), verdicts: othersPull('pulls') },
  {
    title: 'an index whose image says another architecture',
    serve: listing({ layers: [LAYER], config: { architecture: 's390x' } }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'an index whose image says no platform',
    serve: listing({ layers: [LAYER], config: { os: undefined, architecture: '' } }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'a manifest for another architecture',
    serve: serving({ layers: [LAYER], config: { architecture: 's390x' } }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'a manifest that says no platform',
    serve: serving({ layers: [LAYER], config: { os: '', architecture: undefined } }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'no layers, as Go writes nothing',
    serve: serving({ layers: [], manifest: { layers: null }, config: { rootfs: { type: '', diff_ids: null } } }),
    verdicts: othersPull('pulls'),
  },
  {
    title: 'no layers and no word of them',
    serve: serving({ layers: [], manifest: { layers: undefined }, config: { rootfs: undefined } }),
    verdicts: othersPull('pulls'),
  },
  {
    title: 'a relative VOLUME and .. in WORKDIR',
    serve: serving({ layers: [LAYER], config: { config: { Volumes: { data: {} }, WorkingDir: '/app/../srv' } } }),
    verdicts: othersPull('pulls'),
  },
  {
    title: 'a gzip layer that is called plain',
    serve: serving({ layers: [{ ...LAYER, mediaType: OCI.layer }] }),
    verdicts: { ...othersPull('pulls with a warning'), containerd: 'refuses' },
  },
  {
    title: 'a plain layer that is called gzip',
    serve: serving({ layers: [oddLayer(FILES, { compression: 'none', mediaType: `${OCI.layer}+gzip` })] }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'a zstd layer that is called gzip',
    serve: serving({ layers: [oddLayer(FILES, { compression: 'zstd', mediaType: `${OCI.layer}+gzip` })] }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'a gzip layer that is called zstd',
    serve: serving({ layers: [oddLayer(FILES, { mediaType: `${OCI.layer}+zstd` })] }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'hard links into aufs’s directory of links',
    serve: serving({
      layers: [oddLayer([...FILES, file('.wh..wh.plnk/1', 'kept'), hardlink('a', '.wh..wh.plnk/1')])],
    }),
    verdicts: othersPull('pulls with a warning'),
  },
  {
    title: 'a time of −2⁶³',
    serve: serving({ layers: [oddLayer([...FILES, file('old', '', LOWEST_TIME)])] }),
    verdicts: othersPull('pulls'),
  },
  {
    title: 'a file whose name ends in a slash',
    serve: serving({ layers: [oddLayer([...FILES, file('slash/', '')])] }),
    verdicts: othersPull('pulls'),
  },
  ...SPARSE.map(([version, pax, content]) => ({
    title: `a sparse file in format ${version}`,
    serve: serving({ layers: [oddLayer([...FILES, file('sparse', content, { pax })])] }),
    verdicts: othersPull('pulls'),
  })),
  {
    title: 'a layer of garbage',
    serve: serving({ layers: [{ ...LAYER, blob: gzipSync('not an archive') }] }),
    verdicts: { sealift: 'refuses', skopeo: 'pulls', podman: 'refuses', containerd: 'refuses' },
  },
];
