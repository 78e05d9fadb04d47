import { SealiftError } from '../errors/index.ts';
import type { LayerFormatProbe } from '../snapshot/index.ts';
import { judgeFindings } from './judge-findings.ts';
import type { DoctorPorts, DoctorReport, Findings } from './types.ts';

/** Looks at everything that pulls stand on, and leaves nothing behind. What does not work is an answer, no failure. */
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
  const machine = await runOperation('examineMachine', { asRoot: isRoot });
  const data = await runOperation('examinePlace', { path: dataDir });
  const state = await runOperation('examinePlace', { path: stateDir });
  const layerFormats = isRoot ? await probeUnlessRefused(() => probeLayerFormats(data.examined)) : undefined;
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
  };
}

/** A directory that cannot even hold the tiny image has said all that is to be said. */
async function probeUnlessRefused(probe: () => Promise<LayerFormatProbe>): Promise<LayerFormatProbe> {
  try {
    return await probe();
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'STORE_IO_FAILED') throw error;
    const unusable = { unusable: error.message };
    return { loop: unusable, erofs: unusable, directIo: false };
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
