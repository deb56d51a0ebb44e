/** `kindred similar UID`: the similarity question to a running node; UID names a study or a series. */
import { KindredError } from "../kernel/errors.ts";
import { callNode } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";
import { type RankedAnswers, showRanked } from "./ranked.ts";

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
      callNode<RankedAnswers>(
        config,
        `/api/v1/similar?${kind}=${encodeURIComponent(parsed.positionals[0]!)}&${query}`,
      );
    // A UID does not say what it names: first as a study, then as a series.
    const result = await ask("study").catch((error: unknown) => {
      if (error instanceof KindredError && error.code === "NOT_FOUND") return ask("series");
      throw error;
    });
    if (parsed.values.json) console.log(JSON.stringify(result, null, 2));
    else showRanked(result);
    return 0;
  },
};
