import type { CodeEntry } from './kinds.ts';

/** What may be wrong with an image, on the way to it and with what it contains. */
export const CODES_OF_IMAGES = {
  // oci
  REFERENCE_INVALID: {
    kind: 'invalid',
    summary: 'The image reference does not follow the distribution grammar.',
    hint: 'write it as [host[:port]/]name[:tag][@sha256:…]',
  },
  REFERENCE_UNQUALIFIED: {
    kind: 'invalid',
    summary: 'The image reference has no host, and the configuration does not say which registry is meant.',
    hint: 'write the host of the registry in front of the name',
  },
  DIGEST_INVALID: {
    kind: 'corrupt',
    summary: 'A digest in a document is not algorithm:hex with a supported algorithm.',
    hint: 'the registry or the image is broken; push the image again',
  },
  JSON_INVALID: {
    kind: 'corrupt',
    summary: 'A JSON document is malformed, has duplicate keys, trailing data or is nested too deeply.',
    hint: 'the document was made by a broken or hostile tool; build and push the image again',
  },
  MANIFEST_INVALID: {
    kind: 'corrupt',
    summary: 'A manifest or index lacks required fields, is two things at once or contradicts its media type.',
    hint: 'build and push the image again with a conforming tool',
  },
  MANIFEST_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The manifest is of a type that cannot be run (schema 1, an artifact, an unknown media type).',
    hint: 'push the image as an OCI or Docker v2 schema 2 image',
  },
  PLATFORM_INVALID: {
    kind: 'invalid',
    summary: 'The platform is not OS/ARCH or OS/ARCH/VARIANT.',
    hint: 'write for example linux/amd64 or linux/arm/v7',
  },
  PLATFORM_NOT_FOUND: {
    kind: 'missing',
    summary: 'The index has no image for the requested platform.',
    hint: 'ask for one of the listed platforms with --platform, or push an image for this one',
  },
  CONFIG_INVALID: {
    kind: 'corrupt',
    summary: 'The image config is malformed or does not fit its manifest.',
    hint: 'build and push the image again',
  },
  LAYER_TYPE_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'A layer has a media type that Sealift does not unpack.',
    hint: 'push the image with plain, gzip or zstd layers',
  },

  LAYER_TYPE_MISMATCH: {
    kind: 'corrupt',
    summary: 'A layer is compressed in another way than its media type says.',
    hint: 'the media type decides here; build and push the image again with a tool that labels its layers as they are',
  },
  LAYER_FOREIGN_REFUSED: {
    kind: 'denied',
    summary: 'A foreign layer is not in the registry, and its urls may not or cannot be asked.',
    hint: 'push the image with its foreign layers (docker: allow-nondistributable-artifacts), or allow their urls with --foreign-layers or pull.foreign_layer_urls',
  },

  // http and registry
  HTTP_UNAVAILABLE: {
    kind: 'unavailable',
    summary:
      'The server could not be reached, broke off, stalled or answered 408, 429 or 5xx until all tries were used.',
    hint: 'check network, DNS, proxy and TLS roots, then pull again',
  },
  HTTP_PROXY_AUTH_REQUIRED: {
    kind: 'unauthorized',
    summary: 'The proxy wants credentials, or refused those of its URL (status 407).',
    hint: 'put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT',
  },
  HTTP_PROXY_REFUSED: {
    kind: 'unavailable',
    summary: 'The proxy refused to open a tunnel to the server.',
    hint: 'allow the host and port of the registry on the proxy, or add the host to no_proxy',
  },
  HTTP_REDIRECT_REFUSED: {
    kind: 'unavailable',
    summary: 'A redirect was followed too often, leads from https to http, or its Location is unusable.',
    hint: 'check the registry and its storage backend',
  },
  HTTP_RESPONSE_INVALID: {
    kind: 'corrupt',
    summary: 'A response contradicts the protocol: wrong length, wrong range, or a body larger than allowed.',
    hint: 'a proxy or the registry damages responses; try without it',
  },
  HTTP_STATUS_UNEXPECTED: {
    kind: 'unavailable',
    summary: 'The server answered with a status that the distribution protocol does not define here.',
    hint: 'check that the host is a registry',
  },
  REGISTRY_AUTH_REJECTED: {
    kind: 'unauthorized',
    summary: 'The registry or its token service refused the credentials, or wants some and there are none.',
    hint: 'check the credentials in the auth file for this registry (--authfile, --creds)',
  },
  REGISTRY_AUTH_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The registry asks for an authentication scheme other than Basic or Bearer, or names an unusable realm.',
    hint: 'check the WWW-Authenticate header of the registry',
  },
  REGISTRY_BLOCKED: {
    kind: 'denied',
    summary: 'The configuration of registries forbids to pull images of this name.',
    hint: 'a blocked registry is never asked; take blocked out of the named file if the image ought to be pulled',
  },
  REGISTRY_MANIFEST_UNKNOWN: {
    kind: 'missing',
    summary: 'The registry does not have the repository, tag or digest.',
    hint: 'check the name and tag; private repositories answer the same without credentials',
  },
  REGISTRY_BLOB_UNKNOWN: {
    kind: 'missing',
    summary: 'The registry does not have a blob that the manifest names.',
    hint: 'push the image again; the registry lost part of it',
  },
  AUTHFILE_INVALID: {
    kind: 'invalid',
    summary: 'The credentials file or the given credentials cannot be read or are malformed.',
    hint: 'expected the auth.json or config.json format with an auths object, or USER:PASSWORD',
  },
  AUTHFILE_HELPER_FAILED: {
    kind: 'unauthorized',
    summary: 'A credential helper that the credentials file names could not be run, failed, or answered nonsense.',
    hint: 'try echo HOST | docker-credential-NAME get, or take the helper out of credHelpers and credsStore',
  },
  MANIFEST_DIGEST_MISMATCH: {
    kind: 'corrupt',
    summary: 'The bytes of a manifest or index do not hash to the digest that named them.',
    hint: 'the registry or something on the way changed the document; do not run this image',
  },
  BLOB_DIGEST_MISMATCH: {
    kind: 'corrupt',
    summary: 'The bytes of a blob do not hash to the digest in its descriptor.',
    hint: 'the registry or something on the way changed the blob; do not run this image',
  },
  BLOB_SIZE_MISMATCH: {
    kind: 'corrupt',
    summary: 'A blob or document is shorter or longer than its descriptor says.',
    hint: 'the registry or something on the way changed the blob; do not run this image',
  },

  // archive
  ARCHIVE_NOT_FOUND: {
    kind: 'missing',
    summary: 'The path of the reference leads to nothing, or not to a directory (oci) or file (the archives).',
    hint: 'check the path; oci: takes a directory, oci-archive: and docker-archive: take a file',
  },
  ARCHIVE_READ_FAILED: {
    kind: 'unavailable',
    summary: 'A directory or archive with an image cannot be read: no permission or an I/O error.',
    hint: 'check permissions and the disk',
  },
  ARCHIVE_INVALID: {
    kind: 'corrupt',
    summary: 'An archive is no well-formed tar, breaks off, has a file twice, or links out of itself.',
    hint: 'write the archive or directory again, e.g. with skopeo copy',
  },
  ARCHIVE_MEMBER_MISSING: {
    kind: 'corrupt',
    summary: 'A directory or archive lacks a file that its index or manifest names.',
    hint: 'write the archive or directory again; part of it was lost',
  },
  ARCHIVE_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The image layout has another version, or something is compressed in another way than gzip and zstd.',
    hint: 'write it again with skopeo copy, or decompress it first',
  },
  ARCHIVE_IMAGE_UNKNOWN: {
    kind: 'missing',
    summary: 'The directory or archive has no image by that name, position or digest.',
    hint: 'ask for one of those that it has, or for @0, @1 …',
  },
  ARCHIVE_IMAGE_AMBIGUOUS: {
    kind: 'invalid',
    summary: 'The directory or archive has several images, and the reference does not say which one.',
    hint: 'name the image behind the path: PATH:NAME, or PATH:@POSITION from 0 on',
  },
  ARCHIVE_LIMIT_EXCEEDED: {
    kind: 'exhausted',
    summary: 'An archive has more members, unpacks to more bytes or has a larger document than the limits allow.',
    hint: 'raise the named limit if the archive is trusted to need it',
  },
  ARCHIVE_SPACE_EXHAUSTED: {
    kind: 'exhausted',
    summary: 'There is no room to unpack a compressed archive into a temporary file.',
    hint: 'free space there, or decompress the archive first: one that is not compressed is read in place',
  },

  // signature
  POLICY_INVALID: {
    kind: 'invalid',
    summary: 'The policy file is not a strict containers policy.json document.',
    hint: 'see containers-policy.json(5); unknown and duplicate keys are errors',
  },
  POLICY_DENIED: {
    kind: 'denied',
    summary: 'The policy rejects the image.',
    hint: 'a denial is final; change the policy if the image ought to run',
  },
  POLICY_TAG_UNPINNED: {
    kind: 'denied',
    summary: 'No policy is configured and the reference is a tag, so nobody has said which bytes may run.',
    hint: 'pin the reference by digest (name@sha256:…), give a policy with --policy, or accept anything with --insecure-policy',
  },
  POLICY_REQUIREMENT_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The policy asks for a kind of verification that this version cannot do.',
    hint: 'the image is refused rather than run unverified; use another requirement type',
  },

  // layer
  DIFFID_MISMATCH: {
    kind: 'corrupt',
    summary: 'The uncompressed layer does not hash to the diffID in the image config.',
    hint: 'the image is inconsistent; build and push it again',
  },
  LAYER_DECOMPRESS_FAILED: {
    kind: 'corrupt',
    summary: 'The compressed layer is malformed, truncated or followed by garbage.',
    hint: 'push the image again',
  },
  LAYER_LIMIT_EXCEEDED: {
    kind: 'exhausted',
    summary: 'A layer is larger, expands further or has more entries than the limits allow.',
    hint: 'raise the named limit if the image is trusted to need it',
  },
  LAYER_WORKER_FAILED: {
    kind: 'internal',
    summary: 'A layer worker ended unexpectedly.',
    hint: 'pull again; report it if it happens twice',
  },
  PULL_CANCELLED: {
    kind: 'unavailable',
    summary: 'The pull was cancelled or ran into its deadline.',
    hint: 'pull again; finished layers are kept',
  },

  // unpack
  TAR_INVALID: {
    kind: 'corrupt',
    summary: 'The layer is not a well-formed tar archive.',
    hint: 'build the layer again with a conforming tool',
  },
  TAR_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The layer uses a tar feature that image layers must not use (sparse files, volumes, unknown types).',
    hint: 'build the layer without that feature',
  },
  UNPACK_PATH_ESCAPE: {
    kind: 'corrupt',
    summary: 'An entry or link would leave the root of the layer.',
    hint: 'the image is hostile or broken; do not run it',
  },
  UNPACK_ENTRY_INVALID: {
    kind: 'corrupt',
    summary: 'An entry cannot be applied: bad whiteout, device 0:0, parent that is no directory, dangling hard link.',
    hint: 'build the layer again with a conforming tool',
  },
  UNPACK_TARGET_INVALID: {
    kind: 'invalid',
    summary: 'The target of --unpack exists and is not an empty directory.',
    hint: 'name a directory that is absent or empty',
  },
  UNPACK_WRITE_FAILED: {
    kind: 'exhausted',
    summary: 'Writing the unpacked layer failed: no space, no inodes or an I/O error.',
    hint: 'free space on the store, or give it more',
  },
  UNPACK_FILESYSTEM_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The file system of the store or target cannot hold what the layer says, such as file capabilities.',
    hint: 'put the store or the target on a file system with extended attributes, e.g. ext4, xfs or tmpfs',
  },
} as const satisfies Record<string, CodeEntry>;
