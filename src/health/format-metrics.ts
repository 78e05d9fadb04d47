import type { PullCounts, PullTimes } from '../daemon/index.ts';
import type { SpaceFacts, VolumeState } from '../volume/index.ts';
import type { HealthFacts } from './types.ts';

/** https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsInput {
  readonly facts: HealthFacts;
  readonly space: SpaceFacts | undefined;
  readonly rssBytes: number;
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

/** All metrics; those that nothing is known of are left out. */
export function formatMetrics({ facts, space, rssBytes }: MetricsInput): string {
  const { version, uptimeSeconds, pulls, volume, stuckThreads } = facts;
  const metrics: readonly Metric[] = [
    gauge('sealift_build_info', 'Always 1; the version is the label.', 1, { version }),
    gauge('sealift_uptime_seconds', 'Since the daemon was started.', uptimeSeconds),
    ...pullMetrics(pulls),
    {
      name: 'sealift_store_state',
      type: 'gauge',
      help: 'State of the image store’s device: 1 for the one that it is in.',
      samples: STATES.map((state) => ['', { state }, state === volume.state ? 1 : 0]),
    },
    ...(space === undefined ? [] : spaceMetrics(space, volume.place?.kind ?? 'none')),
    gauge('sealift_stuck_threads', 'Threads that wait for a disk that does not answer.', stuckThreads),
    gauge('sealift_stuck_programs', 'Programs that wait for a disk that does not answer.', volume.stuckPrograms),
    gauge('process_resident_memory_bytes', 'Resident memory of the daemon.', rssBytes),
  ];
  return metrics.map(formatMetric).join('');
}

function pullMetrics({ underWay, outcomes, ok, failed, fetchedBytes }: PullCounts): Metric[] {
  return [
    gauge(
      'sealift_pulls_under_way',
      'Pulls that were asked for and are not answered, waiting ones included.',
      underWay,
    ),
    {
      name: 'sealift_pulls_total',
      type: 'counter',
      help: 'Pulls that were answered, by ok or the code of the error.',
      samples: [...outcomes].map(([outcome, count]) => ['', { outcome }, count]),
    },
    {
      name: 'sealift_pull_seconds',
      type: 'histogram',
      help: 'From the call to the answer.',
      samples: [...histogram(ok, { result: 'ok' }), ...histogram(failed, { result: 'error' })],
    },
    {
      name: 'sealift_fetched_bytes_total',
      type: 'counter',
      help: 'Layers that came over the network and were accepted, compressed as they came.',
      samples: [['', {}, fetchedBytes]],
    },
  ];
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

function spaceMetrics({ sizeBytes, usedBytes, availableBytes }: SpaceFacts, place: string): Metric[] {
  return [
    gauge('sealift_store_size_bytes', 'Of the file system that images go to.', sizeBytes, { place }),
    gauge('sealift_store_used_bytes', 'Of that, what layers and containers have taken.', usedBytes, { place }),
    gauge('sealift_store_available_bytes', 'Of that, what is left for them.', availableBytes, { place }),
  ];
}

function gauge(name: string, help: string, value: number, labels: Labels = {}): Metric {
  return { name, type: 'gauge', help, samples: [['', labels, value]] };
}

function formatMetric({ name, type, help, samples }: Metric): string {
  const lines = samples.map(([suffix, labels, value]) => `${name}${suffix}${formatLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** Values are codes and words of ours, without anything to escape. */
function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
