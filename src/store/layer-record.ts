import { hash } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import type { PathFactsFile } from '../layer-facts/index.ts';
import { isLayerKey, type LayerKey } from '../layer-formats/index.ts';
import { writeAll } from '../platform/index.ts';
import { CHECK_BYTES, checkLine, readChecked, writeCheckedRecord } from './checked-record.ts';
import { statePath } from './layout.ts';
import {
  listRecords,
  openRecord,
  readUnlessDamaged,
  recordCorrupt,
  removeRecord,
  replaceRecord,
} from './record-file.ts';
import { layerRecordSchema } from './schema.ts';
import type { LayerRecord } from './types.ts';

/** How much is read from the end of a file: enough for nearly every record, and then for each that can be written. */
const TAIL_BYTES = [4 * 1024, 128 * 1024] as const;

/**
 * Reads the record of a layer. Its file begins with the path facts, which may be megabytes and are not read here. A
 * damaged record counts as absent: the layer is made again, which is always correct.
 */
export function readLayerRecord(stateDir: string, key: LayerKey): LayerRecord | undefined {
  const record = readUnlessDamaged(() => readTail(statePath.layer(stateDir, key)));
  return record?.key === key ? record : undefined;
}

function readTail(path: string): LayerRecord | undefined {
  const fd = openRecord(path);
  if (fd === undefined) return undefined;
  try {
    const { size } = fstatSync(fd);
    for (const bytes of TAIL_BYTES) {
      const tail = readEnd(fd, size, Math.min(size, bytes));
      const start = tail.lastIndexOf('\n', tail.length - CHECK_BYTES - 2) + 1;
      if (start > 0 || tail.length === size) return parseTail(path, { tail, start, size });
    }
    throw recordCorrupt(path, `has no record within its last ${TAIL_BYTES[1]} bytes`);
  } finally {
    closeSync(fd);
  }
}

function readEnd(fd: number, size: number, bytes: number): Buffer {
  const tail = Buffer.allocUnsafe(bytes);
  return tail.subarray(0, readSync(fd, tail, 0, bytes, size - bytes));
}

interface RecordTail {
  readonly tail: Buffer;
  /** Offset of the record in `tail`. */
  readonly start: number;
  readonly size: number;
}

/** Facts that were read with the record are checked here; larger ones are when a worker reads them. */
function parseTail(path: string, { tail, start, size }: RecordTail): LayerRecord {
  const record = readChecked(path, tail.subarray(start), layerRecordSchema);
  const { paths } = record.facts;
  const before = size - tail.length + start;
  if ((paths?.bytes ?? 0) !== before) throw recordCorrupt(path, `has ${before} bytes of facts`);
  if (paths !== undefined && tail.length === size && hash('sha256', tail.subarray(0, start)) !== paths.sha256) {
    throw recordCorrupt(path, 'has other facts than were written');
  }
  return record;
}

/** Returns where the path facts of a layer lie. */
export function pathFactsOf(stateDir: string, { key, facts: { paths } }: LayerRecord): PathFactsFile | undefined {
  return paths && { path: statePath.layer(stateDir, key), ...paths };
}

/** Writes the record of a layer without path facts. */
export function writePlainRecord(stateDir: string, record: LayerRecord): void {
  writeCheckedRecord(statePath.layer(stateDir, record.key), record);
}

/** Writes a record behind the path facts of the layer at `factsPath`, whose file becomes that of the record. */
export function writeLayerRecord(stateDir: string, record: LayerRecord, factsPath: string): void {
  if (record.facts.paths === undefined) {
    writePlainRecord(stateDir, record);
    return;
  }
  const path = statePath.layer(stateDir, record.key);
  const document = Buffer.from(`${JSON.stringify(record)}\n`);
  replaceRecord(path, factsPath, () => {
    const fd = openSync(factsPath, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    try {
      writeAll(fd, Buffer.concat([document, Buffer.from(checkLine(path, document))]), null);
    } finally {
      closeSync(fd);
    }
  });
}

export function removeLayerRecord(stateDir: string, key: LayerKey): void {
  removeRecord(statePath.layer(stateDir, key));
}

export function listLayerRecords(stateDir: string): LayerKey[] {
  return listRecords(statePath.layers(stateDir))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter(isLayerKey);
}

/** Returns the bytes of the records of all layers, without reading them. */
export function measureLayerRecords(stateDir: string): number {
  return listLayerRecords(stateDir)
    .map((key) => lstatSync(statePath.layer(stateDir, key), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((total, size) => total + size, 0);
}
