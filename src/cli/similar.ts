/** `kindred similar UID`: the similarity question to a running node; UID names a study or a series. */
import { KindredError } from "../kernel/errors.ts";
import { callNode, printable, table } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

interface SimilarAnswer {
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

export const similar: Command = {
  name: "similar",
  usage: "similar UID [--k 10] [--level study|series|patient] [--same-patient] [--json]",
  summary: "who looks like this study or series?",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { k: { type: "string" }, level: { type: "string" }, "same-patient": { type: "boolean" } },
      { min: 1, max: 1 },
    );
    const config = parsed.config();
    const query = new URLSearchParams();
    if (parsed.values.k !== undefined) query.set("k", String(parsed.values.k));
    if (parsed.values.level !== undefined) query.set("level", String(parsed.values.level));
    if (parsed.values["same-patient"]) query.set("samePatient", "include");
    const ask = (kind: string) =>
      callNode<SimilarAnswer>(
        config,
        `/api/v1/similar?${kind}=${encodeURIComponent(parsed.positionals[0]!)}&${query}`,
      );
    // A UID does not say what it names: first as a study, then as a series.
    const result = await ask("study").catch((error: unknown) => {
      if (error instanceof KindredError && error.code === "NOT_FOUND") return ask("series");
      throw error;
    });
    if (parsed.values.json) {
      console.log(JSON.stringify(result, null, 2));
      return 0;
    }
    const rows = result.answers.map((one) => [
      String(one.rank),
      one.score.toFixed(3),
      printable(one.patientId),
      printable(one.patientName),
      one.studyDate,
      printable(one.studyDescription),
      one.studyInstanceUid,
    ]);
    console.log(table(["#", "score", "patient", "name", "date", "description", "study"], rows));
    if (result.comment !== null) console.log(`(${result.comment})`);
    if (result.model)
      console.log(`model ${result.model.id} ${result.model.version}; not for diagnostic use`);
    return 0;
  },
};
