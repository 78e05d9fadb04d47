import { gzipSync } from 'node:zlib';
import type { PullBed } from '../../support/beds/pull-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import type { FaultAction } from '../../support/registries/fake-registry.ts';
import type { PullRow } from './pull-row.ts';

const PING = /^\/v2\/$/;
const ALWAYS = 1_000;
/** Longer than a buffer of the network, so that it can break off in the middle. */
const CONTENT = Buffer.alloc(300_000, 'some content of a file\n');

function served(bed: PullBed) {
  return bed.serveImage([[file('f', CONTENT)]]);
}

/** An image on a registry that always answers requests that match with `action`. */
function faulty(match: RegExp, action: FaultAction, times = ALWAYS): PullRow['serve'] {
  return (bed) => {
    const { digest } = served(bed);
    bed.registry.inject({ match, times, action });
    return digest;
  };
}

const status = (code: number, headers = {}): FaultAction => ({ kind: 'answer', status: code, headers });
const LABEL: FaultAction = { kind: 'headers', headers: { 'content-encoding': 'gzip' } };
const ENCODE: FaultAction = { kind: 'encode', encoding: 'gzip', encode: gzipSync };

/** The first response with the layer breaks off, and requests for the rest are answered with `action`. */
function breaking(action: FaultAction): PullRow['serve'] {
  return (bed) => {
    const { digest, layers } = served(bed);
    const match = new RegExp(layers.join('|'));
    bed.registry.inject({ match, action: { kind: 'close', afterBytes: 300 } });
    bed.registry.inject({ match, range: /^bytes=[1-9]/, times: ALWAYS, action });
    return digest;
  };
}

/** The others of Debian 12 are stricter with registries than Sealift is; later versions of some resume downloads. */
const ONLY_SEALIFT: PullRow['verdicts'] = {
  sealift: 'pulls',
  skopeo: 'refuses',
  podman: 'refuses',
  containerd: 'refuses',
};

/** containerd sends no ping. */
const PING_DECIDES: PullRow['verdicts'] = { ...ONLY_SEALIFT, containerd: 'pulls' };

/** Inputs that depend on the registry. */
export const REGISTRY_ROWS: readonly PullRow[] = [
  ...[403, 404, 405, 500].map((code) => ({
    title: `a registry that answers GET /v2/ with ${code}`,
    serve: faulty(PING, status(code)),
    verdicts: PING_DECIDES,
  })),
  {
    title: 'a registry that redirects GET /v2/ to a log-in page',
    serve: faulty(PING, status(302, { location: '/login' })),
    verdicts: PING_DECIDES,
  },
  {
    title: 'a manifest labelled as gzip that is not',
    serve: faulty(/\/manifests\//, LABEL),
    verdicts: ONLY_SEALIFT,
  },
  {
    title: 'a layer labelled as gzip, which it is by itself',
    serve: faulty(/\/blobs\//, LABEL),
    verdicts: ONLY_SEALIFT,
  },
  {
    title: 'a manifest that is sent with gzip',
    serve: faulty(/\/manifests\//, ENCODE),
    verdicts: { ...ONLY_SEALIFT, skopeo: 'pulls', podman: 'pulls' },
  },
  { title: 'a break, and 416 to the rest', serve: breaking(status(416)), verdicts: ONLY_SEALIFT },
  {
    title: 'a break, and another range than the rest',
    serve: breaking({ kind: 'headers', headers: { 'content-range': 'bytes 0-9/10' } }),
    verdicts: ONLY_SEALIFT,
  },
  {
    title: 'a dead token that is answered with 400',
    auth: { kind: 'bearer' },
    serve: faulty(/\/manifests\//, status(400), 1),
    verdicts: ONLY_SEALIFT,
  },
];
