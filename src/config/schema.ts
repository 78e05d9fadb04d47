import * as z from 'zod';
import { boundsOf, LIMITS, type LimitName } from '../limits/index.ts';
import { LIMIT_NAMES, snakeCase } from './settings.ts';
import { LAYER_FORMATS, VERITY_MODES } from './types.ts';

export const absolutePath = z.string().regex(/^\/[^\u0000]*$/, 'expected an absolute path');
export const certificate = z.string().regex(/-----BEGIN CERTIFICATE-----/, 'expected a PEM certificate');
export const count = z.int().min(1);
function limit(name: LimitName): z.ZodInt {
  const { least, greatest } = boundsOf(name);
  // What one may write at all is what `z.int` says.
  const number = least === 1 ? count : z.int().min(least, `expected at least ${least}`);
  return greatest === Number.MAX_SAFE_INTEGER ? number : number.max(greatest, `expected at most ${greatest}`);
}

const limits = z.strictObject(
  Object.fromEntries(
    LIMIT_NAMES.map((name) => [
      snakeCase(name),
      limit(name)
        .optional()
        .meta({ default: LIMITS[name].default, description: `${LIMITS[name].reason} (${LIMITS[name].unit})` }),
    ]),
  ),
);

const store = z.strictObject({
  root: absolutePath.optional().describe('Puts data and state into folders of these names below this one.'),
  data: absolutePath.optional().describe('Where layers and writable uppers lie.'),
  state: absolutePath.optional().describe('Where index, names and locks lie; guest memory.'),
  layer_format: z.enum(LAYER_FORMATS).optional().describe('One image file a layer, or one directory.'),
  verity: z.enum(VERITY_MODES).optional().describe('Whether a dm-verity tree is written behind each layer image.'),
  min_free_bytes: z
    .int()
    .min(0)
    .optional()
    .describe('A pull that would leave less room than this is refused; of a small store an eighth at most.'),
});

/**
 * Says nothing of credentials, which may stand in it. Without a scheme it is http. SOCKS 4 is refused by a code of its
 * own when a request would need it.
 */
export const proxyUrl = z
  .string()
  .regex(
    /^(?:(?:https?|socks(?:4a?|5h?)?):\/\/)?[^\s/?#]+\/?$/i,
    'expected http://, https:// or socks5://[USER:PASSWORD@]HOST[:PORT]',
  );

const proxy = z.strictObject({
  https: proxyUrl.optional().describe('The proxy that https goes through, in a tunnel.'),
  http: proxyUrl.optional().describe('The proxy that plain http goes through.'),
  no_proxy: z.string().optional().describe('Hosts, domains, addresses and networks that are reached without a proxy.'),
});

const pull = z.strictObject({
  policy: absolutePath.optional().describe('The policy.json that decides which images run.'),
  insecure_policy: z.boolean().optional().describe('Runs any image that no policy denies.'),
  authfile: absolutePath.optional().describe('Credentials in the auth.json format.'),
  tls_verify: z.boolean().optional().describe('False: registries may use http or certificates nobody vouches for.'),
  extra_root_certificates: z.array(certificate).optional().describe('PEM certificates beside the system’s roots.'),
  registries_conf: absolutePath
    .optional()
    .describe('A registries.conf: mirrors, other places of names, what is blocked.'),
  registries_conf_d: absolutePath.optional().describe('A directory with drop-ins to it.'),
  certs_d: absolutePath.optional().describe('A directory with a folder HOST[:PORT] of certificates for each registry.'),
  platform: z.string().min(1).optional().describe('OS/ARCH[/VARIANT] chosen from an index.'),
  foreign_layer_urls: z
    .boolean()
    .optional()
    .describe('True: foreign layers that a registry lacks come from the https addresses that their manifest names.'),
  proxy: proxy.optional().describe('The way to the registries where it leads over a proxy.'),
  limits: limits.optional().describe('Bounds on untrusted input.'),
});

const log = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).optional(),
});

/** A configuration file of Sealift; unknown keys are errors. */
export const configurationSchema = z
  .strictObject({ store: store.optional(), pull: pull.optional(), log: log.optional() })
  .meta({ title: 'Sealift configuration' });

export type ConfigurationFile = z.output<typeof configurationSchema>;

/** For editors; config/schema/sealift.schema.json is this. */
export function configurationJsonSchema(): unknown {
  return z.toJSONSchema(configurationSchema);
}

export type Checked<T> = { readonly ok: true; readonly file: T } | { readonly ok: false; readonly problem: string };

/** The first thing that is wrong, as `pull.limits.max_layers: …`, or the file. */
export function checkDocument<T>(schema: z.ZodType<T>, raw: unknown): Checked<T> {
  const result = schema.safeParse(raw);
  if (result.success) return { ok: true, file: result.data };
  const [issue] = result.error.issues;
  if (issue === undefined) return { ok: false, problem: 'not a configuration' };
  const key = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])].join('.');
  const detail = issue.code === 'unrecognized_keys' ? 'unknown setting' : issue.message;
  return { ok: false, problem: key === '' ? detail : `${key}: ${detail}` };
}

export function checkConfiguration(raw: unknown): Checked<ConfigurationFile> {
  return checkDocument(configurationSchema, raw);
}
