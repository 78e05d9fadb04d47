import type { Removal } from '../../pull/index.ts';
import { formatBytes } from '../format-bytes.ts';
import type { CommandOutcome } from '../types.ts';

/** What `rm` and `prune` print. */
export function describeRemoval(result: Removal): CommandOutcome {
  return { result, output: () => formatRemoved(result), remarks: () => formatRemovalRemark(result) };
}

/** Prints the removed names and digests, one on a line. */
function formatRemoved({ names, images }: Removal): string {
  return [...names, ...images].map((thing) => `${thing}\n`).join('');
}

function formatRemovalRemark({ names, images, layers, uppers, freedBytes }: Removal): string {
  const counts = [
    count(names.length, 'name'),
    count(images.length, 'image'),
    count(layers.length, 'layer'),
    count(uppers, 'writable layer'),
  ];
  return `removed ${counts.join(', ')}; ${formatBytes(freedBytes)} freed\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
