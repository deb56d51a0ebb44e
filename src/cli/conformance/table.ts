/** A Markdown table, and what stands in its cells. */
import { SOP_CLASS, sopClassName } from "../../dicom/uids.ts";

/** @param rows - cells as they are to be read; `|` and line ends are taken care of */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => " --- |").join("")}`, ...rows.map(line)].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
}

const NAMES: Readonly<Record<string, string>> = {
  [SOP_CLASS.verification]: "Verification",
  [SOP_CLASS.patientRootFind]: "Patient Root Query/Retrieve Information Model - FIND",
  [SOP_CLASS.patientRootMove]: "Patient Root Query/Retrieve Information Model - MOVE",
  [SOP_CLASS.patientRootGet]: "Patient Root Query/Retrieve Information Model - GET",
  [SOP_CLASS.studyRootFind]: "Study Root Query/Retrieve Information Model - FIND",
  [SOP_CLASS.studyRootMove]: "Study Root Query/Retrieve Information Model - MOVE",
  [SOP_CLASS.studyRootGet]: "Study Root Query/Retrieve Information Model - GET",
  [SOP_CLASS.storageCommitmentPush]: "Storage Commitment Push Model",
};

/** The name of a SOP class that PS3.6 Table A-1 gives it. */
export function nameOfClass(uid: string): string {
  return NAMES[uid] ?? sopClassName(uid);
}

/** SOP classes that are offered beside storage. */
export const OTHER_CLASSES: readonly string[] = Object.keys(NAMES);

export const code = (text: string): string => `\`${text}\``;
export const yesNo = (is: boolean): string => (is ? "yes" : "no");
