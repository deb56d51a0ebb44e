/** The demo's PACS: our own acceptor writing what it gets into a folder, one file an instance. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configSchema } from "../../config/schema.ts";
import { encodeFileMeta } from "../../dicom/part10.ts";
import { uidFromName } from "../../dicom/uids.ts";
import { createDimseListener, type DimseListener } from "../../dimse/listener.ts";
import { silentLogger } from "../../kernel/log.ts";
import { createMetrics } from "../../kernel/metrics.ts";

export interface StandInPacs {
  readonly listener: DimseListener;
  readonly port: number;
  /** Files received so far. */
  readonly files: readonly string[];
}

/** A PACS with the AE title `PACS` on the port given; it takes everything from everybody on loopback. */
export async function startStandInPacs(folder: string, port: number): Promise<StandInPacs> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files: string[] = [];
  const config = configSchema.parse({
    dimse: { aeTitle: "PACS", port, allowUnknownPeers: true, releaseSeconds: 1 },
  });
  const listener = createDimseListener({
    config: config.dimse,
    peers: [],
    log: silentLogger(),
    metrics: createMetrics(),
    store: {
      async begin(request) {
        const parts: Buffer[] = [encodeFileMeta(request)];
        return {
          async write(fragment) {
            parts.push(Buffer.from(fragment));
          },
          async complete() {
            const file = join(folder, `${uidFromName(request.sopInstanceUid).slice(5, 21)}.dcm`);
            await writeFile(file, Buffer.concat(parts));
            files.push(file);
          },
          abort: async () => undefined,
        };
      },
    },
    find: {
      // biome-ignore lint/correctness/useYield: this PACS has nothing to answer
      async *find() {
        return {};
      },
    },
  });
  const bound = await listener.start();
  return { listener, port: bound.port, files };
}
