/** Ranked answers of a node as a table. */
import { printable, table } from "./api.ts";

export interface RankedAnswers {
  comment: string | null;
  model?: { id: string; version: string };
  answers: {
    rank: number;
    score: number;
    patientId: string;
    patientName: string;
    studyDate: string;
    studyDescription: string;
    studyInstanceUid: string;
    seriesInstanceUid: string;
  }[];
}

export function showRanked({ answers, comment, model }: RankedAnswers): void {
  const rows = answers.map((one) => [
    String(one.rank),
    one.score.toFixed(3),
    printable(one.patientId),
    printable(one.patientName),
    one.studyDate,
    printable(one.studyDescription),
    one.studyInstanceUid,
  ]);
  console.log(table(["#", "score", "patient", "name", "date", "description", "study"], rows));
  if (comment !== null) console.log(`(${comment})`);
  if (model) console.log(`model ${model.id} ${model.version}; not for diagnostic use`);
}
