/** `kindred search "TEXT"`: the text question to a running node. */
import { KindredError } from "../kernel/errors.ts";
import { callNode } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";
import { type RankedAnswers, showRanked } from "./ranked.ts";

export const search: Command = {
  name: "search",
  usage: 'search "TEXT" [--model ID] [-k 10] [--level study|series|patient] [--json]',
  summary: "which studies fit this text? needs a model with a text encoder",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { k: { type: "string", short: "k" }, model: { type: "string" }, level: { type: "string" } },
      { min: 1, max: 1 },
    );
    const [text] = parsed.positionals;
    if (text!.trim() === "")
      throw new KindredError("USAGE", `the text is empty\nusage: kindred ${this.usage}`);
    const query = new URLSearchParams({ text: text! });
    for (const name of ["k", "model", "level"])
      if (parsed.values[name] !== undefined) query.set(name, String(parsed.values[name]));
    const result = await callNode<RankedAnswers>(parsed.config(), `/api/v1/search?${query}`);
    if (parsed.values.json) console.log(JSON.stringify(result, null, 2));
    else showRanked(result);
    return 0;
  },
};
