/** /livez: the process turns. /readyz: it can take work, or names what fails. /metrics: Prometheus text. */
import type { FastifyInstance } from "fastify";
import type { Encoder } from "../encoder/encoder.ts";
import { messageOf } from "../kernel/errors.ts";
import { type Metrics, mergedMetrics } from "../kernel/metrics.ts";
import type { HttpOptions, Processing } from "./server.ts";

export function healthRoutes(app: FastifyInstance, options: HttpOptions): void {
  const { role } = options.config.node;
  app.get("/livez", () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const checks: Record<string, string> = {};
    checks.stopping = options.isStopping() ? "the node is stopping" : "ok";
    if (role !== "worker")
      checks.dicom =
        (options.front()?.listening() ?? 0) === 0 ? "the DICOM listener is not bound" : "ok";
    checks.archive = await outcomeOf(options.archiveCheck());
    checks.database = await outcomeOf(options.database.check());
    const warnings: Record<string, string> = {};
    if (options.processing !== undefined) checkModels(options.processing.encoder, checks, warnings);
    const isReady = Object.values(checks).every((check) => check === "ok");
    return reply
      .code(isReady ? 200 : 503)
      .send({ status: isReady ? "ok" : "not ready", role, checks, warnings });
  });
  app.get("/metrics", async (_request, reply) => {
    if (options.processing !== undefined) await measure(options.metrics, options.processing);
    return reply
      .type(options.metrics.registry.contentType)
      .send(await mergedMetrics(options.metrics, (await options.front()?.metrics()) ?? []));
  });
}

/** One model that fails does not stop the others, nor the storing: it is a warning while another one runs. */
function checkModels(
  encoder: Encoder,
  checks: Record<string, string>,
  warnings: Record<string, string>,
): void {
  const models = encoder.status();
  const failed = models.filter((model) => model.state !== "ready");
  const reasons = failed.map((model) => `${model.modelId}: ${model.reason}`).join("; ");
  const isAnyReady = failed.length < models.length;
  checks.models = isAnyReady ? "ok" : reasons || "no model bundle is loaded";
  if (isAnyReady && failed.length > 0) warnings.models = reasons;
  // A model that was meant for a GPU and runs on the CPU is slow, and nobody sees why.
  const elsewhere = models.flatMap(({ modelId, provider, attempts }) =>
    provider === null || attempts.length === 0
      ? []
      : [`${modelId} runs on ${provider}, not on ${attempts[0]!.provider}: ${attempts[0]!.error}`],
  );
  if (elsewhere.length > 0) warnings.providers = [...new Set(elsewhere)].join("; ");
  // Volumes are embedded and found all the same; only what is asked in words is not answered.
  const mute = encoder.textStatus().filter((text) => text.state !== "ready");
  if (mute.length > 0)
    warnings.texts = mute.map((text) => `${text.modelId}: ${text.reason}`).join("; ");
}

async function measure(metrics: Metrics, { queue, encoder }: Processing): Promise<void> {
  metrics.queueDepth.reset();
  for (const row of await queue.counts())
    metrics.queueDepth.set({ kind: row.kind, state: row.state }, row.count);
  metrics.modelProvider.reset();
  for (const { modelId: model, profile, state, provider, attempts } of encoder.status()) {
    metrics.modelReady.set({ model, profile: profile ?? "" }, state === "ready" ? 1 : 0);
    const wanted = attempts[0]?.provider ?? provider;
    if (profile !== null && provider !== null && wanted !== null)
      metrics.modelProvider.set({ model, profile, provider, wanted }, 1);
  }
}

function outcomeOf(check: Promise<void>): Promise<string> {
  return check.then(() => "ok", messageOf);
}
