import type { CodeEntry } from './kinds.ts';

/**
 * Every error code of Sealift, grouped by room. A released code is never renamed and never gets another kind.
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
    summary: 'The image reference names no registry host, and the configuration does not say which registry to use.',
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
    summary: 'A manifest or index lacks required fields, can be read as both, or contradicts its media type.',
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
    hint: 'choose a platform that the index has, with --platform, or push an image for this one',
    daemonHint: 'set pull.platform to a platform that the index has, or push an image for this one',
  },
  CONFIG_INVALID: {
    kind: 'corrupt',
    summary: 'The image config is malformed or does not match its manifest.',
    hint: 'build and push the image again',
  },
  LAYER_TYPE_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'A layer has a media type that Sealift does not unpack.',
    hint: 'push the image with plain, gzip or zstd layers',
  },
  LAYER_TYPE_MISMATCH: {
    kind: 'corrupt',
    summary: 'A layer is compressed in a format that is not supported, and its media type names another one.',
    hint: 'build and push the image again with layers in gzip or zstd, or uncompressed',
  },
  LAYER_FOREIGN_REFUSED: {
    kind: 'denied',
    summary:
      'A foreign layer is not in the registry, and downloading it from its own URLs is not allowed or not possible.',
    hint: 'push the image with its foreign layers (docker: allow-nondistributable-artifacts), or allow their urls with --foreign-layers or pull.foreign_layer_urls',
    daemonHint:
      'push the image with its foreign layers (docker: allow-nondistributable-artifacts), or set pull.foreign_layer_urls = true',
  },

  // http and registry
  HTTP_UNAVAILABLE: {
    kind: 'unavailable',
    summary:
      'The server could not be reached, closed the connection early, stalled, or answered 408, 429 or 5xx on every try.',
    hint: 'check network, DNS, proxy and TLS roots, then pull again',
  },
  HTTP_PROXY_AUTH_REQUIRED: {
    kind: 'unauthorized',
    summary: 'The proxy requires credentials, or refused those in its URL (status 407).',
    hint: 'put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT',
  },
  HTTP_PROXY_REFUSED: {
    kind: 'unavailable',
    summary: 'The proxy refused to open a tunnel to the server.',
    hint: 'allow the host and port of the registry on the proxy, or add the host to no_proxy',
  },
  HTTP_REDIRECT_REFUSED: {
    kind: 'unavailable',
    summary:
      'There were too many redirects, a redirect leads from https to http or to a private address, or its Location is unusable.',
    hint: 'check the registry and its storage backend',
  },
  HTTP_RESPONSE_INVALID: {
    kind: 'corrupt',
    summary: 'A response contradicts the protocol: wrong length, wrong range, or a body larger than allowed.',
    hint: 'the registry or a proxy in between damages responses; try without the proxy',
  },
  HTTP_STATUS_UNEXPECTED: {
    kind: 'unavailable',
    summary:
      'The server answered with a status that the distribution protocol does not define for this request, or with a web page.',
    hint: 'check that the host is a registry',
  },
  REGISTRY_AUTH_REJECTED: {
    kind: 'unauthorized',
    summary:
      'The registry or its token service refused the credentials, or requires credentials and has been sent none.',
    hint: 'check the credentials in the auth file for this registry (--authfile, --creds)',
    daemonHint:
      'check the credentials for this registry in the file of image.authenticated_registry_credentials_uri (pull.authfile)',
  },
  REGISTRY_AUTH_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The registry asks for an authentication scheme other than Basic or Bearer, or names an unusable realm.',
    hint: 'check the WWW-Authenticate header of the registry',
  },
  REGISTRY_BLOCKED: {
    kind: 'denied',
    summary: 'The configuration of registries forbids pulling images with this name.',
    hint: 'a blocked registry is never contacted; remove "blocked" from the named file if the image should be pulled',
  },
  REGISTRY_MANIFEST_UNKNOWN: {
    kind: 'missing',
    summary: 'The registry does not have the repository, tag or digest.',
    hint: 'check the name and tag; private repositories give the same answer to requests without credentials',
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
    summary:
      'A credential helper named by the credentials file could not be run, failed, or returned an unusable answer.',
    hint: 'try echo HOST | docker-credential-NAME get, or remove the helper from credHelpers and credsStore',
  },
  MANIFEST_DIGEST_MISMATCH: {
    kind: 'corrupt',
    summary: 'The bytes of a manifest or index do not hash to the digest that they were requested by.',
    hint: 'the registry or something between it and this machine changed the document; do not run this image',
  },
  BLOB_DIGEST_MISMATCH: {
    kind: 'corrupt',
    summary: 'The bytes of a blob do not hash to the digest in its descriptor.',
    hint: 'the registry or something between it and this machine changed the blob; do not run this image',
  },
  BLOB_SIZE_MISMATCH: {
    kind: 'corrupt',
    summary: 'A blob or document is shorter or longer than its descriptor states.',
    hint: 'the registry or something between it and this machine changed the blob; do not run this image',
  },

  // archive
  ARCHIVE_NOT_FOUND: {
    kind: 'missing',
    summary: 'The path in the reference does not exist, or is not a directory (oci) or a file (the archives).',
    hint: 'check the path; oci: takes a directory, oci-archive: and docker-archive: take a file',
  },
  ARCHIVE_READ_FAILED: {
    kind: 'unavailable',
    summary: 'A directory or archive that holds an image cannot be read: no permission or an I/O error.',
    hint: 'check permissions and the disk',
  },
  ARCHIVE_INVALID: {
    kind: 'corrupt',
    summary:
      'An archive is not a well-formed tar, is truncated, contains a file twice, or has a link that leads out of it.',
    hint: 'create the archive or directory again, e.g. with skopeo copy',
  },
  ARCHIVE_MEMBER_MISSING: {
    kind: 'corrupt',
    summary: 'A directory or archive lacks a file that its index or manifest names.',
    hint: 'create the archive or directory again; part of it was lost',
  },
  ARCHIVE_UNSUPPORTED: {
    kind: 'unsupported',
    summary:
      'The image layout has an unsupported version, or something in it is compressed with neither gzip nor zstd.',
    hint: 'create it again with skopeo copy, or decompress it first',
  },
  ARCHIVE_IMAGE_UNKNOWN: {
    kind: 'missing',
    summary: 'The directory or archive contains no image with that name, position or digest.',
    hint: 'use the name of an image that it contains, or a position such as @0 or @1',
  },
  ARCHIVE_IMAGE_AMBIGUOUS: {
    kind: 'invalid',
    summary: 'The directory or archive contains several images, and the reference does not say which one to use.',
    hint: 'name the image after the path: PATH:NAME, or PATH:@POSITION counted from 0',
  },
  ARCHIVE_LIMIT_EXCEEDED: {
    kind: 'exhausted',
    summary: 'An archive has more members, unpacks to more bytes or contains a larger document than the limits allow.',
    hint: 'raise the named limit if the archive is trusted to need it',
  },
  ARCHIVE_SPACE_EXHAUSTED: {
    kind: 'exhausted',
    summary: 'There is not enough space to unpack a compressed archive into a temporary file.',
    hint: 'free space in the directory for temporary files, or decompress the archive first: an uncompressed archive needs no such file',
  },

  // signature
  POLICY_INVALID: {
    kind: 'invalid',
    summary: 'The policy file is not a valid containers policy.json document.',
    hint: 'the message says what is wrong and where; docs/policy.md has every member, and `sealift policy check FILE` examines the keys as well',
  },
  POLICY_DENIED: {
    kind: 'denied',
    summary: 'The policy rejects the image.',
    hint: 'a denial is final; if the image should run, give its name a scope of its own in the policy (docs/policy.md)',
    daemonHint:
      'a denial is final; if the image should run, give its name a scope of its own in the policy: image.image_security_policy, or what image.image_security_policy_uri (pull.policy) names',
  },
  POLICY_TAG_UNPINNED: {
    kind: 'denied',
    summary: 'No policy is configured and the reference is a tag, so nothing determines which bytes may run.',
    hint: 'pin the reference by digest (name@sha256:…), give a policy with --policy, or accept anything with --insecure-policy',
    daemonHint:
      'write a policy that accepts the image into cdh.toml, as image.image_security_policy or as a file named by image.image_security_policy_uri, or name the image by digest (name@sha256:…)',
  },
  POLICY_REQUIREMENT_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The policy requires a kind of verification that this version does not support.',
    hint: 'the image is refused rather than run unverified; use another requirement type',
  },
  SIGNATURE_UNAVAILABLE: {
    kind: 'unavailable',
    summary:
      'The policy requires a signature, none that was found is good, and a location of signatures could not be read, or a signature could not be checked.',
    hint: 'repair the named lookaside store or registry, or correct its address in registries.d, then pull again',
    daemonHint:
      'repair the named lookaside store or registry, or correct its address in image.sigstore_config or in the file of image.sigstore_config_uri (pull.registries_d), then pull again',
  },
  SIGNATURE_LIMIT_EXCEEDED: {
    kind: 'exhausted',
    summary: 'An image has more signatures, or larger ones, than the limits allow, and none that was read is good.',
    hint: 'remove signatures that are not needed, or raise the named limit if their store or registry is trusted to need it',
  },
  SIGNATURE_REFUSED: {
    kind: 'denied',
    summary: 'A signature is malformed, is not by a trusted key, does not hold any more, or is for another image.',
    hint: 'docs/policy.md says for each reason what to do; sign the image again, or change the policy',
  },
  SIGNATURE_CHECK_STALLED: {
    kind: 'exhausted',
    summary: 'The check of a signature did not end in time.',
    hint: 'look at the signature, which may be an attack; on a slow machine raise pull.limits.signature_check_ms or image_signature_check_ms',
  },

  // layer
  DIFFID_MISMATCH: {
    kind: 'corrupt',
    summary: 'The uncompressed layer does not hash to the diffID in the image config.',
    hint: 'the image is inconsistent; build and push it again',
  },
  LAYER_DECOMPRESS_FAILED: {
    kind: 'corrupt',
    summary: 'The compressed layer is malformed, truncated or followed by extra bytes.',
    hint: 'push the image again',
  },
  LAYER_LIMIT_EXCEEDED: {
    kind: 'exhausted',
    summary: 'A layer is larger, expands further or has more entries than the limits allow.',
    hint: 'raise the named limit if the image is trusted to need it',
  },
  LAYER_WORKER_FAILED: {
    kind: 'internal',
    summary: 'A worker thread that processes layers ended unexpectedly.',
    hint: 'pull again; report it if it happens twice',
  },
  PULL_CANCELLED: {
    kind: 'unavailable',
    summary: 'The pull was cancelled or exceeded its deadline.',
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
    summary:
      'The layer uses a tar feature that image layers must not use (sparse files of an old form, volumes, unknown types).',
    hint: 'build the layer without that feature',
  },
  UNPACK_PATH_ESCAPE: {
    kind: 'corrupt',
    summary: 'An entry or link would leave the root of the layer.',
    hint: 'the image is hostile or broken; do not run it',
  },
  UNPACK_ENTRY_INVALID: {
    kind: 'corrupt',
    summary:
      'An entry cannot be applied: bad whiteout, device 0:0, parent that is not a directory, dangling hard link.',
    hint: 'build the layer again with a conforming tool',
  },
  UNPACK_TARGET_INVALID: {
    kind: 'invalid',
    summary: 'The target of --unpack exists and is not an empty directory.',
    hint: 'name a directory that does not exist or is empty',
  },
  UNPACK_WRITE_FAILED: {
    kind: 'exhausted',
    summary: 'Writing the unpacked layer failed: no space, no inodes or an I/O error.',
    hint: 'free space in the store, or make it larger',
  },
  UNPACK_FILESYSTEM_UNSUPPORTED: {
    kind: 'unsupported',
    summary:
      'The file system of the store or target cannot hold something that the layer contains, such as file capabilities.',
    hint: 'put the store or the target on a file system with extended attributes, e.g. ext4, xfs or tmpfs',
  },

  // store, snapshot, bundle
  STORE_INVALID: {
    kind: 'invalid',
    summary: 'The store directory cannot be used: wrong format, wrong permissions or not a directory.',
    hint: 'choose another directory with --store',
    daemonHint: 'choose other directories with volume.mount_point and store.state',
  },
  STORE_LOCK_TIMEOUT: {
    kind: 'unavailable',
    summary: 'Another process held a lock of the store for longer than the deadline.',
    hint: 'wait for the other pull to end, or find out why it hangs',
  },
  STORE_SPACE_EXHAUSTED: {
    kind: 'exhausted',
    summary: 'The image does not fit into the store.',
    hint: 'make the store larger, or remove unused images',
  },
  STORE_IMAGE_UNKNOWN: {
    kind: 'missing',
    summary: 'The store has no image with that name or digest.',
    hint: 'list the images with sealift images; a digest must be written out in full',
  },
  STORE_IMAGE_IN_USE: {
    kind: 'invalid',
    summary: 'The image is mounted or used by a pull, so its last name cannot be removed.',
    hint: 'unmount its bundles first with sealift umount DIR',
  },
  STORE_IO_FAILED: {
    kind: 'unavailable',
    summary: 'The file system of the store returned an error for an operation.',
    hint: 'check the disk behind the store, its mount options and the kernel log',
  },
  STORE_STALLED: {
    kind: 'unavailable',
    summary: 'The file system of the store did not complete an operation within the deadline.',
    hint: 'find out why the disk behind the store hangs; pulls are refused until it responds',
  },
  STORE_RECORD_CORRUPT: {
    kind: 'corrupt',
    summary: 'A record in the store does not match its name or cannot be read.',
    hint: 'stop the containers that run from this store, then run `sealift prune` to remove the record',
  },
  STORE_STAGING_ALTERED: {
    kind: 'corrupt',
    summary: 'A layer in the store changed after its last check and before it was published.',
    hint: 'find out what else writes to the store and whether its disk is sound, then pull again',
  },
  PRIVILEGE_REQUIRED: {
    kind: 'unsupported',
    summary: 'The command needs root.',
    hint: 'run it as root, or unpack without a store: sealift pull --unpack DIR',
    daemonHint: 'run sealiftd as root',
  },
  SNAPSHOT_MOUNT_FAILED: {
    kind: 'internal',
    summary: 'The overlay or a layer image could not be mounted or unmounted.',
    hint: 'see the kernel log (dmesg) for details',
  },
  SNAPSHOT_TREE_MISSING: {
    kind: 'denied',
    summary: 'A layer is stored where the host can change it, and it has no hash tree that would reveal a change.',
    hint: 'remove the image and pull it again, with layers as EROFS images',
  },
  SNAPSHOT_FORMAT_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'The configuration asks for layer images, and this kernel cannot mount them.',
    hint: 'set store.layer_format to "auto"; sealift doctor shows what the kernel lacks',
  },
  BUNDLE_INVALID: {
    kind: 'invalid',
    summary:
      'The bundle directory cannot be used: its rootfs is already mounted, another pull works on it, or Sealift did not ' +
      'create it.',
    hint: 'wait for the other pull or unmount the bundle with sealift umount DIR, or name another directory',
    daemonHint: 'wait for the other pull or unmount the rootfs, or name another directory',
  },
  BUNDLE_USER_INVALID: {
    kind: 'missing',
    summary: 'The user or group of the image config is out of range or does not exist in the image.',
    hint: 'fix the USER of the image',
  },
  BUNDLE_PLATFORM_UNSUPPORTED: {
    kind: 'unsupported',
    summary: 'A bundle was requested for an image of an operating system other than Linux.',
    hint: 'this machine cannot run it; look at its files with --unpack DIR, or leave out --bundle to keep it in the store',
    daemonHint: 'this machine cannot run it; name an image for Linux',
  },

  // volume
  VOLUME_REQUEST_INVALID: {
    kind: 'invalid',
    summary: 'A request for the image store has a malformed device or mount point.',
    hint: 'the request needs deviceId=MAJOR:MINOR and an absolute mount point, as the kata agent sends them',
  },
  VOLUME_REQUEST_UNSUPPORTED: {
    kind: 'unsupported',
    summary:
      'A request for the image store asks for an unsupported kind of volume, encryption, file system or mount point.',
    hint: 'supported are block-device, empty, luks2, ext4 and fileSystem, mounted below the configured directories',
  },
  VOLUME_DEVICE_MISSING: {
    kind: 'missing',
    summary: 'The block device of the image store does not exist.',
    hint: 'attach the volume to the pod, or wait longer for it with volume.wait_ms',
  },
  VOLUME_DEVICE_INVALID: {
    kind: 'invalid',
    summary: 'The device of the image store is not a whole, writable disk of at least 64 MiB.',
    hint: 'give the pod a block volume of its own (volumeMode: Block), of at least 64 MiB',
  },
  VOLUME_DEVICE_BUSY: {
    kind: 'unavailable',
    summary: 'Something else uses the device of the image store: a mount, a mapping or a program.',
    hint: 'name a device that nothing else uses; everything on it is overwritten',
  },
  VOLUME_DEVICE_CHANGED: {
    kind: 'corrupt',
    summary: 'The disk of the image store was replaced by another disk.',
    hint: 'the host exchanged the volume while it was being prepared; start the pod again',
  },
  VOLUME_DEVICE_FAILED: {
    kind: 'unavailable',
    summary: 'The disk of the image store returns I/O errors, or its blocks were changed from outside.',
    hint: 'check the block volume on the host; its contents are of no further use and may be deleted',
  },
  VOLUME_PROGRAM_MISSING: {
    kind: 'unsupported',
    summary: 'A program that prepares the image store is not installed.',
    hint: 'install cryptsetup and e2fsprogs (mkfs.ext4) in the guest',
  },
  VOLUME_PROGRAM_FAILED: {
    kind: 'unavailable',
    summary: 'A program that prepares the image store failed.',
    hint: 'the message ends with the output of the program; often the disk fails, or the kernel lacks dm-crypt, dm-integrity or a cipher',
  },
  VOLUME_TABLE_MISMATCH: {
    kind: 'corrupt',
    summary:
      'The encrypted device differs from the one that was requested; the host may have rewritten the disk in the meantime.',
    hint: 'nothing was stored on it; check the host, then start the pod again',
  },
  VOLUME_MOUNT_FAILED: {
    kind: 'internal',
    summary: 'The image store could not be mounted, or something else is mounted at its mount point.',
    hint: 'leave the mount points of the image store to Sealift; see the kernel log (dmesg) for details',
  },
  VOLUME_CLEANUP_FAILED: {
    kind: 'unavailable',
    summary: 'The remains of an earlier image store are still in use and cannot be removed.',
    hint: 'stop the containers that run from it, or start the pod again',
  },
  VOLUME_IN_USE: {
    kind: 'invalid',
    summary:
      'A volume is already mounted: the image store on another device or mount point, or a volume in whose directory this one would lie.',
    hint: 'a pod has one image store; attach one volume to it, and give each other volume a mount point of its own',
  },
  VOLUME_LIMIT_EXCEEDED: {
    kind: 'exhausted',
    summary: 'The pod asks for more encrypted volumes than may be mounted at a time.',
    hint: 'use fewer emptyDir volumes, or raise pull.limits.max_mounted_volumes',
  },
  VOLUME_LOST: {
    kind: 'unavailable',
    summary: 'The image store is gone: its disk, its mapping or its mount.',
    hint: 'start the pod again; images and writable layers on the store are lost',
  },
  VOLUME_STALLED: {
    kind: 'unavailable',
    summary: 'The disk of the image store, or a program that works on it, did not respond within the deadline.',
    hint: 'find out why the block volume hangs on the host; pulls are refused until it responds',
  },
  VOLUME_STATE_INVALID: {
    kind: 'invalid',
    summary: 'The state directory is not in the memory of the guest, so the host can read or change it.',
    hint: 'set store.state to a directory on a tmpfs, such as one below /run',
  },

  // ttrpc and api
  TTRPC_FRAME_INVALID: {
    kind: 'invalid',
    summary: 'A ttrpc message violates the protocol: a stream id of the wrong kind, or data where none is allowed.',
    hint: 'the program at the other end of the socket does not speak ttrpc in the way that containerd does',
  },
  TTRPC_MESSAGE_INVALID: {
    kind: 'invalid',
    summary: 'A protobuf message is malformed, or has a field of the wrong type or a field that is too long.',
    hint: 'compare the protobuf definitions of both programs',
  },
  TTRPC_MESSAGE_TOO_LARGE: {
    kind: 'exhausted',
    summary: 'A ttrpc message is larger than the protocol allows.',
    hint: 'the protocol allows messages of up to 4 MiB; send less',
  },
  TTRPC_OVERLOADED: {
    kind: 'exhausted',
    summary: 'The server already processes as many calls, or holds as many bytes of calls, as it accepts.',
    hint: 'call again when other calls have been answered',
  },
  TTRPC_METHOD_UNKNOWN: {
    kind: 'unsupported',
    summary: 'The socket does not serve the service or method that was called.',
    hint: 'compare the services of this socket in the configuration (api.sockets)',
  },
  TTRPC_STREAM_REFUSED: {
    kind: 'unsupported',
    summary: 'A client asked for a stream; every method here takes one message and returns one.',
    hint: 'call the method without streaming',
  },
  TTRPC_DEADLINE_EXCEEDED: {
    kind: 'unavailable',
    summary: 'A call did not finish within the timeout that its client set.',
    hint: 'call again with a longer timeout; what a pull has finished is kept',
  },
  TTRPC_CLOSED: {
    kind: 'unavailable',
    summary: 'A ttrpc connection could not be opened, or was closed before the answer arrived.',
    hint: 'check that the program behind the socket is running',
  },
  TTRPC_CALL_FAILED: {
    kind: 'unavailable',
    summary: 'The program at the other end answered a call with an error.',
    hint: 'the message of that program gives the reason',
  },
  TTRPC_SOCKET_INVALID: {
    kind: 'invalid',
    summary: 'A socket cannot be created: its path is used by a running server or by another file, or is too long.',
    hint: 'stop the other server, remove the file, or configure another path',
  },
  HEALTH_SOCKET_INVALID: {
    kind: 'invalid',
    summary: 'Health and metrics cannot be served: the socket or port of api.health is in use or cannot be opened.',
    hint: 'configure another unix socket or loopback port; pulls are served without it',
  },
  HEALTH_REQUEST_REFUSED: {
    kind: 'exhausted',
    summary: 'A request for health or metrics was refused: too many at the same time, too slow, too long, or not HTTP.',
    hint: 'send one short GET at a time, as probes do',
  },
  API_PASS_THROUGH_MISSING: {
    kind: 'unsupported',
    summary:
      'A resource, a sealed secret or a wrapped key was requested, and no program that provides them is configured.',
    hint: 'name the socket of a confidential-data-hub in api.passthrough_socket',
  },
  API_PASS_THROUGH_FAILED: {
    kind: 'unavailable',
    summary: 'The confidential-data-hub that provides resources, secrets and keys could not be reached.',
    hint: 'check that it is running, and the path in api.passthrough_socket',
  },
  API_MEASUREMENT_FAILED: {
    kind: 'unavailable',
    summary: 'The attestation agent did not record the measurement of an image.',
    hint: 'check the attestation agent; an image that is not measured is not run',
  },

  // keybroker
  KEYBROKER_DENIED: {
    kind: 'denied',
    summary: 'The key broker refused to release a resource to this guest.',
    hint: 'check the resource policy of the key broker, and that the attestation of this guest passes',
  },
  KEYBROKER_RESOURCE_UNKNOWN: {
    kind: 'missing',
    summary: 'The key broker does not have a resource that the configuration or the policy names.',
    hint: 'put the resource into the key broker, or correct its kbs:// URI',
  },
  KEYBROKER_UNAVAILABLE: {
    kind: 'unavailable',
    summary:
      'The key broker, the attestation agent or the confidential-data-hub that fetches resources could not be reached, failed, or did not answer in time.',
    hint: 'check that the program or server in the message is running; the next pull asks again',
  },
  KEYBROKER_ANSWER_INVALID: {
    kind: 'corrupt',
    summary:
      'An answer of the key broker or the attestation agent, or a file with offline resources, is malformed, too large, or cannot be decrypted.',
    hint: 'check the versions of key broker and attestation agent, or the file that the message names',
  },

  // config, cli, platform
  CONFIG_FILE_INVALID: {
    kind: 'invalid',
    summary: 'A configuration file cannot be read, or has unknown settings or invalid values.',
    hint: 'compare with config/sealift.toml',
  },
  REGISTRIES_INVALID: {
    kind: 'invalid',
    summary:
      'A registries.conf is malformed, of version 1, contradicts itself, or turns the image name into an unusable one.',
    hint: 'see containers-registries.conf(5)',
  },
  REGISTRIES_D_INVALID: {
    kind: 'invalid',
    summary:
      'A file of registries.d, which names lookaside stores, cannot be read, is malformed, or sets what another one sets.',
    hint: 'the message says what is wrong and where; docs/registries.md has the format',
  },
  CERTIFICATES_INVALID: {
    kind: 'invalid',
    summary: 'A directory of certificates for a registry cannot be read, or a certificate or key in it is unusable.',
    hint: 'expected *.crt authorities and pairs of NAME.cert and NAME.key in PEM; see containers-certs.d(5)',
  },
  CONFIG_UNSUPPORTED: {
    kind: 'unsupported',
    summary:
      'The configuration asks for something that Sealift does not support, and pulling without it would not be safe.',
    hint: 'remove the named setting from the configuration, or replace it as the message says',
  },
  CONFIG_CLASS_REFUSED: {
    kind: 'denied',
    summary: 'A configuration source that is not measured tried to set something that only measured sources may set.',
    hint: 'put the setting into the measured configuration file',
  },
  USAGE: {
    kind: 'invalid',
    summary: 'The command line is wrong.',
    hint: 'see sealift --help',
  },
  PLATFORM_CALL_FAILED: {
    kind: 'internal',
    summary: 'A system call failed, and Sealift has no more specific code for it.',
    hint: 'the message names the call and the errno',
  },
  INTERNAL: {
    kind: 'internal',
    summary: 'A bug in Sealift.',
    hint: 'report it with the message',
  },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof CODES;
