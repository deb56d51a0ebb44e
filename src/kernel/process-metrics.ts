/**
 * The process and event-loop metrics that prom-client's `collectDefaultMetrics` gives, under the same names. Its own entry
 * point loads HTTP, TLS and OpenTelemetry with them, which cost each process that only receives 2 MB. Left out is the time of
 * collecting garbage: its observer is called after each collection, which took a receiver 15 µs an image.
 */
import type { Registry } from "prom-client";
import Counter from "prom-client/lib/counter.js";
import eventLoopLag from "prom-client/lib/metrics/eventLoopLag.js";
import heapSizeAndUsed from "prom-client/lib/metrics/heapSizeAndUsed.js";
import heapSpacesSizeAndUsed from "prom-client/lib/metrics/heapSpacesSizeAndUsed.js";
import osMemoryHeap from "prom-client/lib/metrics/osMemoryHeap.js";
import processHandles from "prom-client/lib/metrics/processHandles.js";
import processMaxFileDescriptors from "prom-client/lib/metrics/processMaxFileDescriptors.js";
import processOpenFileDescriptors from "prom-client/lib/metrics/processOpenFileDescriptors.js";
import processRequests from "prom-client/lib/metrics/processRequests.js";
import processResources from "prom-client/lib/metrics/processResources.js";
import processStartTime from "prom-client/lib/metrics/processStartTime.js";
import version from "prom-client/lib/metrics/version.js";

export interface ProcessMetricsOptions {
  readonly prefix: string;
  /** Period of the timer that measures the event loop, milliseconds. */
  readonly eventLoopMonitoringPrecision: number;
}

const LIBRARY_METRICS = [
  processStartTime,
  osMemoryHeap,
  processOpenFileDescriptors,
  processMaxFileDescriptors,
  eventLoopLag,
  processResources,
  processHandles,
  processRequests,
  heapSizeAndUsed,
  heapSpacesSizeAndUsed,
  version,
];

/** Adds them to the registry; once a registry. */
export function collectProcessMetrics(registry: Registry, options: ProcessMetricsOptions): void {
  collectCpuTime(registry, options.prefix);
  for (const collect of LIBRARY_METRICS) collect(registry, options);
}

/** As prom-client's processCpuTotal, which needs OpenTelemetry for exemplars that we do not give. */
function collectCpuTime(registry: Registry, prefix: string): void {
  let last = process.cpuUsage();
  const counter = (part: string, words: string, collect?: () => void) =>
    new Counter({
      name: `${prefix}process_cpu_${part}seconds_total`,
      help: `Total ${words} time spent in seconds.`,
      registers: [registry],
      // The first sets all three.
      ...(collect && { collect }),
    });
  const user = counter("user_", "user CPU", () => {
    const now = process.cpuUsage();
    const userSeconds = (now.user - last.user) / 1e6;
    const systemSeconds = (now.system - last.system) / 1e6;
    last = now;
    user.inc(userSeconds);
    system.inc(systemSeconds);
    total.inc(userSeconds + systemSeconds);
  });
  const system = counter("system_", "system CPU");
  const total = counter("", "user and system CPU");
}
