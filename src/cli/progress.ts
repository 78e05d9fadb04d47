import { redact } from '../errors/index.ts';
import type { ProgressEvent } from '../pull/index.ts';
import { formatBytes } from './format-bytes.ts';
import type { OutputStream } from './types.ts';

type LayerEvent = Extract<ProgressEvent, { readonly type: 'layer' }>;

const REDRAW_INTERVAL_MS = 100;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
const DIGEST_CHARACTERS = 12;

/** Draws one layer as a line of at most `columns` − 1 characters, so that no terminal wraps it. */
export function renderLayer(event: LayerEvent, columns: number): string {
  const name = event.digest.slice(event.digest.indexOf(':') + 1).slice(0, DIGEST_CHARACTERS);
  const head = `${name} ${event.state.padEnd(9)}`;
  const tail = `${formatBytes(event.bytes)} / ${formatBytes(event.total)}`.padStart(19);
  const width = Math.min(columns - 1 - head.length - tail.length - 4, 40);
  if (width < 5) return `${head} ${tail}`.slice(0, columns - 1);
  const share = event.total > 0 ? Math.min(event.bytes / event.total, 1) : 1;
  const filled = Math.floor(share * width);
  return `${head} [${'='.repeat(filled).padEnd(width)}] ${tail}`;
}

/** Draws the layers in their order. When they do not fit, it draws the layers under way and counts the finished ones. */
export function renderLayers(layers: readonly LayerEvent[], columns: number, rows: number): readonly string[] {
  const room = Math.max(rows - 2, 1);
  if (layers.length <= room) return layers.map((layer) => renderLayer(layer, columns));
  const active = layers.filter((layer) => layer.state === 'fetching' || layer.state === 'verifying');
  const finished = layers.filter((layer) => layer.state === 'done' || layer.state === 'cached').length;
  const shown = active.slice(0, room - 1).map((layer) => renderLayer(layer, columns));
  return [...shown, `${finished} of ${layers.length} layers done`.slice(0, columns - 1)];
}

export interface Progress {
  readonly onEvent: (event: ProgressEvent) => void;
  /** Draws the last state. Later events draw nothing. */
  readonly close: () => void;
}

/** Draws bars on a terminal, and prints each warning once on any stream. With `quiet` it prints warnings only. */
export function createProgress(options: {
  readonly stream: OutputStream;
  readonly quiet: boolean;
  readonly now: () => number;
}): Progress {
  const { stream, quiet, now } = options;
  const layers = new Map<string, LayerEvent>();
  const warnings = new Set<string>();
  const visible = stream.isTTY === true && !quiet;
  let drawnLines = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let closed = false;

  const erase = (): string => (drawnLines > 0 ? `\u001b[${drawnLines}A\u001b[J` : '');
  const draw = (above = ''): void => {
    // A pseudo-terminal without a size reports 0.
    const [columns, rows] = [stream.columns || DEFAULT_COLUMNS, stream.rows || DEFAULT_ROWS];
    const lines = visible ? renderLayers([...layers.values()], columns, rows) : [];
    const text = erase() + above + lines.map((line) => `${line}\n`).join('');
    drawnLines = lines.length;
    drawnAt = now();
    if (text !== '') stream.write(text);
  };
  const onLayer = (event: LayerEvent): void => {
    const changed = layers.get(event.digest)?.state !== event.state;
    layers.set(event.digest, event);
    if (visible && (changed || now() - drawnAt >= REDRAW_INTERVAL_MS)) draw();
  };
  const onWarning = (message: string): void => {
    if (warnings.has(message)) return;
    warnings.add(message);
    draw(`warning: ${redact(message)}\n`);
  };
  return {
    onEvent: (event) => {
      if (closed) return;
      if (event.type === 'layer') onLayer(event);
      if (event.type === 'warning') onWarning(event.message);
    },
    close: () => {
      if (visible && !closed && layers.size > 0) draw();
      closed = true;
    },
  };
}
