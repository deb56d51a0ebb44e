/** UIDs of what is made here: always the same for the same series, revision, template, model and document. */
import { uidFromName } from "../dicom/uids.ts";
import type { ReportInput, ReportKind } from "./input.ts";

/**
 * Part of every UID. Goes up whenever the documents change in content or form, so that a node of a newer version
 * makes new documents instead of other bytes under an old UID.
 */
export const REPORT_TEMPLATE_VERSION = 2;

export interface DocumentUids {
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
}

/** The two UIDs of one document; each document has a series of its own, because viewers take one SR a series. */
export function documentUids(input: ReportInput, kind: ReportKind): DocumentUids {
  return {
    sopInstanceUid: reportUid(input, kind, "instance"),
    seriesInstanceUid: reportUid(input, kind, "series"),
  };
}

/** Tracking Unique Identifier of a measurement group; a shared one makes OHIF merge two groups. */
export function trackingUid(input: ReportInput, group: string): string {
  return reportUid(input, "measurement", `tracking ${group}`);
}

function reportUid(input: ReportInput, kind: ReportKind, part: string): string {
  return uidFromName(
    JSON.stringify([
      "report",
      REPORT_TEMPLATE_VERSION,
      input.series.seriesInstanceUid,
      input.series.revision,
      input.model?.bundleDigest ?? "",
      input.model?.profile ?? "",
      kind,
      part,
    ]),
  );
}
