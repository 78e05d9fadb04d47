import { redact } from '../../errors/index.ts';
import { formatBytes } from '../format-bytes.ts';
import type { StoreStatusResult } from '../types.ts';

const LABEL_WIDTH = 11;

/** One fact on a line, those that there are. */
export function formatStoreStatus(status: StoreStatusResult): string {
  const facts = [...placeFacts(status), ...deviceFacts(status), ...contentFacts(status)];
  // Texts of errors and paths are in it.
  return facts.map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${redact(text)}\n`).join('');
}

type Fact = readonly [label: string, text: string];

function placeFacts({ state, place, error }: StoreStatusResult): Fact[] {
  const where = place === undefined ? 'none: pulls are refused' : `${place.kind}, ${place.directory}`;
  return [
    ['state', state],
    ['store', where],
    ...(place === undefined ? [] : [['reason', place.reason] as const]),
    ...(error === undefined
      ? []
      : ([
          ['error', `${error.message} [${error.code}]`],
          ['what to do', error.hint],
        ] as const)),
  ];
}

function deviceFacts({ device, mapping, cipher, integrity }: StoreStatusResult): Fact[] {
  if (device === undefined) return [];
  const { deviceId, path, bytes, sectorBytes } = device;
  return [
    ['device', `${deviceId} ${path}, ${formatBytes(bytes)}, sectors of ${sectorBytes} bytes`],
    ...(mapping === undefined ? [] : [['mapping', `${mapping.name}, ${formatBytes(mapping.bytes)}`] as const]),
    ...(cipher === undefined ? [] : [['cipher', cipher] as const]),
    ...(integrity === undefined ? [] : [['integrity', integrity] as const]),
  ];
}

function contentFacts({ space, images, layers, mounts }: StoreStatusResult): Fact[] {
  const size =
    space === undefined
      ? []
      : [
          [
            'space',
            `${formatBytes(space.usedBytes)} of ${formatBytes(space.sizeBytes)} used, ${formatBytes(space.availableBytes)} free`,
          ] as const,
        ];
  return [...size, ['content', `images: ${images}, layers: ${layers}, mounted: ${mounts}`]];
}
