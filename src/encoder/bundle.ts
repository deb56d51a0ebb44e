/** Model bundles on disk: manifest read, every file's digest checked, and one digest that names the whole. */
import { createHash } from "node:crypto";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KindredError, messageOf } from "../kernel/errors.ts";
import { MANIFEST_BYTES_MAX } from "../kernel/limits.ts";
import { dataFileFaults } from "./data-files.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { openVerifiedFiles, type VerifiedFiles } from "./verified-files.ts";

export interface Bundle {
  readonly manifest: Manifest;
  readonly folder: string;
  /** SHA-256 over manifest and file digests, hex: names the space its vectors live in. */
  readonly digest: string;
}

export type BundleResult =
  | { readonly id: string; readonly bundle: Bundle }
  | { readonly id: string; readonly error: string };

/**
 * @param verified - digests that were computed before; without it every file is read whole
 * @throws KindredError `MODEL_INVALID` with all problems
 */
export async function loadBundle(folder: string, verified?: VerifiedFiles): Promise<Bundle> {
  const manifest = parseManifest(await readManifest(join(folder, "model.json")));
  const problems: string[] = [];
  const digests = verified ?? (await openVerifiedFiles(null));
  for (const file of manifest.files) problems.push(...(await checkFile(folder, file, digests)));
  if (problems.length === 0) problems.push(...(await dataFileFaults(folder, manifest)));
  if (problems.length > 0)
    throw new KindredError(
      "MODEL_INVALID",
      `The bundle ${manifest.id} is broken: ${problems.join("; ")}`,
    );
  return { manifest, folder, digest: digestOf(manifest) };
}

async function readManifest(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error("it is no plain file");
    // Judged before it is read: the parser would refuse it all the same.
    if (found.size > MANIFEST_BYTES_MAX)
      throw new Error(`it is larger than ${MANIFEST_BYTES_MAX} bytes`);
    return await readFile(path, "utf8");
  } catch (error) {
    throw new KindredError("MODEL_INVALID", `model.json cannot be read: ${messageOf(error)}`);
  }
}

/** The file digests stand in the manifest and were checked against the files, so one hash names both. */
function digestOf(manifest: Manifest): string {
  return createHash("sha256").update(canonicalJson(manifest)).digest("hex");
}

/** JSON with sorted keys and no white space: the same bytes whatever order the author wrote. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
}

async function checkFile(
  folder: string,
  wanted: Manifest["files"][number],
  digests: VerifiedFiles,
): Promise<string[]> {
  const path = join(folder, wanted.path);
  try {
    if (dirname(await realpath(path)) !== (await realpath(folder)))
      return [`${wanted.path} leads out of the bundle's folder`];
    const found = await stat(path);
    if (!found.isFile()) return [`${wanted.path} is no plain file`];
    const { size } = found;
    if (size !== wanted.bytes) return [`${wanted.path} has ${size} bytes, not ${wanted.bytes}`];
    return (await digests.sha256Of(path)) === wanted.sha256
      ? []
      : [`${wanted.path} has another SHA-256 than the manifest says`];
  } catch (error) {
    return [`${wanted.path}: ${messageOf(error)}`];
  }
}

/** Looks for each id in the folders, first found wins; one broken bundle never stops the others. */
export async function discoverBundles(
  folders: readonly string[],
  ids: readonly string[],
  verified?: VerifiedFiles,
): Promise<BundleResult[]> {
  return Promise.all(
    [...new Set(ids)].map(async (id): Promise<BundleResult> => {
      if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(id)) return { id, error: "is no model id" };
      for (const folder of folders) {
        const path = join(folder, id);
        const exists = await stat(join(path, "model.json")).then(
          () => true,
          () => false,
        );
        if (!exists) continue;
        try {
          const bundle = await loadBundle(path, verified);
          return bundle.manifest.id === id
            ? { id, bundle }
            : { id, error: `the manifest calls itself ${bundle.manifest.id}` };
        } catch (error) {
          return { id, error: messageOf(error) };
        }
      }
      return { id, error: "no such bundle in the model folders" };
    }),
  );
}

/** A folder with a manifest that no configured id asks for; `error` when it could not be used anyway. */
export interface UnusedBundle {
  readonly id: string;
  readonly error: string | undefined;
}

const UNUSED_MAX = 100;

/** Bundles that lie in the folders and are not in `ids`: somebody put them there and wonders why they do not run. */
export async function unusedBundles(
  folders: readonly string[],
  ids: readonly string[],
  verified?: VerifiedFiles,
): Promise<UnusedBundle[]> {
  const unused: UnusedBundle[] = [];
  for (const folder of new Set(folders)) {
    const entries = await readdir(folder).catch(() => []);
    for (const id of entries.filter((name) => !ids.includes(name)).slice(0, UNUSED_MAX)) {
      const path = join(folder, id);
      if (!(await stat(join(path, "model.json")).catch(() => undefined))) continue;
      const error = await loadBundle(path, verified).then(() => undefined, messageOf);
      unused.push({ id, error });
    }
  }
  return unused;
}
