import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes, parseFileReference, parseReference } from '../../../src/oci/index.ts';
import {
  type AuthorizedImage,
  authoriseImage,
  createKeyLoader,
  type GateReport,
  type PolicyChoice,
  type SignatureVerifier,
} from '../../../src/signature/index.ts';
import { parsePolicy } from '../../../src/signature/policy/index.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type { Evidence, ImageCandidate } from '../../../src/signature/types.ts';
import { memoryLoader } from '../resources/memory-loader.ts';
import { INLINE_VERIFIER } from './simple-signatures.ts';

/** What a test of signatures asks the gate with. */
export interface SignedGate {
  readonly requirements: readonly unknown[];
  readonly candidate: Omit<ImageCandidate, 'reference'>;
  readonly reference: string;
  readonly evidence: readonly Evidence[] | AsyncIterable<Evidence>;
  readonly verifier: SignatureVerifier;
  /** Returns the key that a policy names as `/keys/NAME`. */
  readonly readKey: (name: string) => Uint8Array;
  /** Receives the paths of keys that are read. */
  readonly loaded: string[];
  /** Receives how the list of requirements decided. */
  readonly reports?: GateReport[];
  readonly examinesAll?: boolean;
}

/** Asks the gate about an image with what was found of its signatures. */
export function authoriseSigned(gate: SignedGate): Promise<AuthorizedImage> {
  const { requirements, reference, evidence, verifier, readKey, loaded, reports = [], examinesAll } = gate;
  const load = async (path: string): Promise<Uint8Array> => {
    loaded.push(path);
    return readKey(path.replace('/keys/', ''));
  };
  const keys = createKeyLoader({ resources: { load }, limits: DEFAULT_LIMITS });
  const policy = parsePolicy(JSON.stringify({ default: requirements }));
  const named = reference.startsWith('oci:') ? parseFileReference(reference) : parseReference(reference);
  const { signal } = new AbortController();
  const onJudged = (report: GateReport) => void reports.push(report);
  const options = { evidence, keys, verifier, signal, onJudged, examinesAll };
  return authoriseImage(policy, { ...gate.candidate, reference: named }, options);
}

/** Asks the gate about an image of which no signature was found, with a policy whose key files do not exist. */
export function authoriseUnsigned(policy: PolicyChoice, candidate: ImageCandidate): Promise<AuthorizedImage> {
  const keys = createKeyLoader({ resources: memoryLoader({}), limits: DEFAULT_LIMITS });
  const { signal } = new AbortController();
  return authoriseImage(policy, candidate, { evidence: [NO_EVIDENCE], keys, verifier: INLINE_VERIFIER, signal });
}

/** What a test of a whole policy asks the gate with. */
export interface DocumentGate {
  readonly document: string;
  /** The manifest. */
  readonly image: string;
  readonly reference: string;
  readonly evidence: readonly Evidence[];
  /** Returns the key in the file that the policy names. */
  readonly readKey: (path: string) => Uint8Array;
}

/** Asks the gate about an image with a whole policy. */
export function authoriseDocument(gate: DocumentGate): Promise<AuthorizedImage> {
  const { document, image, evidence, readKey } = gate;
  const load = async (path: string) => readKey(path);
  const keys = createKeyLoader({ resources: { load }, limits: DEFAULT_LIMITS });
  const rawBytes = Buffer.from(image);
  const manifest = { rawBytes, digest: hashBytes(rawBytes), contentType: '' };
  const candidate = { reference: parseReference(gate.reference), indexes: [], manifest };
  const { signal } = new AbortController();
  return authoriseImage(parsePolicy(document), candidate, { evidence, keys, verifier: INLINE_VERIFIER, signal });
}
