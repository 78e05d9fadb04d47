import { SealiftError } from '../errors/index.ts';
import { describeBlockDevice, formatDeviceNumber, mappingNode, readMapping } from '../platform/index.ts';
import { assertSameDisk } from './claim-device.ts';
import { judgeMapping } from './judge-mapping.ts';
import type { ExpectedMapping, MappingFacts } from './types.ts';

const SECTOR_BYTES = 512;

/** Returns the name that cryptsetup gives the mapping of dm-integrity below that of dm-crypt. */
export function integrityName(mapperName: string): string {
  return `${mapperName}_dif`;
}

/** See `VolumeOperations.inspectMapping`. */
export function inspectMapping({ expected }: { readonly expected: ExpectedMapping }): MappingFacts {
  const { name, device } = expected;
  const [crypt, integrity] = [readMapping(name), readMapping(integrityName(name))];
  if (crypt === undefined || integrity === undefined) {
    const missing = crypt === undefined ? name : integrityName(name);
    throw new SealiftError('VOLUME_LOST', `inspect ${name}: expected the mapping ${missing}, got none`);
  }
  const difference =
    judgeMapping(expected, {
      crypt: crypt.targets,
      integrity: integrity.targets,
      integrityDeviceId: formatDeviceNumber(integrity.device),
    }) ?? judgeHolders(device.deviceId, integrity.device.minor);
  if (difference !== undefined) {
    throw new SealiftError('VOLUME_TABLE_MISMATCH', `inspect ${name}: ${difference}`, {
      context: { mapping: name, difference },
    });
  }
  assertSameDisk(device);
  return {
    name,
    deviceId: formatDeviceNumber(crypt.device),
    path: mappingNode(crypt.device),
    bytes: expected.sectors * SECTOR_BYTES,
    uuids: [crypt.uuid, integrity.uuid],
  };
}

/** The only user of the disk must be our dm-integrity mapping. */
function judgeHolders(deviceId: string, integrityMinor: number): string | undefined {
  const [major = 0, minor = 0] = deviceId.split(':').map(Number);
  const holders = describeBlockDevice({ major, minor })?.holders ?? [];
  const expected = `dm-${integrityMinor}`;
  return holders.join(',') === expected ? undefined : `users of ${deviceId}: expected ${expected}, got ${holders}`;
}
