import { runCommand } from '../machine/commands.ts';

export interface SkopeoQuestion {
  readonly reference: string;
  readonly policy: string;
  /** The directory in the format of containers-registries.d(5). */
  readonly registriesD: string;
  /** A directory that does not exist yet. */
  readonly target: string;
}

/** Whether the policy of skopeo lets an image be copied. Fails for any other error. */
export async function skopeoAccepts({ reference, policy, registriesD, target }: SkopeoQuestion): Promise<boolean> {
  const flags = ['--policy', policy, '--registries.d', registriesD];
  const copy = ['copy', '--src-tls-verify=false', `docker://${reference}`, `dir:${target}`];
  const { code, stderr } = await runCommand('skopeo', [...flags, ...copy]);
  if (code === 0) return true;
  if (/Source image rejected|Error loading trust policy|tag and digest/.test(stderr)) return false;
  throw new Error(`skopeo copy ${reference}: ${stderr}`);
}
