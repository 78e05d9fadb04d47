import { SealiftError } from '../errors/index.ts';
import type { LayerFormatProbe } from '../snapshot/index.ts';
import type { DaemonFindings, SocketFinding } from './daemon-types.ts';
import { gatherNetwork } from './gather-network.ts';
import { judgeFindings } from './judge-findings.ts';
import type { DaemonDoctorPorts, DirectoryFacts, DoctorPorts, DoctorReport, Findings } from './types.ts';

/** The programs that prepare a block device. */
const PROGRAMS = ['cryptsetup', 'mkfs.ext4'] as const;
/** The programs that run bundles. */
const RUNTIMES = ['crun', 'runc'] as const;

/** Examines everything that pulls need, and leaves nothing behind. What does not work is a finding, not a failure. */
export async function runDoctor(ports: DoctorPorts): Promise<DoctorReport> {
  const findings = await gatherFindings(ports);
  const { choice } = findings;
  return {
    checks: judgeFindings(findings),
    layerFormat: choice === undefined || 'refused' in choice ? undefined : choice,
  };
}

async function gatherFindings(ports: DoctorPorts): Promise<Findings> {
  const { kernelRelease, isRoot, minFreeBytes, dataDir, stateDir, runOperation, probeLayerFormats } = ports;
  const [socketPath] = ports.daemon?.view.socketPaths ?? [];
  const machine = await runOperation('examineMachine', { asRoot: isRoot });
  const { facts: data, isStalled } = await examineDirectory(dataDir, runOperation);
  const state = await runOperation('examineDirectory', { path: stateDir });
  const layerFormats = isRoot ? await probeUnless(isStalled, () => probeLayerFormats(data.examined)) : undefined;
  return {
    kernelRelease,
    isRoot,
    minFreeBytes,
    machine,
    data,
    state,
    layerFormats,
    choice: layerFormats && choose(ports, layerFormats),
    inflatesSynchronously: ports.canInflateSynchronously(),
    inflate: ports.chooseInflate(),
    resources: await runOperation('examineResources', { socketPath }),
    clock: { ...(await runOperation('examineClock', {})), nowMs: ports.wallNowMs() },
    runtimes: await runOperation('examinePrograms', { names: RUNTIMES }),
    credentialHelpers: await runOperation('examinePrograms', ports.credentialHelpers),
    network: await gatherNetwork(ports.network, runOperation),
    daemon: ports.daemon && (await gatherDaemon(ports.daemon, ports)),
  };
}

async function gatherDaemon(
  daemon: DaemonDoctorPorts,
  { kernelRelease, runOperation }: DoctorPorts,
): Promise<DaemonFindings> {
  const sockets: SocketFinding[] = [];
  for (const path of daemon.view.socketPaths) {
    const facts = await runOperation('examineSocket', { path });
    const server = facts.kind === 'socket' ? await daemon.identifyServer(path) : undefined;
    sockets.push({ path, facts, server });
  }
  return {
    ...daemon.view,
    sockets,
    abilities: await runOperation('examineKernel', { release: kernelRelease }),
    programs: await runOperation('examinePrograms', { names: PROGRAMS }),
  };
}

/** A disk that does not answer is examined once, and not again. */
async function examineDirectory(
  path: string,
  runOperation: DoctorPorts['runOperation'],
): Promise<{ readonly facts: DirectoryFacts; readonly isStalled: boolean }> {
  try {
    return { facts: await runOperation('examineDirectory', { path }), isStalled: false };
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'STORE_STALLED') throw error;
    const unusable = { unusable: error.message };
    const nothing = { freeBytes: 0, sizeBytes: 0, freeInodes: undefined, fileSystem: 0 };
    const facts = { path, examined: path, ...nothing, writable: unusable, userXattrs: unusable };
    return { facts: { ...facts, trustedXattrs: unusable }, isStalled: true };
  }
}

/** A directory that cannot even hold the tiny image is a finding as well. */
async function probeUnless(isStalled: boolean, probe: () => Promise<LayerFormatProbe>): Promise<LayerFormatProbe> {
  const unknown = (unusable: string) => ({ loop: { unusable }, erofs: { unusable }, directIo: false });
  if (isStalled) return unknown('the disk does not answer');
  try {
    return await probe();
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'STORE_IO_FAILED') throw error;
    return unknown(error.message);
  }
}

function choose({ chooseLayerFormat }: DoctorPorts, probe: LayerFormatProbe): Findings['choice'] {
  try {
    return chooseLayerFormat(probe);
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'SNAPSHOT_FORMAT_UNSUPPORTED') throw error;
    return { refused: error.message };
  }
}
