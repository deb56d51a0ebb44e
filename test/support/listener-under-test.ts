/** A DICOM listener alone, with a store that keeps bytes in memory: for tests of who may associate, without a database. */
import { configSchema } from "../../src/config/schema.ts";
import { createDimseListener, type DimseListenerOptions } from "../../src/dimse/listener.ts";
import { openTlsFiles } from "../../src/dimse/tls-files.ts";
import { createLogger } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";

export async function listenerUnderTest(
  settings: { dimse?: object; peers?: readonly object[]; outbound?: object },
  further: Partial<DimseListenerOptions> = {},
) {
  const config = configSchema.parse({
    ...settings,
    dimse: { port: 0, artimSeconds: 1, releaseSeconds: 0.5, ...settings.dimse },
  });
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(
    { level: "debug", identifiers: "hash" },
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const metrics = createMetrics();
  const tls = await openTlsFiles(config.dimse.tls, log);
  const stored: string[] = [];
  const users: (string | undefined)[] = [];
  const listener = createDimseListener({
    config: config.dimse,
    peers: config.peers,
    tls,
    store: {
      async begin({ sopInstanceUid, association }) {
        users.push(association.userName);
        return {
          write: async () => undefined,
          complete: async () => void stored.push(sopInstanceUid),
          abort: async () => undefined,
        };
      },
    },
    find: {
      // biome-ignore lint/correctness/useYield: no match is an answer too
      async *find() {
        return {};
      },
    },
    log,
    metrics,
    ...further,
  });
  const address = await listener.start();
  return {
    config,
    listener,
    tls,
    ...address,
    stored,
    users,
    /** Log lines with this event. */
    lines: (event: string) => lines.filter((one) => one.event === event),
    allLines: () => lines,
    async count(metric: string, label: Record<string, string>): Promise<number> {
      const found = await metrics.registry.getSingleMetric(metric)?.get();
      return (
        found?.values.find((one) =>
          Object.entries(label).every(([key, value]) => one.labels[key] === value),
        )?.value ?? 0
      );
    },
    async stop() {
      await listener.stop();
      tls?.close();
    },
  };
}

export type ListenerUnderTest = Awaited<ReturnType<typeof listenerUnderTest>>;
