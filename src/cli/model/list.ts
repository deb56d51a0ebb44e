/** Every model that this node has or could have. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Config } from "../../config/schema.ts";
import { loadBundle } from "../../encoder/bundle.ts";
import { modelFolders } from "../../encoder/model-folders.ts";
import { openVerifiedFiles } from "../../encoder/verified-files.ts";
import { messageOf } from "../../kernel/errors.ts";
import { exporters } from "./install.ts";

export interface ListedModel {
  readonly id: string;
  /** `used`: in encoder.models; `unused`: not; `broken`; `absent`: `kindred model install` can make it. */
  readonly state: "used" | "unused" | "broken" | "absent";
  readonly version: string | null;
  readonly title: string | null;
  readonly bytes: number | null;
  /** Profiles, the default one first. */
  readonly profiles: readonly string[];
  readonly folder: string;
  /** What is wrong, or what is left to do. */
  readonly note: string | null;
}

const ENTRIES_MAX = 1_000;

export async function listModels(config: Config): Promise<ListedModel[]> {
  const verified = await openVerifiedFiles(resolve(config.dataDir));
  const found = new Map<string, ListedModel>();
  for (const root of modelFolders(config)) {
    const entries = (await readdir(root).catch(() => [])).sort().slice(0, ENTRIES_MAX);
    for (const id of entries) {
      const folder = join(root, id);
      const isPartial = id.endsWith(".part");
      if (found.has(id) || isPartial || !existsSync(join(folder, "model.json"))) continue;
      found.set(id, await listed(config, folder, id, verified));
    }
  }
  await verified.save();
  for (const [id, folder] of await exporters(config)) {
    const nothing = { version: null, title: null, bytes: null, profiles: [] };
    const note = `make it: kindred model install ${id}`;
    if (!found.has(id)) found.set(id, { id, state: "absent", ...nothing, folder, note });
  }
  return [...found.values()];
}

async function listed(
  config: Config,
  folder: string,
  id: string,
  verified: Awaited<ReturnType<typeof openVerifiedFiles>>,
): Promise<ListedModel> {
  try {
    const { manifest } = await loadBundle(folder, verified);
    if (manifest.id !== id) throw new Error(`the manifest calls itself ${manifest.id}`);
    const { models, acceptedLicences } = config.encoder;
    const mustAccept = manifest.licence.acceptanceRequired && !acceptedLicences.includes(id);
    const isUsed = models.includes(id);
    const todo = [
      ...(isUsed ? [] : ["add it to encoder.models"]),
      ...(mustAccept ? ["read its licence and add it to encoder.acceptedLicences"] : []),
    ];
    return {
      id,
      state: isUsed ? "used" : "unused",
      version: manifest.version,
      title: manifest.title,
      bytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
      profiles: manifest.profiles.map((one) => one.id),
      folder,
      note: todo.length === 0 ? null : `to use it, ${todo.join(", and ")}`,
    };
  } catch (error) {
    const nothing = { version: null, title: null, bytes: null, profiles: [] };
    return { id, state: "broken", ...nothing, folder, note: messageOf(error) };
  }
}
