/** /api/v1/models: what runs where, and why something does not; `texts` has a row a model with a text encoder. */
import type { FastifyInstance } from "fastify";
import type { ApiOptions } from "./server.ts";

export function modelRoutes(app: FastifyInstance, { encoder }: ApiOptions): void {
  app.get("/api/v1/models", () => ({
    models: encoder.status().map(({ modelId, ...status }) => ({ id: modelId, ...status })),
    texts: encoder.textStatus().map(({ modelId, ...status }) => ({ id: modelId, ...status })),
  }));
}
