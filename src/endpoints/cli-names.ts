import { type Registries, resolveShortName } from '../config/index.ts';
import { fileTransportOf, registryNameOf } from '../oci/index.ts';

/** True for a reference of the command line that names files of this machine. docs/adr/0020-images-in-files.md */
export function namesFiles(reference: string): boolean {
  return fileTransportOf(reference) !== undefined;
}

/**
 * Returns the names that a reference of the command line may stand for. A path, and a name after `docker://`, only stand
 * for themselves. Throws `REFERENCE_INVALID` and `REFERENCE_UNQUALIFIED`.
 */
export function cliNames(reference: string, registries: Registries): readonly string[] {
  if (namesFiles(reference)) return [reference];
  const name = registryNameOf(reference);
  return name === undefined ? resolveShortName(registries, reference) : [name];
}
