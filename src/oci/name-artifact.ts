/** The name of an artifact that is not an image, and a hint about what to do with it. */
export interface NamedArtifact {
  readonly name: string;
  readonly hint: string;
}

const SUBJECT = 'it describes an image and is not an image itself; pull the image that it belongs to';
const OTHER_TOOL = 'it is not an image; fetch it with the tool that it was made for, or with oras';

/** Known artifacts by the prefix of their media types, in lower case. */
const ARTIFACTS: readonly (readonly [prefix: string, name: string, hint: string])[] = [
  ['application/vnd.cncf.helm.', 'a Helm chart', 'install it with helm, and pull the images that it names'],
  ['application/vnd.dev.cosign.simplesigning.', 'a cosign signature', SUBJECT],
  ['application/vnd.dev.cosign.', 'a cosign artifact', SUBJECT],
  ['application/vnd.dev.sigstore.bundle', 'a Sigstore bundle', SUBJECT],
  ['application/vnd.cncf.notary.', 'a Notation signature', SUBJECT],
  ['application/vnd.dsse.envelope.', 'an attestation', SUBJECT],
  ['application/vnd.in-toto', 'an attestation', SUBJECT],
  ['application/spdx', 'an SBOM', SUBJECT],
  ['text/spdx', 'an SBOM', SUBJECT],
  ['application/vnd.cyclonedx', 'an SBOM', SUBJECT],
  ['application/vnd.syft', 'an SBOM', SUBJECT],
  [
    'application/vnd.wasm.',
    'a WebAssembly module',
    'run it with a WebAssembly runtime, or put the .wasm file into an ordinary layer of an image',
  ],
  ['application/wasm', 'a WebAssembly module', 'put the .wasm file into an ordinary layer of an image'],
  ['application/vnd.cncf.openpolicyagent.', 'an Open Policy Agent policy bundle', OTHER_TOOL],
  ['application/vnd.cncf.flux.', 'a Flux artifact', OTHER_TOOL],
  ['application/vnd.cncf.model.', 'an AI model', OTHER_TOOL],
  ['application/vnd.docker.ai.', 'an AI model', OTHER_TOOL],
  ['application/vnd.docker.plugin.', 'a Docker plugin', 'install it with docker plugin install'],
  ['application/vnd.docker.compose.', 'a Compose application', 'pull the images that it names'],
  [
    'application/vnd.docker.distribution.manifest.v1+',
    'a Docker schema 1 manifest',
    'push the image again with a current Docker, or copy it with skopeo copy --format v2s2',
  ],
  ['application/vnd.oci.artifact.manifest.', 'an OCI artifact', OTHER_TOOL],
  ['application/vnd.oci.empty.', 'an OCI artifact', OTHER_TOOL],
  ['application/vnd.unknown.', 'an OCI artifact', OTHER_TOOL],
];

/** Returns the artifact that uses a media type for its manifest, config or layer; undefined for the types of images. */
export function nameArtifact(mediaType: string): NamedArtifact | undefined {
  const folded = mediaType.toLowerCase();
  const found = ARTIFACTS.find(([prefix]) => folded.startsWith(prefix));
  return found === undefined ? undefined : { name: found[1], hint: found[2] };
}
