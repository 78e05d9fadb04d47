import type { CodeEntry } from './kinds.ts';

/**
 * Every code that Sealift can answer with, grouped by room. A released code is never renamed or given another kind.
 * docs/errors.md is generated from this table.
 */
export const CODES = {
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

  // store, snapshot, bundle
  STORE_INVALID: {
    kind: 'invalid',
    summary: 'The store directory cannot be used: wrong format, wrong permissions or not a directory.',
    hint: 'name another directory with --store',
  },
  STORE_LOCK_TIMEOUT: {
    kind: 'unavailable',
    summary: 'Another process held a lock of the store for longer than the deadline.',
    hint: 'wait for the other pull, or find out what it hangs on',
  },
  STORE_SPACE_EXHAUSTED: {
    kind: 'exhausted',
    summary: 'The image does not fit into the store.',
    hint: 'give the store more room, or remove unused images',
  },
  STORE_IMAGE_UNKNOWN: {
    kind: 'missing',
    summary: 'The store has no image of that name or digest.',
    hint: 'sealift images lists what there is; a digest is written out in full',
  },
  STORE_IMAGE_IN_USE: {
    kind: 'invalid',
    summary: 'The image is mounted, or a pull is working with it, and would lose its last name.',
    hint: 'undo its bundles first with sealift umount DIR',
  },
  STORE_IO_FAILED: {
    kind: 'unavailable',
    summary: 'The file system of the store answered an operation with an error.',
    hint: 'check the disk behind the store, its mount options and the kernel log',
  },
  STORE_STALLED: {
    kind: 'unavailable',
    summary: 'The file system of the store has not answered an operation for longer than the deadline.',
    hint: 'find out why the disk behind the store hangs; pulls are refused until it answers',
  },
  STORE_RECORD_CORRUPT: {
    kind: 'corrupt',
    summary: 'A record in the store does not match its name or cannot be read.',
    hint: 'end the containers that run from this store, then `sealift prune` removes the record',
  },
  STORE_STAGING_ALTERED: {
    kind: 'corrupt',
    summary: 'A layer was changed in the store after its last check and before it was published.',
    hint: 'see who else writes to the store, and whether its disk is sound; then pull again',
  },
  PRIVILEGE_REQUIRED: {
    kind: 'unsupported',
    summary: 'The command needs root.',
    hint: 'run it as root, or unpack without a store: sealift pull --unpack DIR',
  },
  SNAPSHOT_MOUNT_FAILED: {
    kind: 'internal',
    summary: 'The overlay or a layer image could not be mounted or unmounted.',
    hint: 'the kernel log says more (dmesg)',
  },
  SNAPSHOT_TREE_MISSING: {
    kind: 'denied',
    summary: 'A layer lies where the host can change it, and has no hash tree that would show that.',
    hint: 'remove the image and pull it again, with layers as EROFS images',
  },
  SNAPSHOT_FORMAT_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'Configuration asks for layer images, and this kernel cannot mount them.',
    hint: 'leave the choice of the layer format to the probe; sealift doctor says what is missing',
  },
  BUNDLE_INVALID: {
    kind: 'invalid',
    summary: 'The bundle directory cannot be used: its rootfs is mounted already, or it is not a directory of ours.',
    hint: 'undo it with sealift umount DIR, or name another directory',
  },
  BUNDLE_USER_INVALID: {
    kind: 'missing',
    summary: 'The user or group of the image config is out of range or not in the image.',
    hint: 'fix the USER of the image',
  },
  BUNDLE_PLATFORM_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'A bundle was asked for of an image for another operating system than Linux.',
    hint: 'nothing on this machine could run it; look at its files with --unpack DIR, or leave --bundle out to keep it in the store',
  },

  // volume
  VOLUME_REQUEST_INVALID: {
    kind: 'invalid',
    summary: 'A request for the image store is malformed: its device or its mount point.',
    hint: 'the request needs deviceId=MAJOR:MINOR and an absolute mount point, as the kata agent sends them',
  },
  VOLUME_REQUEST_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'A request for the image store asks for another kind of volume, encryption, file system or place.',
    hint: 'block-device, empty, luks2, ext4 and fileSystem are supported, in the configured directories',
  },
  VOLUME_DEVICE_MISSING: {
    kind: 'missing',
    summary: 'The block device of the image store is not there.',
    hint: 'attach the volume to the pod, or allow for a late one with volume.wait_ms',
  },
  VOLUME_DEVICE_INVALID: {
    kind: 'invalid',
    summary: 'What should be the device of the image store is no whole, writable disk of at least 64 MiB.',
    hint: 'give the pod a block volume of its own (volumeMode: Block), of at least 64 MiB',
  },
  VOLUME_DEVICE_BUSY: {
    kind: 'unavailable',
    summary: 'Something else uses the device of the image store: a mount, a mapping or a program.',
    hint: 'name a device that nothing else uses; everything on it is overwritten',
  },
  VOLUME_DEVICE_CHANGED: {
    kind: 'corrupt',
    summary: 'Another disk has taken the place of the image store’s.',
    hint: 'the host exchanged the volume while it was being prepared; start the pod again',
  },
  VOLUME_DEVICE_FAILED: {
    kind: 'unavailable',
    summary: 'The disk of the image store answers with I/O errors, or its blocks were changed from outside.',
    hint: 'check the block volume on the host; its contents are worthless and may be thrown away',
  },
  VOLUME_PROGRAM_MISSING: {
    kind: 'unsupported',
    summary: 'A program that prepares the image store is not installed.',
    hint: 'add cryptsetup and e2fsprogs (mkfs.ext4) to the guest',
  },
  VOLUME_PROGRAM_FAILED: {
    kind: 'unavailable',
    summary: 'A program that prepares the image store failed.',
    hint: 'the message has its last words; often the disk fails, or the kernel lacks dm-crypt, dm-integrity or a cipher',
  },
  VOLUME_TABLE_MISMATCH: {
    kind: 'corrupt',
    summary: 'The encrypted device is not what was asked for; the host may have rewritten the disk meanwhile.',
    hint: 'nothing was stored on it; check the host, then start the pod again',
  },
  VOLUME_MOUNT_FAILED: {
    kind: 'internal',
    summary: 'The image store could not be mounted, or something else is mounted in its place.',
    hint: 'leave the mount points of the image store to Sealift; the kernel log says more (dmesg)',
  },
  VOLUME_CLEANUP_FAILED: {
    kind: 'unavailable',
    summary: 'What is left of an earlier image store is still in use and cannot be removed.',
    hint: 'end the containers that run from it, or start the pod again',
  },
  VOLUME_IN_USE: {
    kind: 'invalid',
    summary: 'There is an image store already, on another device or at another mount point.',
    hint: 'a pod has one image store; attach one volume to it',
  },
  VOLUME_LOST: {
    kind: 'unavailable',
    summary: 'The image store is gone: its disk, its mapping or its mount.',
    hint: 'start the pod again; images and writable layers on the store are lost',
  },
  VOLUME_STALLED: {
    kind: 'unavailable',
    summary: 'The disk of the image store, or a program working on it, has not answered within the deadline.',
    hint: 'find out why the block volume hangs on the host; pulls are refused until it answers',
  },
  VOLUME_STATE_INVALID: {
    kind: 'invalid',
    summary: 'The state directory does not lie in memory of the guest, where the host cannot read or change it.',
    hint: 'name a directory on a tmpfs, such as one below /run',
  },

  // ttrpc and api
  TTRPC_FRAME_INVALID: {
    kind: 'invalid',
    summary: 'A ttrpc message breaks the protocol: a stream id of the wrong kind, or data where none is allowed.',
    hint: 'the program at the other end of the socket does not speak ttrpc as containerd does',
  },
  TTRPC_MESSAGE_INVALID: {
    kind: 'invalid',
    summary: 'A protobuf message is malformed, has a field of the wrong type, or one that is too long.',
    hint: 'compare the protobuf definitions of both programs',
  },
  TTRPC_MESSAGE_TOO_LARGE: {
    kind: 'exhausted',
    summary: 'A ttrpc message is larger than the protocol allows.',
    hint: 'the protocol has no messages over 4 MiB; send less',
  },
  TTRPC_OVERLOADED: {
    kind: 'exhausted',
    summary: 'The server works on as many calls, or holds as many bytes of them, as it is willing to.',
    hint: 'call again when others have been answered',
  },
  TTRPC_METHOD_UNKNOWN: {
    kind: 'unsupported',
    summary: 'The socket does not serve the service or method that was called.',
    hint: 'compare the services of this socket in the configuration (api.sockets)',
  },
  TTRPC_STREAM_REFUSED: {
    kind: 'unsupported',
    summary: 'A client asked for a stream; all methods here take one message and answer one.',
    hint: 'call the method without streaming',
  },
  TTRPC_DEADLINE_EXCEEDED: {
    kind: 'unavailable',
    summary: 'A call was not finished within the time that its client gave it.',
    hint: 'call again, with more time; what a pull has finished is kept',
  },
  TTRPC_CLOSED: {
    kind: 'unavailable',
    summary: 'A ttrpc connection could not be opened, or was closed before the answer came.',
    hint: 'check that the program behind the socket runs',
  },
  TTRPC_CALL_FAILED: {
    kind: 'unavailable',
    summary: 'The program at the other end answered a call with an error.',
    hint: 'its message says why',
  },
  TTRPC_SOCKET_INVALID: {
    kind: 'invalid',
    summary: 'A socket cannot be made: its name is taken by a running server or by another file, or is too long.',
    hint: 'stop the other server, remove the file, or configure another path',
  },
  HEALTH_SOCKET_INVALID: {
    kind: 'invalid',
    summary: 'Health and metrics cannot be told: the socket or port of api.health is taken, or cannot be made.',
    hint: 'configure another unix socket or port of loopback; pulls are served without it',
  },
  HEALTH_REQUEST_REFUSED: {
    kind: 'exhausted',
    summary: 'A request for health or metrics was turned away: too many at a time, too slow, too long, or not HTTP.',
    hint: 'ask as probes do: one short GET at a time',
  },
  API_PASS_THROUGH_MISSING: {
    kind: 'unsupported',
    summary: 'A resource, a sealed secret or a wrapped key was asked for, and no program is configured that has these.',
    hint: 'name the socket of a confidential-data-hub in api.passthrough_socket',
  },
  API_PASS_THROUGH_FAILED: {
    kind: 'unavailable',
    summary: 'The confidential-data-hub that answers for resources, secrets and keys could not be asked.',
    hint: 'check that it runs, and the path in api.passthrough_socket',
  },
  API_MEASUREMENT_FAILED: {
    kind: 'unavailable',
    summary: 'The attestation agent did not take the measurement of an image.',
    hint: 'check the attestation agent; an image that is not measured does not run',
  },

  // config, cli, platform
  CONFIG_FILE_INVALID: {
    kind: 'invalid',
    summary: 'A configuration file cannot be read or has unknown or wrong settings.',
    hint: 'compare with config/sealift.toml',
  },
  REGISTRIES_INVALID: {
    kind: 'invalid',
    summary: 'A registries.conf is malformed, of version 1, contradicts itself or makes no usable name of the image.',
    hint: 'see containers-registries.conf(5)',
  },
  CERTIFICATES_INVALID: {
    kind: 'invalid',
    summary: 'A folder of certificates for a registry cannot be read, or a certificate or key in it is unusable.',
    hint: 'expected *.crt authorities and pairs of NAME.cert and NAME.key in PEM; see containers-certs.d(5)',
  },
  CONFIG_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The configuration asks for something that Sealift cannot do, and pulling without it would not be safe.',
    hint: 'take the named setting out of the configuration, or replace it as the message says',
  },
  CONFIG_CLASS_REFUSED: {
    kind: 'denied',
    summary: 'An unmeasured configuration source tried to set what only measured sources may set.',
    hint: 'put the setting into the measured configuration file',
  },
  USAGE: {
    kind: 'invalid',
    summary: 'The command line is wrong.',
    hint: 'see sealift --help',
  },
  PLATFORM_CALL_FAILED: {
    kind: 'internal',
    summary: 'A system call failed in a way that Sealift has no better name for.',
    hint: 'the message has the call and the errno',
  },
  INTERNAL: {
    kind: 'internal',
    summary: 'A bug in Sealift.',
    hint: 'report it with the message',
  },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof CODES;
