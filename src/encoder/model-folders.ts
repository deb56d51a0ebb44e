/** Where model bundles lie: built in, installed by `kindred model install`, and the site's own. */
import { join, resolve } from "node:path";
import type { Config } from "../config/schema.ts";

/** Built-in bundles, and the exporters of those that are installed. */
export const BUILT_IN_MODELS = new URL("../../models/", import.meta.url).pathname;

/** Bundles that this node installed. */
export function installedModels(config: Config): string {
  return join(resolve(config.dataDir), "models");
}

/** In the order in which a model's id is looked for. */
export function modelFolders(config: Config): string[] {
  return [BUILT_IN_MODELS, ...placedModels(config)];
}

/** Bundles that somebody put there, in order to use them. */
export function placedModels(config: Config): string[] {
  const { modelsDir } = config.encoder;
  const own = modelsDir === undefined ? [] : [resolve(modelsDir)];
  return [installedModels(config), ...own];
}
