/** From rows to the two documents of a series revision. Pure: the same input makes the same bytes. */
import { decodeDataSet } from "../dicom/decode.ts";
import { decodeFileMeta } from "../dicom/part10.ts";
import { SOP_CLASS, UID } from "../dicom/uids.ts";
import { writeObject } from "../dicom/write-object.ts";
import { type ContentItem, naturalizeRoot } from "./content.ts";
import { checkInput, headerOf } from "./header.ts";
import { documentUids } from "./identity.ts";
import type { ReportDocument, ReportInput, ReportKind } from "./input.ts";
import type { Section } from "./lines.ts";
import { measurementTree } from "./measurement-report.ts";
import { textTree } from "./text-report.ts";
import { assertViewerSafe } from "./viewer-safety.ts";
import { type ReportWords, textLinesOf, wordsOf } from "./wording.ts";

interface DocumentPlan {
  readonly kind: ReportKind;
  readonly title: string;
  readonly label: string;
  readonly sopClassUid: string;
  readonly seriesNumber: number;
  readonly tree: ContentItem;
  readonly textLines: readonly string[];
  readonly hasPrivateCodes: boolean;
}

/**
 * The measurement document and the text document, in that order, each in a series of its own within the source
 * study. Both are checked by {@link assertViewerSafe} as they will be sent.
 *
 * @throws KindredError `DATASET_INCOMPLETE` when a UID or patient identifier of the source cannot be written
 *   unchanged, `NOT_A_VOLUME` when the series is not CT, `INTERNAL` when a document would not be safe to send
 */
export function buildReports(input: ReportInput): readonly ReportDocument[] {
  checkInput(input);
  const words = wordsOf(input);
  return [
    build(input, {
      kind: "measurement",
      title: "AI measurement report",
      label: "Measurements",
      sopClassUid: SOP_CLASS.comprehensive3dSr,
      seriesNumber: input.seriesNumber,
      tree: measurementTree(input, words),
      textLines: measurementLines(words),
      hasPrivateCodes: true,
    }),
    build(input, {
      kind: "text",
      title: "AI text report",
      label: "Text report",
      sopClassUid: SOP_CLASS.basicTextSr,
      seriesNumber: input.seriesNumber + 1,
      tree: textTree(input, words),
      textLines: textLines(words),
      hasPrivateCodes: false,
    }),
  ];
}

function build(input: ReportInput, plan: DocumentPlan): ReportDocument {
  const uids = documentUids(input, plan.kind);
  const { sopClassUid } = plan;
  const { label, seriesNumber, hasPrivateCodes } = plan;
  const header = headerOf(input, { ...uids, sopClassUid, seriesNumber, label, hasPrivateCodes });
  const bytes = writeObject(
    { ...header, ...naturalizeRoot(plan.tree) },
    { sopClassUid, sopInstanceUid: uids.sopInstanceUid },
  );
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
  assertViewerSafe(decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid }), plan.tree);
  return {
    kind: plan.kind,
    title: plan.title,
    sopClassUid,
    ...uids,
    transferSyntaxUid: UID.explicitVrLittleEndian,
    bytes,
    textLines: plan.textLines,
  };
}

function measurementLines(words: ReportWords): string[] {
  return textLinesOf(words.conclusion, findingsOf(words));
}

function textLines(words: ReportWords): string[] {
  return textLinesOf(words.conclusion, [...findingsOf(words), words.source, words.method]);
}

function findingsOf(words: ReportWords): Section[] {
  const { similar, likelihoods, geometry, otherVolumes, measurements } = words;
  return [similar, likelihoods, geometry, otherVolumes, measurements].filter(
    (part) => part !== undefined,
  );
}
