/** Stage 2: tensor files → vectors, one row a space and volume, and what the models say of each volume. A model that cannot do it says why and holds up nobody. */
import { access, rm } from "node:fs/promises";
import { ensureSpace, forgetEmbeddings, forgetVolume, saveEmbedding } from "../db/embeddings.ts";
import { saveFindings } from "../db/findings.ts";
import { type ModelSkip, saveModelSkips } from "../db/model-skips.ts";
import type { Queryable } from "../db/queryable.ts";
import { findSeries, moveSeries, type SeriesRevision } from "../db/series.ts";
import { findStudy } from "../db/studies.ts";
import { type VolumeRow, volumesOf } from "../db/volumes.ts";
import { inapplicable } from "../encoder/applicability.ts";
import type { Embedded, EncoderProfile } from "../encoder/encoder.ts";
import { codeOf, KindredError, messageOf } from "../kernel/errors.ts";
import { STATUSES } from "../kernel/statuses.ts";
import { patientKeyOf } from "../search/similar.ts";
import type { VolumeVerdict } from "../volume/types.ts";
import { findFindings } from "./find-findings.ts";
import type { StageOptions } from "./pipeline.ts";
import { tensorPrefix } from "./reconstruct-series.ts";
import { tensorFile } from "./reconstruct-task.ts";
import { refuseSeries } from "./refuse.ts";

/** What fails for the moment is tried so often before the series goes on without it. */
const ATTEMPTS_MAX = 3;

/** One volume as the input of one model profile. */
interface Input {
  readonly one: EncoderProfile;
  readonly ordinal: number;
  readonly file: string;
}

interface Done {
  readonly input: Input;
  readonly answer: Embedded & { readonly provider: string };
}

interface Failed {
  readonly input: Input;
  readonly error: unknown;
}

/** @param attempt - from 1 */
export async function embedSeries(
  stage: StageOptions,
  at: SeriesRevision,
  attempt: number,
): Promise<void> {
  const { database, encoder, clock } = stage;
  const series = await findSeries(database, at.seriesInstanceUid);
  if (series?.revision !== at.revision || series.state !== "reconstructed") return;
  const wanted = encoder.profiles();
  if (wanted.length === 0)
    throw new KindredError("MODEL_NOT_READY", "No model is ready: see kindred doctor");
  const volumes = (await volumesOf<VolumeVerdict>(database, at)).filter(
    ({ verdict }) => verdict.outcome !== "refused",
  );
  const all = wanted.flatMap((one) => {
    const prefix = tensorPrefix(stage.dataDir, at, one.bundleDigest, one.profile.id);
    return volumes.map(({ ordinal }) => ({ one, ordinal, file: tensorFile(prefix, ordinal) }));
  });
  const misfits = all.flatMap((input) => misfitOf(input, volumes));
  const inputs = all.filter((input) => !misfits.some((skip) => isOf(skip, input)));
  if (inputs.length === 0 && volumes.length > 0) {
    await database.transaction(async (tx) => {
      await saveModelSkips(tx, at, misfits, clock.now());
      await refuseSeries(tx, stage, at, ["reconstructed"], noneApplies(misfits));
    });
    await removeAll(all);
    return;
  }
  if (inputs.length === 0 || !(await allExist(inputs.map(({ file }) => file)))) {
    // The work folder was cleared or a model was added since: build the volume again.
    await database.transaction(async (tx) => {
      if (await moveSeries(tx, at, ["reconstructed"], "complete"))
        await stage.next.reconstruct(tx, at);
    });
    return;
  }
  const { done, failed } = await embedAll(stage, inputs);
  const again = failed.find(({ error }) => mayPass(error, attempt)) ?? failed[0];
  if (again !== undefined && (done.length === 0 || mayPass(again.error, attempt)))
    throw again.error;
  const findings = await findFindings(
    stage,
    done.map(({ input, answer }) => ({ ...input, answer })),
    (error) => mayPass(error, attempt),
  );
  const skips = [...misfits, ...failed.map(skipOf), ...unready(stage, volumes)];
  for (const { modelId, profile, code, reason } of skips)
    stage.log.warn(
      {
        event: "model.skipped",
        series: at.seriesInstanceUid,
        model: modelId,
        profile,
        code,
        reason,
      },
      "a model made nothing of a volume",
    );
  const study = (await findStudy(database, series.study_instance_uid))!;
  await database.transaction(async (tx) => {
    if (!(await moveSeries(tx, at, ["reconstructed"], "embedded"))) return;
    // An earlier revision may have made more volumes, or ones that a model could do more with.
    await forgetEmbeddings(
      tx,
      at.seriesInstanceUid,
      volumes.map(({ ordinal }) => ordinal),
    );
    for (const { one, ordinal } of all)
      if (skips.some((skip) => isOf(skip, { one, ordinal })))
        await forgetVolume(
          tx,
          { bundleDigest: one.bundleDigest, profile: one.profile.id },
          at.seriesInstanceUid,
          ordinal,
        );
    for (const one of done)
      await saveVectors(tx, one, {
        ...at,
        studyInstanceUid: series.study_instance_uid,
        patientKey: patientKeyOf(study),
        now: clock.now(),
      });
    await saveModelSkips(tx, at, skips, clock.now());
    await saveFindings(tx, at, findings, clock.now());
    stage.metrics.seriesTotal.inc({ state: "embedded" });
    await stage.next.report(tx, at);
  });
  await removeAll(all);
}

/** Models at the same time, so that the cheap ones are done while a dear one works; volumes of one model in turn. */
async function embedAll(
  stage: StageOptions,
  inputs: readonly Input[],
): Promise<{ done: Done[]; failed: Failed[] }> {
  const done: Done[] = [];
  const failed: Failed[] = [];
  const byModel = Map.groupBy(inputs, ({ one }) => `${one.modelId} ${one.profile.id}`);
  await Promise.all(
    [...byModel.values()].map(async (own) => {
      for (const input of own) {
        const { one, file } = input;
        try {
          const answer = await stage.encoder.embedFile(one.modelId, one.profile.id, file);
          stage.metrics.encoderSeconds.observe({ model: one.modelId }, answer.milliseconds / 1000);
          done.push({ input, answer });
        } catch (error) {
          failed.push({ input, error });
        }
      }
    }),
  );
  // In the order of the configuration, whichever was quickest.
  const place = ({ input }: { input: Input }) => inputs.indexOf(input);
  done.sort((a, b) => place(a) - place(b));
  failed.sort((a, b) => place(a) - place(b));
  return { done, failed };
}

/** A model that never proved itself needs a person, not another attempt. */
function mayPass(error: unknown, attempt: number): boolean {
  const code = codeOf(error);
  if (code === "SHUTTING_DOWN") return true;
  if (code === "MODEL_NOT_READY") return false;
  return attempt < ATTEMPTS_MAX && STATUSES[code].retry !== "permanent";
}

async function saveVectors(
  tx: Queryable,
  { input: { one, ordinal }, answer }: Done,
  row: SeriesRevision & { studyInstanceUid: string; patientKey: string; now: Date },
): Promise<void> {
  const { provider, vectors } = answer;
  for (const [i, { space: name, vector }] of vectors.entries()) {
    const space = await ensureSpace(
      tx,
      {
        modelId: one.modelId,
        modelVersion: one.version,
        bundleDigest: one.bundleDigest,
        profile: one.profile.id,
        space: name,
        rank: one.isDefault && i === 0 ? 0 : 1,
        dimension: vector.length,
      },
      row.now,
    );
    await saveEmbedding(tx, space, { ...row, ordinal, vector, provider });
  }
}

function isOf(skip: ModelSkip, { one, ordinal }: Pick<Input, "one" | "ordinal">): boolean {
  return (
    skip.modelId === one.modelId && skip.profile === one.profile.id && skip.ordinal === ordinal
  );
}

function misfitOf(
  { one, ordinal }: Input,
  volumes: readonly VolumeRow<VolumeVerdict>[],
): ModelSkip[] {
  const { verdict } = volumes.find((each) => each.ordinal === ordinal)!;
  const reasons = inapplicable(one.applicability, verdict);
  if (reasons.length === 0) return [];
  return [skip(one.modelId, one.profile.id, ordinal, "MODEL_NOT_APPLICABLE", reasons.join("; "))];
}

function skipOf({ input: { one, ordinal }, error }: Failed): ModelSkip {
  return skip(one.modelId, one.profile.id, ordinal, codeOf(error), messageOf(error));
}

/** Models that are configured and cannot run: a series says that it went on without them. */
function unready(
  { encoder }: StageOptions,
  volumes: readonly VolumeRow<VolumeVerdict>[],
): ModelSkip[] {
  const ready = encoder.profiles();
  return encoder
    .status()
    .filter(
      ({ modelId, profile }) =>
        !ready.some((one) => one.modelId === modelId && one.profile.id === profile),
    )
    .flatMap(({ modelId, profile, reason, attempts }) => {
      const why = [reason, ...attempts.map((one) => `${one.provider}: ${one.error}`)].join("; ");
      return volumes.map(({ ordinal }) =>
        skip(modelId, profile ?? "", ordinal, "MODEL_NOT_READY", why),
      );
    });
}

const skip = (
  modelId: string,
  profile: string,
  ordinal: number,
  code: string,
  reason: string,
): ModelSkip => ({ modelId, profile, ordinal, code, reason });

function noneApplies(misfits: readonly ModelSkip[]): string {
  const reasons = misfits.map(({ modelId, reason }) => `${modelId}: ${reason}`);
  return `MODEL_NOT_APPLICABLE: no model is made for this series: ${[...new Set(reasons)].join(". ")}`;
}

async function removeAll(inputs: readonly Input[]): Promise<void> {
  for (const { file } of inputs) await rm(file, { force: true });
}

async function allExist(files: readonly string[]): Promise<boolean> {
  for (const file of files) {
    try {
      await access(file);
    } catch {
      return false;
    }
  }
  return true;
}
