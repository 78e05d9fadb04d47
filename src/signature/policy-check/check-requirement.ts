import { FILE_TRANSPORTS } from '../../oci/index.ts';
import type { Requirement, Requirements } from '../policy/index.ts';
import { unsupportedPart } from '../requirement-kinds.ts';
import { notesOn, refusesFiles } from './checked-kinds.ts';
import type { Finding } from './types.ts';

/** A list of requirements, and where it is in the file. */
export interface ListPosition {
  readonly where: string;
  /** Undefined for the default. */
  readonly transport: string | undefined;
  readonly scope: string;
}

const REJECT_BY_DEFAULT = 'write [{"type": "reject"}], and a scope of its own for what may run';

/** Checks a list of requirements as a whole. */
export function checkList(requirements: Requirements, { where, transport, scope }: ListPosition): readonly Finding[] {
  const findings: Finding[] = [];
  const isForAll = transport === undefined || (transport === 'docker' && scope === '');
  if (isForAll && requirements.every(({ type }) => type === 'insecureAcceptAnything')) {
    const detail = 'images without a scope of their own run unverified';
    findings.push({ status: 'warn', check: 'default', where, detail, remedy: REJECT_BY_DEFAULT });
  }
  if (requirements.length > 1 && requirements.some(({ type }) => type === 'reject')) {
    const detail = 'a "reject" denies every image, so the requirements beside it never count';
    findings.push({ status: 'warn', check: 'requirement', where, detail, remedy: undefined });
  }
  return findings;
}

/** Checks one requirement, apart from its keys. */
export function checkRequirement(
  requirement: Requirement,
  where: string,
  { transport }: ListPosition,
): readonly Finding[] {
  const found = (status: Finding['status'], detail: string): Finding => {
    return { status, check: 'requirement', where, detail, remedy: undefined };
  };
  const unsupported = unsupportedPart(requirement);
  if (unsupported !== undefined) return [found('fail', unsupported)];
  const isOfFiles = FILE_TRANSPORTS.some((each) => each === transport);
  const refused = isOfFiles && transport !== undefined ? refusesFiles(requirement, transport) : undefined;
  if (refused !== undefined) return [found('fail', `it accepts no image: ${refused}`)];
  return notesOn(requirement).map((note) => found('note', note));
}
