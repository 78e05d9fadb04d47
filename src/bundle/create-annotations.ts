import type { ImageConfig } from '../oci/index.ts';

/**
 * Label namespaces by which some runtime is configured. Labels are attacker-controlled and runtimes trust annotations,
 * so these labels never become annotations (CVE-2026-53488, CVE-2026-53492).
 */
export const RESERVED_LABELS: readonly { readonly prefix: string; readonly reason: string }[] = [
  { prefix: 'io.katacontainers.', reason: 'kata reads hypervisor, kernel and agent settings from it' },
  { prefix: 'io.kubernetes.', reason: 'CRI runtimes read sandbox identity, user namespace and mount settings from it' },
  { prefix: 'containerd.io/', reason: 'containerd control labels' },
  { prefix: 'io.containerd.', reason: 'containerd control labels and runtime options' },
  { prefix: 'cdi.k8s.io/', reason: 'injects host devices' },
  { prefix: 'nvidia.cdi.k8s.io/', reason: 'injects host devices in nvidia-container-runtime' },
  { prefix: 'run.oci.', reason: 'crun handlers, hooks stdout, keyring and mount settings' },
  { prefix: 'krun.', reason: 'virtual machine settings of crun with libkrun' },
  { prefix: 'module.wasm.image/', reason: 'crun and youki choose the wasm handler by it' },
  { prefix: 'org.systemd.property.', reason: 'runc and crun set unit properties from it' },
  { prefix: 'org.criu.', reason: 'runc and crun read a CRIU configuration path from it' },
  { prefix: 'dev.gvisor.', reason: 'runsc reads flags and mounts from it' },
  { prefix: 'io.crio.', reason: 'CRI-O control annotations' },
  { prefix: 'io.podman.', reason: 'podman control annotations' },
  { prefix: 'io.containers.', reason: 'OCI hooks of the containers tools act on it' },
  { prefix: 'io.microsoft.', reason: 'hcsshim reads virtual machine settings from it' },
];

/** Labels such as `cpu-load-balancing.crio.io`, which end with their namespace. */
const RESERVED_SUFFIX = /\.crio\.io(\/|$)/;

function isReserved(label: string): boolean {
  const name = label.toLowerCase();
  return RESERVED_LABELS.some(({ prefix }) => name.startsWith(prefix)) || RESERVED_SUFFIX.test(name);
}

function impliedAnnotations(image: ImageConfig): [string, string][] {
  const { config } = image;
  const values: [string, string | undefined][] = [
    ['os', image.os],
    ['architecture', image.architecture],
    ['variant', image.variant],
    ['os.version', image.osVersion],
    // The specification does not say how to write a list; image-rs writes JSON.
    ['os.features', image.osFeatures.length > 0 ? JSON.stringify(image.osFeatures) : undefined],
    ['author', image.author],
    ['created', image.created],
    ['stopSignal', config.stopSignal],
    ['exposedPorts', config.exposedPorts.join(',')],
  ];
  return values.flatMap(([name, value]): [string, string][] =>
    value === undefined || value === '' ? [] : [[`org.opencontainers.image.${name}`, value]],
  );
}

/**
 * Returns the annotations of the container: those that the image config implies and its labels, which take precedence.
 * Reserved labels are omitted and listed in `strippedLabels`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md#annotation-fields
 */
export function createAnnotations(image: ImageConfig): {
  readonly annotations: Readonly<Record<string, string>>;
  readonly strippedLabels: readonly string[];
} {
  const labels = Object.entries(image.config.labels);
  const kept = labels.filter(([label]) => label !== '' && !isReserved(label));
  const strippedLabels = labels.map(([label]) => label).filter(isReserved);
  // fromEntries defines own properties, so that a label `__proto__` stays a label.
  return { annotations: Object.fromEntries([...impliedAnnotations(image), ...kept]), strippedLabels };
}
