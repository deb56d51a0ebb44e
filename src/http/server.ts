/** The HTTP server: health, metrics, the API of version 1 and the console page. */
import { readFile } from "node:fs/promises";
import fastify, { type FastifyInstance } from "fastify";
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/database.ts";
import type { Encoder } from "../encoder/encoder.ts";
import type { Clock } from "../kernel/clock.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Queue } from "../pipeline/queue.ts";
import type { Completion } from "../series/completion.ts";
import { healthRoutes } from "./health.ts";
import { modelRoutes } from "./model-routes.ts";
import { OPENAPI } from "./openapi.ts";
import { useProblems } from "./problem.ts";
import { searchRoutes } from "./search-routes.ts";
import { seriesRoutes } from "./series-routes.ts";

/** What becomes of the instances. */
export interface Processing {
  readonly encoder: Encoder;
  readonly queue: Queue;
  readonly completion: Completion;
}

/** For the routes of the API. */
export type ApiOptions = Omit<HttpOptions, "processing"> & Processing;

export interface HttpOptions {
  readonly config: Config;
  readonly database: Database;
  /** Undefined with role receiver: then there is neither API nor console. */
  readonly processing: Processing | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Rejects when no instance would be taken now: the disk is full. */
  readonly archiveCheck: () => Promise<void>;
  /** The DICOM front, wherever it stands; undefined until it listens. */
  readonly front: () => { listening(): number; metrics(): Promise<unknown[]> } | undefined;
  readonly isStopping: () => boolean;
}

const BODY_BYTES_MAX = 65_536;
const REQUEST_TIMEOUT_MS = 30_000;

export interface HttpServer {
  start(): Promise<{ host: string; port: number }>;
  stop(): Promise<void>;
}

export function createHttpServer(options: HttpOptions): HttpServer {
  const { config, log } = options;
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 128 },
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("x-content-type-options", "nosniff");
    reply.header(
      "content-security-policy",
      "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'",
    );
    reply.header("cache-control", "no-store");
  });
  useProblems(app, log);
  healthRoutes(app, options);
  if (options.processing !== undefined) {
    const api = { ...options, ...options.processing };
    seriesRoutes(app, api);
    searchRoutes(app, api);
    modelRoutes(app, api);
    app.get("/openapi.json", () => OPENAPI);
    consoleRoutes(app);
  }
  return {
    async start() {
      try {
        await app.listen({ host: config.http.host, port: config.http.port });
      } catch (error) {
        throw new KindredError(
          "UNAVAILABLE",
          `HTTP cannot listen on ${config.http.host}:${config.http.port} (${(error as NodeJS.ErrnoException).code}): set http.port to a free one`,
          { cause: error },
        );
      }
      const address = app.server.address();
      return {
        host: config.http.host,
        port: typeof address === "object" && address ? address.port : config.http.port,
      };
    },
    stop: () => app.close(),
  };
}

function consoleRoutes(app: FastifyInstance): void {
  const file = (name: string) => readFile(new URL(`./console/${name}`, import.meta.url));
  app.get("/", async (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(await file("index.html")),
  );
  app.get("/console.js", async (_request, reply) =>
    reply.type("text/javascript; charset=utf-8").send(await file("console.js")),
  );
}
