import * as z from 'zod';
import { absolutePath, certificate, configurationSchema, count, proxyUrl } from '../schema.ts';
import { parseHealthAddress } from './parse-health-address.ts';
import { API_SERVICES, INTEGRITY_ALGORITHMS } from './types.ts';

const unixSocket = z.string().regex(/^(?:unix:\/\/)?\/[^\u0000]*$/, 'expected unix:// and an absolute path');
const MEMORY_SIZE = 'expected bytes, or a percentage of the memory such as "50%"';
const memorySize = z.union([count, z.string().regex(/^(?:100|[1-9][0-9]?)%$/, MEMORY_SIZE)], { error: MEMORY_SIZE });

const volume = z.strictObject({
  devices: z.array(absolutePath).optional().describe('Paths that the device of the image store may have.'),
  wait_ms: z
    .int()
    .min(0)
    .max(2_147_483_647)
    .optional()
    .describe('How long the daemon waits for such a device at its start.'),
  required: z.boolean().optional().describe('False: memory is used when the device fails.'),
  integrity: z.enum(INTEGRITY_ALGORITHMS).optional().describe('How the store detects changed blocks.'),
  mount_point: absolutePath.optional().describe('Where the store is mounted.'),
  mount_roots: z
    .array(absolutePath)
    .optional()
    .describe('Directories below which the agent may mount encrypted emptyDir volumes.'),
  memory_mount_point: absolutePath.optional().describe('Where memory is mounted for layers when there is no device.'),
  memory_size: memorySize.optional().describe('Bytes, or a percentage of the memory such as "50%".'),
  allow_directory_layers: z
    .boolean()
    .optional()
    .describe('Allows layers on the device that dm-verity does not protect.'),
});

const apiSocket = z.strictObject({
  path: absolutePath.describe('The path of the socket.'),
  services: z.array(z.enum(API_SERVICES)).min(1).optional().describe('The services on this socket; all when absent.'),
});

const healthAddress = z
  .string()
  .refine(
    (text) => parseHealthAddress(text) !== undefined,
    'expected unix:// and an absolute path, or an address of loopback with a port, such as 127.0.0.1:9464',
  );

const api = z.strictObject({
  sockets: z.array(apiSocket).min(1).optional().describe('The ttrpc sockets, each with its services.'),
  bundle_roots: z.array(absolutePath).min(1).optional().describe('Directories below which bundles lie.'),
  passthrough_socket: unixSocket
    .optional()
    .describe('The socket of a confidential-data-hub that answers the calls that Sealift does not serve.'),
  aa_socket: unixSocket.optional().describe('The socket of the attestation agent.'),
  ready_file: absolutePath.optional().describe('A file that the daemon creates when it serves.'),
  max_pulls: count.max(1_000).optional().describe('The greatest number of pulls that run at the same time.'),
  health: healthAddress.optional().describe('The address of health and metrics: a unix socket, or a port of loopback.'),
});

const keybroker = z.strictObject({
  offline_files: z
    .array(absolutePath)
    .optional()
    .describe('Further files with resources of offline_fs_kbc; a later one overrides an earlier one.'),
});

const log = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent', 'off']).optional(),
});

const pullProxy = z.looseObject({
  https_proxy: z.union([z.literal(''), proxyUrl]).optional(),
  http_proxy: z.union([z.literal(''), proxyUrl]).optional(),
  no_proxy: z.string().optional(),
});

/** https://github.com/confidential-containers/guest-components/blob/main/image-rs/docs/design.md */
const image = z.looseObject({
  work_dir: absolutePath.optional(),
  default_snapshot: z.unknown().optional(),
  image_security_policy_uri: z.string().optional(),
  image_security_policy: z.string().optional(),
  sigstore_config_uri: z.string().optional(),
  sigstore_config: z.string().optional(),
  authenticated_registry_credentials_uri: z.string().optional(),
  anonymous_fallback_on_unauthorized: z.boolean().optional(),
  registry_configuration_uri: z.string().optional(),
  registry_config: z.looseObject({}).optional(),
  max_concurrent_layer_downloads_per_image: count.max(1_000).optional(),
  image_pull_proxy: pullProxy.optional(),
  extra_root_certificates: z.array(certificate).optional(),
});

const aa = z.looseObject({ aa_socket: unixSocket.optional() });
const kbc = z.looseObject({
  name: z.string().optional(),
  url: z.string().optional(),
  kbs_cert: z.string().optional(),
});

/**
 * The file of the daemon: the tables of confidential-data-hub, whose unknown keys are ignored, and Sealift's own
 * tables, whose unknown keys are errors.
 * https://github.com/confidential-containers/guest-components/blob/main/confidential-data-hub/example.config.toml
 */
const daemonSchema = z
  .looseObject({
    ...configurationSchema.shape,
    log: log.optional(),
    volume: volume.optional(),
    api: api.optional(),
    keybroker: keybroker.optional(),
    socket: unixSocket.optional(),
    aa: aa.optional(),
    kbc: kbc.optional(),
    credentials: z.array(z.looseObject({})).optional(),
    skip_sealed_secret_verification: z.boolean().optional(),
    image: image.optional(),
  })
  .meta({ title: 'Configuration of sealiftd' });

export type DaemonFile = z.output<typeof daemonSchema>;

/** The tables of confidential-data-hub with the keys that are known in them. */
const FOREIGN_TABLES: ReadonlyMap<string, readonly string[]> = new Map([
  ['', Object.keys(daemonSchema.shape)],
  ['aa', Object.keys(aa.shape)],
  ['kbc', Object.keys(kbc.shape)],
  ['image', Object.keys(image.shape)],
  ['image.image_pull_proxy', Object.keys(pullProxy.shape)],
]);

const registry = z.looseObject({
  username: z.string().optional(),
  password: z.string().optional(),
  auth: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
  'ca-certs': z.string().optional(),
  'insecure-skip-verify': z.boolean().optional(),
  mirror: z.string().optional(),
});

const imagepullerSchema = z.looseObject({
  registries: z.record(z.string(), registry).optional(),
  'extra-env': z
    .looseObject({
      HTTPS_PROXY: z.union([z.literal(''), proxyUrl]).optional(),
      HTTP_PROXY: z.union([z.literal(''), proxyUrl]).optional(),
      NO_PROXY: z.string().optional(),
    })
    .optional(),
});

export type ImagepullerFile = z.output<typeof imagepullerSchema>;
export type ImagepullerRegistry = z.output<typeof registry>;

const IMAGEPULLER_KEYS: readonly string[] = Object.keys(imagepullerSchema.shape);
const REGISTRY_KEYS: readonly string[] = Object.keys(registry.shape);

/** Returns the JSON Schema for editors, config/schema/sealiftd.schema.json. */
export function daemonJsonSchema(): unknown {
  return z.toJSONSchema(daemonSchema);
}

export { daemonSchema, FOREIGN_TABLES, IMAGEPULLER_KEYS, imagepullerSchema, REGISTRY_KEYS };
