/** What happens to a series the moment it is closed: CT goes on, everything else is kept and says why not. */
import { forgetEmbeddings } from "../db/embeddings.ts";
import type { Queryable } from "../db/queryable.ts";
import { findSeries, moveSeries, type SeriesRevision, type SeriesState } from "../db/series.ts";
import type { StageOptions } from "./pipeline.ts";

/** Enqueues the reconstruction of a CT series, or ends the revision as refused with the reason. */
export async function closeRefused(
  tx: Queryable,
  stage: StageOptions,
  at: SeriesRevision,
): Promise<void> {
  const series = await findSeries(tx, at.seriesInstanceUid);
  if (series === undefined) return;
  stage.metrics.seriesTotal.inc({ state: "complete" });
  if (series.modality !== "CT") {
    await refuseSeries(
      tx,
      stage,
      at,
      ["complete"],
      `NOT_CT: modality ${series.modality || "(none)"} is kept, not processed`,
    );
  } else if (series.has_patient_conflict) {
    await refuseSeries(
      tx,
      stage,
      at,
      ["complete"],
      "PATIENT_CONFLICT: instances of one study name different patients",
    );
  } else {
    await stage.next.reconstruct(tx, at);
  }
}

/** Ends a revision as refused and takes earlier revisions of the series out of the index. */
export async function refuseSeries(
  tx: Queryable,
  stage: StageOptions,
  at: SeriesRevision,
  from: readonly SeriesState[],
  reason: string,
): Promise<void> {
  if (!(await moveSeries(tx, at, from, "refused", reason.slice(0, 1000)))) return;
  await forgetEmbeddings(tx, at.seriesInstanceUid);
  stage.metrics.seriesTotal.inc({ state: "refused" });
  stage.log.info(
    {
      event: "series.refused",
      series: at.seriesInstanceUid,
      revision: at.revision,
      reason: reason.split(":")[0],
    },
    "series refused",
  );
}
