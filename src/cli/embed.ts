/** `kindred embed`: the vectors that a model makes of a series, as the node would make them, and nothing kept. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Config } from "../config/schema.ts";
import { isValidUid } from "../dicom/uids.ts";
import { inapplicable } from "../encoder/applicability.ts";
import { discoverBundles } from "../encoder/bundle.ts";
import { createEncoder, type Encoder, type EncoderProfile } from "../encoder/encoder.ts";
import { modelFolders } from "../encoder/model-folders.ts";
import { openVerifiedFiles } from "../encoder/verified-files.ts";
import { codeOf, type ErrorCode, KindredError, messageOf } from "../kernel/errors.ts";
import { silentLogger } from "../kernel/log.ts";
import { createMetrics } from "../kernel/metrics.ts";
import { STATUSES } from "../kernel/statuses.ts";
import { type ReconstructedVolume, tensorFile } from "../pipeline/reconstruct-task.ts";
import { createReconstructor, type Reconstructor } from "../pipeline/reconstructor.ts";
import { findingLines, VERDICTS } from "../report/wording.ts";
import { printable } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";
import { archiveFiles } from "./volume/archive-files.ts";
import { bySeries, filesBelow, type SeriesFiles } from "./volume/dicom-files.ts";

interface EmbeddedVolume extends Pick<ReconstructedVolume, "ordinal" | "label" | "verdict"> {
  /** Why the model does not apply to the volume: a node leaves it out then. Empty when it does. */
  readonly inapplicable: readonly string[];
  /** Unit length; null when the volume was refused or the model does not apply to it. */
  readonly vector: readonly number[] | null;
  readonly provider: string | null;
  /** Of the model run alone. */
  readonly runSeconds: number | null;
}

interface EmbeddedSeries {
  /** As it was given. */
  readonly source: string;
  readonly seriesInstanceUid: string;
  readonly files: number;
  /** From the files to the model's inputs. */
  readonly volumeSeconds: number;
  readonly volumes: readonly EmbeddedVolume[];
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

const SOURCES_MAX = 1_000;

export const embed: Command = {
  name: "embed",
  usage: "embed SERIES|FOLDER… --model ID [--profile ID] [--json]",
  summary: "the vectors that a model makes of a series here (UID) or of DICOM files; keeps nothing",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { model: { type: "string" }, profile: { type: "string" } },
      { min: 1, max: SOURCES_MAX },
    );
    const { model, profile } = parsed.values as Record<string, string | undefined>;
    if (model === undefined)
      throw new KindredError("USAGE", `Name the model with --model\nusage: kindred ${this.usage}`);
    const config = parsed.config();
    for (const source of parsed.positionals)
      if (!existsSync(source) && !isValidUid(source))
        throw new KindredError(
          "USAGE",
          `${printable(source)} is neither a folder nor the UID of a series in the archive`,
        );
    const encoder = await openEncoder(config, model);
    const folder = await mkdtemp(join(tmpdir(), "kindred-embed-"));
    const reconstructor = createReconstructor();
    try {
      const chosen = chosenProfile(encoder, model, profile);
      const all: EmbeddedSeries[] = [];
      for (const source of parsed.positionals) {
        for (const series of await ctSeries(config, source)) {
          const parts = { config, encoder, reconstructor, chosen, folder };
          const one = await embedOne(parts, source, series);
          all.push(one);
          if (!parsed.values.json) console.log(seriesText(one).map(printable).join("\n"));
        }
      }
      if (all.length === 0) throw new KindredError("NOT_FOUND", "There is no CT series here");
      if (parsed.values.json) {
        const { modelId, version, bundleDigest } = chosen;
        const used = { id: modelId, version, bundleDigest, profile: chosen.profile.id };
        console.log(JSON.stringify({ model: used, series: all }, null, 2));
      } else console.log("Not for diagnostic use.");
      return exitOf(all);
    } finally {
      await reconstructor.stop();
      await encoder.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** An encoder of one model; each of its profiles proves itself when it is first used. */
async function openEncoder(config: Config, model: string): Promise<Encoder> {
  const verified = await openVerifiedFiles(resolve(config.dataDir));
  const encoder = createEncoder({
    // Every profile can be asked for, whatever the site runs.
    config: { ...config.encoder, profiles: [] },
    bundles: await discoverBundles(modelFolders(config), [model], verified),
    log: silentLogger(),
    metrics: createMetrics(),
  });
  await verified.save();
  if (encoder.profiles().length > 0) return encoder;
  const reason = encoder.status()[0]?.reason ?? "it has no profile";
  throw new KindredError("MODEL_NOT_READY", `Model ${model} cannot run: ${reason}`);
}

function chosenProfile(encoder: Encoder, model: string, id: string | undefined): EncoderProfile {
  const all = encoder.profiles();
  const chosen = id === undefined ? all[0] : all.find((one) => one.profile.id === id);
  if (chosen !== undefined) return chosen;
  const names = all.map((one) => one.profile.id).join(", ");
  throw new KindredError("USAGE", `Model ${model} has no profile ${id}; it has ${names}`);
}

async function ctSeries(config: Config, source: string): Promise<readonly SeriesFiles[]> {
  const isHere = existsSync(source);
  const files = isHere ? await filesBelow(source) : await archiveFiles(config, source);
  const { series } = await bySeries(files);
  return series.filter((one) => one.modality === "CT");
}

interface Parts {
  readonly config: Config;
  readonly encoder: Encoder;
  readonly reconstructor: Reconstructor;
  readonly chosen: EncoderProfile;
  readonly folder: string;
}

async function embedOne(
  parts: Parts,
  source: string,
  series: SeriesFiles,
): Promise<EmbeddedSeries> {
  const { config, encoder, reconstructor, chosen, folder } = parts;
  const { seriesInstanceUid, paths } = series;
  const about = { source, seriesInstanceUid, files: paths.length };
  const tensorPrefix = join(folder, "input");
  const started = performance.now();
  let volumeSeconds = 0;
  const volumes: EmbeddedVolume[] = [];
  try {
    const result = await reconstructor.run({
      paths,
      rules: { slicesMin: config.series.slicesMin, ...config.volume },
      outputs: [{ profile: chosen.profile, tensorPrefix }],
    });
    volumeSeconds = (performance.now() - started) / 1000;
    for (const { ordinal, label, verdict } of result.volumes) {
      const isRefused = verdict.outcome === "refused";
      const reasons = isRefused ? [] : inapplicable(chosen.applicability, verdict);
      const one = { ordinal, label, verdict, inapplicable: reasons };
      const path = tensorFile(tensorPrefix, ordinal);
      if (isRefused || reasons.length > 0) {
        await rm(path, { force: true });
        volumes.push({ ...one, vector: null, provider: null, runSeconds: null });
        continue;
      }
      const made = await encoder.embedFile(chosen.modelId, chosen.profile.id, path);
      await rm(path, { force: true });
      const runSeconds = made.milliseconds / 1000;
      volumes.push({
        ...one,
        vector: [...made.vectors[0]!.vector],
        provider: made.provider,
        runSeconds,
      });
    }
    return { ...about, volumeSeconds, volumes, error: null };
  } catch (error) {
    const told = { code: codeOf(error) as ErrorCode, message: messageOf(error) };
    return { ...about, volumeSeconds, volumes, error: told };
  }
}

/** 0 when something was embedded and nothing broke. */
function exitOf(all: readonly EmbeddedSeries[]): number {
  const refused = STATUSES.NOT_A_VOLUME.exit;
  const broken = all
    .map(({ error }) => (error === null ? refused : STATUSES[error.code].exit))
    .find((exit) => exit !== refused);
  if (broken !== undefined) return broken;
  return all.some(({ volumes }) => volumes.some((one) => one.vector !== null)) ? 0 : refused;
}

const FIRST_VALUES = 4;

function seriesText({ seriesInstanceUid, files, volumes, error }: EmbeddedSeries): string[] {
  return [
    `Series ${seriesInstanceUid} (${files} ${files === 1 ? "file" : "files"})`,
    ...volumes.flatMap(
      ({ ordinal, label, verdict, vector, provider, runSeconds, inapplicable: reasons }) => [
        `  Volume ${ordinal}${label === "" ? "" : ` (${label})`}: ${VERDICTS[verdict.outcome]}`,
        ...findingLines({ verdict }).map((text) => `    ${text}`),
        ...reasons.map((reason) => `    The model does not apply: ${reason}`),
        ...(vector === null
          ? []
          : [
              `    ${vector.length} values on ${provider} in ${runSeconds!.toFixed(1)} s: ` +
                `${vector
                  .slice(0, FIRST_VALUES)
                  .map((value) => value.toFixed(4))
                  .join(", ")} …`,
            ]),
      ],
    ),
    ...(error === null ? [] : [`  ${error.code}: ${error.message}`]),
  ];
}
