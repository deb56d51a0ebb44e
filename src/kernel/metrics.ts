/**
 * Prometheus metrics, one registry a process. Base units in the names, low-cardinality labels; AE titles
 * only of configured peers, UIDs never.
 */
// One by one: the entry point of prom-client loads HTTP, TLS and OpenTelemetry too.
import AggregatorRegistry from "prom-client/lib/cluster.js";
import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import { labelledCounter, plainCounter, plainHistogram } from "./plain-metrics.ts";
import { collectProcessMetrics } from "./process-metrics.ts";

/** Period of the timer that measures the event loop: its delays read this much when nothing blocks. */
const EVENT_LOOP_PERIOD_MS = 5;

/** Upper bounds of the buckets of times. */
const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Counter<T>({ name: `kindred_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = <T extends string>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Gauge<T>({ name: `kindred_${name}`, help, labelNames: [...labelNames], registers });
  const histogram = <T extends string>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Histogram<T>({
      name: `kindred_${name}`,
      help,
      labelNames: [...labelNames],
      buckets: [...SECONDS],
      registers,
    });
  return {
    registry,
    /** Adds the process and event-loop metrics; called once by the node. */
    collectProcess: () =>
      collectProcessMetrics(registry, {
        prefix: "kindred_",
        eventLoopMonitoringPrecision: EVENT_LOOP_PERIOD_MS,
      }),
    associationsOpen: gauge("associations_open", "Associations open now"),
    associationsTotal: counter("associations_total", "Associations ended, by outcome", ["outcome"]),
    associationRejectsTotal: counter(
      "association_rejects_total",
      "Associations rejected, by reason",
      ["reason"],
    ),
    connectionRefusalsTotal: counter(
      "connection_refusals_total",
      "Connections closed before an association was asked for, by reason",
      ["reason"],
    ),
    contextRefusalsTotal: counter(
      "presentation_context_refusals_total",
      "Presentation contexts refused in accepted associations, by reason",
      ["reason"],
    ),
    tlsHandshakesTotal: counter("tls_handshakes_total", "TLS handshakes ended, by outcome", [
      "outcome",
    ]),
    dimseRequestsTotal: counter("dimse_requests_total", "DIMSE requests answered", [
      "command",
      "status",
    ]),
    receiverRestartsTotal: counter("receiver_restarts_total", "Receiver processes started again"),
    instancesReceivedTotal: labelledCounter({
      registry,
      name: "kindred_instances_received_total",
      help: "C-STORE answers",
      label: "status",
    }),
    instanceBytesTotal: plainCounter({
      registry,
      name: "kindred_instance_bytes_total",
      help: "Data set bytes kept",
    }),
    instanceDuplicatesTotal: counter(
      "instance_duplicates_total",
      "C-STORE of a known SOP Instance UID: same bytes, or what archive.duplicates made of other bytes",
      ["outcome"],
    ),
    instancesLost: gauge("instances_lost", "Instances whose file was missing or damaged at start"),
    archiveFreeBytes: gauge("archive_free_bytes", "Free disk of the archive when last asked"),
    archiveInDoubt: gauge(
      "archive_in_doubt",
      "Files whose commit was not answered and waits for the database",
    ),
    archiveMendedTotal: counter(
      "archive_mended_total",
      "Files and rows that did not agree at start",
      ["kind"],
    ),
    instanceReceiveSeconds: plainHistogram({
      registry,
      name: "kindred_instance_receive_seconds",
      help: "First fragment to answer of a C-STORE",
      buckets: SECONDS,
    }),
    subOperationsTotal: counter(
      "sub_operations_total",
      "C-STORE sub-operations of retrieves, by request and outcome",
      ["command", "outcome"],
    ),
    movesWaiting: gauge("moves_waiting", "C-MOVE requests that wait for their destination"),
    seriesTotal: counter("series_total", "Series revisions that reached a state", ["state"]),
    stageFailuresTotal: counter(
      "stage_failures_total",
      "Attempts at a stage of a series that failed, by error code",
      ["kind", "code"],
    ),
    jobSeconds: histogram("job_seconds", "Time a job took", ["kind", "outcome"]),
    queueDepth: gauge("queue_depth", "Jobs by kind and state", ["kind", "state"]),
    modelReady: gauge("model_ready", "1 when the model profile proved itself", [
      "model",
      "profile",
    ]),
    modelProvider: gauge(
      "model_provider",
      "1 for the execution provider that the model profile runs on; `wanted` is the first one asked for",
      ["model", "profile", "provider", "wanted"],
    ),
    encoderSeconds: histogram("encoder_seconds", "Time a model run took", ["model"]),
    findSeconds: histogram("find_seconds", "Time a C-FIND took", ["called"]),
    findTimeoutsTotal: counter(
      "find_timeouts_total",
      "C-FIND ended because a statement took longer than database.querySeconds",
      ["called"],
    ),
    sendsTotal: counter("sends_total", "Documents sent, by peer and outcome", ["peer", "outcome"]),
    commitmentReferencesTotal: counter(
      "commitment_references_total",
      "References of storage commitment requests of peers, by result",
      ["outcome"],
    ),
    commitmentReportsTotal: counter(
      "commitment_reports_total",
      "Storage commitment results reported to peers",
      ["peer", "way", "outcome"],
    ),
    commitmentResultsTotal: counter(
      "commitment_results_total",
      "Storage commitment results of peers on what we sent",
      ["peer", "outcome"],
    ),
    buildInfo: gauge("build_info", "Version of this node", ["version"]),
  };
}

interface MetricJson {
  readonly name: string;
  readonly aggregator?: string;
}

/** The delay of an event loop is felt by whom that process serves: of several the worst counts, not their mean. */
function worstLag(metrics: readonly MetricJson[]): MetricJson[] {
  return metrics.map((one) =>
    one.name.includes("eventloop_lag") && one.aggregator === "average"
      ? { ...one, aggregator: "max" }
      : one,
  );
}

/**
 * Prometheus text of this process and others of the node as one: counters and gauges add up, delays of event loops are the
 * longest of all.
 *
 * @param others - what `registry.getMetricsAsJSON()` gave in each other process
 */
export async function mergedMetrics(own: Metrics, others: readonly unknown[]): Promise<string> {
  const all = [await own.registry.getMetricsAsJSON(), ...others] as MetricJson[][];
  return AggregatorRegistry.aggregate(all.map(worstLag)).metrics();
}
