/** `kindred queue`: jobs, series by state, and documents that wait for their peers. */
import { callNode, printable, table } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

interface QueueAnswer {
  jobs: { kind: string; state: string; count: number }[];
  series: { state: string; count: number }[];
  deliveries: {
    peer: string;
    state: string;
    attempts: number;
    title: string;
    lastError: string | null;
  }[];
  commitments: { asked: OpenCommitment[]; requested: OpenCommitment[] };
}

interface OpenCommitment {
  peer: string;
  state: string;
  references: number;
  attempts: number;
  lastError: string | null;
  at: string;
}

export const queue: Command = {
  name: "queue",
  usage: "queue [--json]",
  summary: "jobs, series by state, and what waits to be sent or committed",
  async run(argv) {
    const parsed = parseCommand(argv, this.usage);
    const answer = await callNode<QueueAnswer>(parsed.config(), "/api/v1/queue");
    if (parsed.values.json) {
      console.log(JSON.stringify(answer, null, 2));
      return 0;
    }
    console.log(
      table(
        ["job", "state", "count"],
        answer.jobs.map((row) => [row.kind, row.state, String(row.count)]),
      ),
    );
    console.log();
    console.log(
      table(
        ["series state", "count"],
        answer.series.map((row) => [row.state, String(row.count)]),
      ),
    );
    console.log();
    const rows = answer.deliveries.map((row) => [
      row.peer,
      row.state,
      String(row.attempts),
      row.title,
      printable(row.lastError ?? ""),
    ]);
    console.log(table(["peer", "state", "attempts", "document", "last error"], rows));
    console.log();
    const commitments = [
      ...answer.commitments.asked.map((one) => ({ ...one, what: "we owe a result" })),
      ...answer.commitments.requested.map((one) => ({ ...one, what: "we await a result" })),
    ].map((one) => [
      one.peer,
      one.what,
      one.state,
      String(one.references),
      String(one.attempts),
      printable(one.lastError ?? ""),
    ]);
    console.log(
      table(["peer", "commitment", "state", "instances", "attempts", "last error"], commitments),
    );
    return 0;
  },
};
