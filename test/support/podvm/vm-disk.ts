import { existsSync } from 'node:fs';
import { DiskImage } from './disk-image.ts';
import { NbdServer } from './nbd-server.ts';
import type { DiskOptions, FailingRequest } from './types.ts';

type Json = Readonly<Record<string, unknown>>;

const MAX_SERIAL_LENGTH = 20;
const EIO = 5;

/** The description of a disk for QEMU, on its command line or over QMP. */
export class VmDisk {
  readonly serial: string;
  readonly image: DiskImage;
  /** `blockdev-add` */
  readonly blockdev: Json;
  /** `device_add` */
  readonly device: Json;
  readonly nbd: NbdServer | undefined;

  private constructor(options: DiskOptions, image: DiskImage, backing: { nbd?: NbdServer; protocol: Json }) {
    this.serial = options.serial;
    this.image = image;
    this.nbd = backing.nbd;
    this.blockdev = describeBlockdev(options, backing.protocol);
    this.device = describeDevice(options);
  }

  /** Opens a disk with its files in `folder`, whose owner removes it; `close` ends the process. */
  static async open(options: DiskOptions, folder: string): Promise<VmDisk> {
    const { serial, size, readOnly = false, path = `${folder}/${serial}.img` } = options;
    if (!/^[\w-]+$/.test(serial) || serial.length > MAX_SERIAL_LENGTH) throw new TypeError(`odd serial: ${serial}`);
    if (options.path !== undefined && !existsSync(path)) throw new TypeError(`${path} is missing`);
    const image = DiskImage.create(path, size);
    if (options.nbd !== true) return new VmDisk(options, image, { protocol: { driver: 'file', filename: path } });
    const socketPath = `${folder}/${serial}.nbd`;
    const nbd = await NbdServer.start({ imagePath: path, socketPath, readOnly });
    const protocol = { driver: 'nbd', server: { type: 'unix', path: socketPath } };
    return new VmDisk(options, image, { nbd, protocol });
  }

  async close(): Promise<void> {
    await this.nbd?.kill();
  }
}

/**
 * Through the host's page cache and without flushing to the host's disk: quick, and a change of the file is seen.
 * https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#object-QMP-block-core.BlockdevOptions
 */
function describeBlockdev({ serial, readOnly = false, failing = [] }: DiskOptions, protocol: Json): Json {
  const shared = { 'read-only': readOnly, cache: { direct: false, 'no-flush': true }, discard: 'unmap' };
  const bytes = { ...protocol, ...shared };
  const faulty = { driver: 'blkdebug', image: bytes, 'inject-error': failing.map(describeFault), ...shared };
  return { 'node-name': serial, driver: 'raw', file: failing.length === 0 ? bytes : faulty, ...shared };
}

function describeFault(iotype: FailingRequest): Json {
  return { event: 'none', iotype, errno: EIO, once: false };
}

function describeDevice({ serial, sectorSize = 512 }: DiskOptions): Json {
  return {
    driver: 'virtio-blk-pci',
    id: `disk-${serial}`,
    drive: serial,
    serial,
    logical_block_size: sectorSize,
    physical_block_size: sectorSize,
    // An error goes to the guest; QEMU would stop the machine for a full disk of the host.
    rerror: 'report',
    werror: 'report',
  };
}
