import { gunzipSync } from 'node:zlib';

/**
 * An EROFS image of one 4 KiB block with what layers need: a file, a whiteout, an opaque directory, a file capability,
 * an ACL and a `user.*` attribute. Made with Debian 12's erofs-utils, attr, acl and libcap2-bin:
 *
 *     mkdir -p t/opaque; printf 'sealift\n' >t/probe; printf x >t/capable; mknod t/gone c 0 0
 *     setfattr -n trusted.overlay.opaque -v y t/opaque; setfattr -n user.note -v kept t/probe
 *     setcap cap_net_raw+ep t/capable; setfacl -m u:1234:r t/capable
 *     mkfs.erofs -T0 --all-root -U 5ea11f70-0000-4000-8000-000000000001 -x1 probe.erofs t
 *     gzip -9nc probe.erofs | base64 -w0
 */
const PROBE_IMAGE =
  'H4sIAAAAAAACA2NgGAWjYBSMVPDo4dcHna+SBZmBbB4GFQZWLGoYkdhxC+ULGBgcGBowpcgCLED81pGZIRHK/w8EyPIqUNqDgQnO9gSyNaFsb6AT9KDsIAZmBn0oOwyoxgjKjgGp0dNLTixITMpJTc/PS80vSCwsTS0oyk9KJeg+MYYljYxwj4Lch8vTXGwiDGBLMnMySyqBqpgYFDAUMekAhUEBxwY2iwlowyUWkD0sYL4AlFaA0hVEhOESRVQXMaG4nw0YvkwM0kjuZ8ZhDh8LI0N+WWpRTmKlHiSEKuHhKYEU/pJANjA8oeazgMOHA8l8FlxhycjCkJdfkpqdWlBSnJqYk5lWwjWaA0fBKBgFo2AUjIJRMAroCwCcq/dlABAAAA==';

export const probeImage = (): Buffer => gunzipSync(Buffer.from(PROBE_IMAGE, 'base64'));

/** The content of the image's file. */
export const PROBE_TEXT = 'sealift\n';
