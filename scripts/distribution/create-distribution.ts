import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildProgram } from '../build-program.ts';
import { formatLicences } from './format-licences.ts';
import { ISAL_FILE, isalLicence } from './isal.ts';
import { writeArchive } from './write-archive.ts';

const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE'];

/** Go's names of architectures, which images and Kubernetes nodes use as well. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The folders follow Debian's layout below /usr. */
const COMPLETIONS: Readonly<Record<string, string>> = {
  bash: 'share/bash-completion/completions/sealift',
  zsh: 'share/zsh/vendor-completions/_sealift',
  fish: 'share/fish/vendor_completions.d/sealift.fish',
};

export interface DistributionOptions {
  readonly root: string;
  /** The folder that the archive is written to. */
  readonly output: string;
  readonly compressionLevel: number;
  readonly modificationTime: Date;
}

export interface Distribution {
  readonly archive: string;
  /** The name of the only folder in the archive. */
  readonly name: string;
  readonly archiveBytes: number;
  readonly unpackedBytes: number;
  readonly sha256: string;
}

/** Makes `sealift-VERSION-linux-ARCH.tar.zst`; the same sources give the same bytes, wherever and whenever. */
export async function createDistribution(options: DistributionOptions): Promise<Distribution> {
  const { root, output, compressionLevel, modificationTime } = options;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const name = `sealift-${version}-linux-${ARCHITECTURES[process.arch] ?? process.arch}`;
  mkdirSync(output, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'sealift-dist-'));
  try {
    const folder = join(work, name);
    await fillFolder(root, folder);
    const archive = join(output, `${name}.tar.zst`);
    const unfinished = join(work, 'archive');
    const unpackedBytes = await writeArchive({ folder, target: unfinished, compressionLevel, modificationTime });
    const sha256 = createHash('sha256').update(readFileSync(unfinished)).digest('hex');
    copyFileSync(unfinished, archive);
    return { archive, name, archiveBytes: statSync(archive).size, unpackedBytes, sha256 };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function fillFolder(root: string, folder: string): Promise<void> {
  const { packages, lacksIsal } = await buildProgram(root, folder);
  if (lacksIsal !== undefined) throw new Error(`${lacksIsal}; run sh scripts/with-debian-packages.sh true`);
  for (const document of DOCUMENTS) copyFileSync(join(root, document), join(folder, document));
  cpSync(join(root, 'docs'), join(folder, 'docs'), { recursive: true });
  const development = join(root, 'config/dev');
  cpSync(join(root, 'config'), join(folder, 'config'), {
    recursive: true,
    filter: (source) => source !== development,
  });
  writeFileSync(
    join(folder, 'LICENSES.md'),
    formatLicences(packages, existsSync(join(folder, 'lib', ISAL_FILE)) ? [isalLicence()] : []),
  );
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), execFileSync(join(folder, 'sealift'), ['completion', shell]));
  }
}
