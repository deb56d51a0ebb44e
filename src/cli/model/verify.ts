/** Lets a bundle prove itself: digests of all its files, then the golden vectors in the model process. */
import type { Config } from "../../config/schema.ts";
import { type Bundle, loadBundle } from "../../encoder/bundle.ts";
import { createEncoder, type ModelStatus } from "../../encoder/encoder.ts";
import { silentLogger } from "../../kernel/log.ts";
import { createMetrics } from "../../kernel/metrics.ts";

/**
 * The licence is not asked about: to look at a bundle is not to use it.
 *
 * @param providers - in the order in which they are tried
 * @returns one row a profile
 */
export async function proveBundle(
  config: Config,
  bundle: Bundle,
  providers: Config["encoder"]["providers"],
): Promise<readonly ModelStatus[]> {
  const { id } = bundle.manifest;
  const encoder = createEncoder({
    // Every profile, whatever the site runs.
    config: { ...config.encoder, providers, acceptedLicences: [id], profiles: [] },
    bundles: [{ id, bundle }],
    log: silentLogger(),
    metrics: createMetrics(),
  });
  try {
    await encoder.start();
    return encoder.status();
  } finally {
    await encoder.stop();
  }
}

/** Reads every file of the bundle, whatever was remembered of it. @throws KindredError `MODEL_INVALID` */
export async function verifyFolder(
  config: Config,
  folder: string,
): Promise<{ bundle: Bundle; profiles: readonly ModelStatus[] }> {
  const bundle = await loadBundle(folder);
  return { bundle, profiles: await proveBundle(config, bundle, config.encoder.providers) };
}
