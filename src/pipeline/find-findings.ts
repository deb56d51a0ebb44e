/** What the models say of the volumes of a series, beside their vectors: rows to be stored. */
import type { FindingRun } from "../db/findings.ts";
import type { Embedded, EncoderProfile } from "../encoder/encoder.ts";
import type { Finding } from "../encoder/findings/judge.ts";
import { codeOf, messageOf } from "../kernel/errors.ts";
import type { StageOptions } from "./pipeline.ts";

/** What one model profile gave of one volume. */
export interface VolumeAnswer {
  readonly one: EncoderProfile;
  /** Of the volume, from 1. */
  readonly ordinal: number;
  readonly answer: Embedded;
}

/**
 * One entry a volume and model that says anything. All profiles of a model are judged together, for its guard, which
 * measures one of them, speaks for all.
 *
 * @param mayPass - whether to throw an error, so that the stage is tried again, or to keep it as a problem
 * @throws KindredError `UNAVAILABLE`, `SHUTTING_DOWN` where `mayPass` says so
 */
export async function findFindings(
  { encoder }: StageOptions,
  answers: readonly VolumeAnswer[],
  mayPass: (error: unknown) => boolean,
): Promise<FindingRun[]> {
  const runs: FindingRun[] = [];
  const groups = Map.groupBy(answers, ({ one, ordinal }) => `${one.bundleDigest} ${ordinal}`);
  for (const group of groups.values()) {
    const { one, ordinal } = group[0]!;
    const byProfile = new Map(group.map(({ one, answer }) => [one.profile.id, answer]));
    const said = await encoder.judge(one.modelId, byProfile).catch((error: unknown) => {
      if (mayPass(error)) throw error;
      const problems = [`${codeOf(error)}: ${messageOf(error)}`];
      return { guard: null, statement: null, findings: [], problems };
    });
    if (said === undefined) continue;
    runs.push({
      ordinal,
      modelId: one.modelId,
      modelVersion: one.version,
      bundleDigest: one.bundleDigest,
      guard: said.guard,
      statement: said.statement,
      problems: said.problems,
      findings: said.findings.map(toRow),
    });
  }
  return runs;
}

function toRow({ label, list, ...finding }: Finding): FindingRun["findings"][number] {
  const { key, name, snomed = null, radlex = null } = label;
  return { ...finding, label: { list, key, name, snomed, radlex } };
}
