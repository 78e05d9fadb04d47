import {
  fileTransportOf,
  formatImageReference,
  type ImageReference,
  parseFileReference,
  parseReference,
  registryNameOf,
  withDefaultTag,
} from '../../oci/index.ts';
import { describeRequirement } from '../describe-requirement.ts';
import { matchScope, matchTagScope, type Policy } from '../policy/index.ts';
import type { ImageScope } from './types.ts';

/** Returns the list that applies to an image. Throws `REFERENCE_INVALID`. */
export function findScope(policy: Policy, text: string): ImageScope {
  const reference = parse(text);
  const tag = matchTagScope(policy, reference);
  // A list that rejects the tag decides, also for a reference that has a digest as well.
  const isTagRejected = tag?.requirements.some(({ type }) => type === 'reject') ?? false;
  const { scope, requirements } = tag !== undefined && isTagRejected ? tag : matchScope(policy, reference);
  return {
    reference: formatImageReference(reference),
    scope,
    requirements: requirements.map((requirement) => {
      return { type: requirement.type, keys: describeRequirement(requirement) };
    }),
  };
}

function parse(text: string): ImageReference {
  if (fileTransportOf(text) !== undefined) return parseFileReference(text);
  return withDefaultTag(parseReference(registryNameOf(text) ?? text));
}
