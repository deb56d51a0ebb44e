/** `kindred series UID`: state, verdict and documents of one series of a running node. */
import { callNode } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

export const series: Command = {
  name: "series",
  usage: "series UID [--complete]",
  summary: "state, verdict and documents of a series; --complete closes it now",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { complete: { type: "boolean" } },
      { min: 1, max: 1 },
    );
    const path = `/api/v1/series/${encodeURIComponent(parsed.positionals[0]!)}`;
    const answer = parsed.values.complete
      ? await callNode<object>(parsed.config(), `${path}/complete`, "POST")
      : await callNode<object>(parsed.config(), path);
    console.log(JSON.stringify(answer, null, 2));
    return 0;
  },
};
