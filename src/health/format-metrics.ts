import type { DaemonFacts, PairCounts, PullCounts, PullTimes } from '../daemon/index.ts';
import type { ResidentMemory } from '../platform/index.ts';
import type { VolumeSpace, VolumeState } from '../volume/index.ts';

/** https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsInput {
  readonly facts: DaemonFacts;
  readonly space: VolumeSpace | undefined;
  readonly memory: ResidentMemory;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [suffix: string, labels: Labels, value: number];

interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

const STATES: readonly VolumeState[] = ['absent', 'preparing', 'ready', 'failed', 'stalled'];

/** Formats all metrics; those of the store's space are omitted when it was not measured. */
export function formatMetrics({ facts, space, memory }: MetricsInput): string {
  const { version, uptimeSeconds, pulls, volume, stuckThreads } = facts;
  const metrics: readonly Metric[] = [
    gauge({
      name: 'sealift_build_info',
      help: 'Always 1; the version is the label.',
      value: 1,
      labels: { version },
    }),
    gauge({ name: 'sealift_uptime_seconds', help: 'Seconds since the daemon started.', value: uptimeSeconds }),
    ...pullMetrics(pulls),
    ...verdictMetrics(pulls),
    resourceMetric(pulls),
    {
      name: 'sealift_store_state',
      type: 'gauge',
      help: 'State of the image store’s device: 1 for the current state, 0 for the others.',
      samples: STATES.map((state) => ['', { state }, state === volume.state ? 1 : 0]),
    },
    ...(space === undefined ? [] : spaceMetrics(space, { place: volume.backing?.kind ?? 'none' })),
    gauge({
      name: 'sealift_stuck_threads',
      help: 'Threads that wait for a disk that does not answer.',
      value: stuckThreads,
    }),
    gauge({
      name: 'sealift_stuck_programs',
      help: 'Programs that wait for a disk that does not answer.',
      value: volume.stuckPrograms,
    }),
    gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory of the daemon.', value: memory.rssBytes }),
    gauge({
      name: 'sealift_anonymous_memory_bytes',
      help: 'Resident memory of the daemon that the kernel cannot drop.',
      value: memory.anonymousBytes,
    }),
    gauge({
      name: 'sealift_file_memory_bytes',
      help: 'Resident pages of files, which the kernel can drop and read again.',
      value: memory.fileBytes,
    }),
  ];
  return metrics.map(formatMetric).join('');
}

function pullMetrics({ underWay, outcomes, ok, failed, fetchedBytes }: PullCounts): Metric[] {
  return [
    gauge({
      name: 'sealift_pulls_under_way',
      help: 'Pulls that are not answered yet, including those that wait to start.',
      value: underWay,
    }),
    {
      name: 'sealift_pulls_total',
      type: 'counter',
      help: 'Answered pulls by outcome: ok, or the code of the error.',
      samples: [...outcomes].map(([outcome, count]) => ['', { outcome }, count]),
    },
    {
      name: 'sealift_pull_seconds',
      type: 'histogram',
      help: 'Seconds from the call of a pull to its response.',
      samples: [...histogram(ok, { result: 'ok' }), ...histogram(failed, { result: 'error' })],
    },
    {
      name: 'sealift_fetched_bytes_total',
      type: 'counter',
      help: 'Compressed bytes of layers that were fetched and verified.',
      samples: [['', {}, fetchedBytes]],
    },
  ];
}

function verdictMetrics({ verdicts }: PullCounts): Metric[] {
  const { requirements, signatures, accepted, refused } = verdicts;
  return [
    {
      name: 'sealift_policy_verdicts_total',
      type: 'counter',
      help: 'Judged requirements of the policy by type and result: accepted, or the kind of the error that refused the image.',
      samples: pairs(requirements, (requirement, result) => ({ requirement, result })),
    },
    {
      name: 'sealift_signatures_total',
      type: 'counter',
      help: 'Signatures that a requirement was compared with, by kind and result: accepted, not-checked, or why it was refused.',
      samples: pairs(signatures, (kind, result) => ({ kind, result })),
    },
    {
      name: 'sealift_policy_seconds',
      type: 'histogram',
      help: 'Seconds that the policy took to decide about an image, with the search for its signatures.',
      samples: [...histogram(accepted, { result: 'accepted' }), ...histogram(refused, { result: 'refused' })],
    },
  ];
}

function resourceMetric({ resources }: PullCounts): Metric {
  return {
    name: 'sealift_resources_total',
    type: 'counter',
    help: 'Documents that the configuration or the policy names, by source and result: ok, absent, or the code of the error.',
    samples: pairs(resources, (source, result) => ({ source, result })),
  };
}

function pairs(counts: PairCounts, labelsOf: (first: string, second: string) => Labels): Sample[] {
  return [...counts].map(([first, second, count]): Sample => ['', labelsOf(first, second), count]);
}

/** Buckets are cumulative: https://prometheus.io/docs/concepts/metric_types/#histogram */
function histogram({ bounds, counts, sum, count }: PullTimes, labels: Labels): Sample[] {
  let below = 0;
  const buckets = bounds.map((bound, at): Sample => {
    below += counts[at] ?? 0;
    return ['_bucket', { ...labels, le: String(bound) }, below];
  });
  return [...buckets, ['_bucket', { ...labels, le: '+Inf' }, count], ['_sum', labels, sum], ['_count', labels, count]];
}

function spaceMetrics({ sizeBytes, usedBytes, availableBytes }: VolumeSpace, labels: Labels): Metric[] {
  return [
    gauge({
      name: 'sealift_store_size_bytes',
      help: 'Size of the file system that holds the image store.',
      value: sizeBytes,
      labels,
    }),
    gauge({
      name: 'sealift_store_used_bytes',
      help: 'Bytes of that file system that layers and containers use.',
      value: usedBytes,
      labels,
    }),
    gauge({
      name: 'sealift_store_available_bytes',
      help: 'Bytes of that file system that are left for layers and containers.',
      value: availableBytes,
      labels,
    }),
  ];
}

interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
  readonly labels?: Labels;
}

function gauge({ name, help, value, labels = {} }: Gauge): Metric {
  return { name, type: 'gauge', help, samples: [['', labels, value]] };
}

function formatMetric({ name, type, help, samples }: Metric): string {
  const lines = samples.map(([suffix, labels, value]) => `${name}${suffix}${formatLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** Formats labels. Values are codes and words of ours, so none needs escaping. */
function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
