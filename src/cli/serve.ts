/** `kindred serve`: runs the node until SIGINT or SIGTERM; a second signal ends it at once. */
import { mkdirSync } from "node:fs";
import { type Node, startNode } from "../main.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

const FORCED_EXIT = 70;

export const serve: Command = {
  name: "serve",
  usage: "serve [--config FILE] [--role all|worker|receiver] [--receivers N]",
  summary: "run the node; receivers on other machines share its database and data folder",
  async run(argv) {
    const options = { receivers: { type: "string" }, role: { type: "string" } } as const;
    const parsed = parseCommand(argv, this.usage, options);
    const config = parsed.config();
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    // From the first moment: a signal while the node starts would otherwise leave its child processes behind.
    const stopping = stopSignal();
    const node = await startNode({ config });
    if (config.peers.length === 0 && node.role !== "worker") console.error(firstPeerHint(node));
    const displaced = await Promise.race([stopping, node.displaced]);
    await node.stop();
    if (displaced !== undefined) throw displaced;
    return 0;
  },
};

/** Resolves at the first SIGINT or SIGTERM; the second ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = () => {
      if (isStopping) process.exit(FORCED_EXIT);
      isStopping = true;
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}

function firstPeerHint({ dicom, http }: Node): string {
  return [
    `No peer is configured yet, so every calling AE title is refused. Add the first one to a file, say kindred.json:`,
    `  { "peers": [{ "aeTitle": "PACS", "host": "127.0.0.1", "port": 104, "allow": ["store", "query", "similar"], "sendReports": true }] }`,
    `and start again with: npm start -- --config kindred.json   (DICOM ${dicom.host}:${dicom.port}, console http://${http.host}:${http.port}/)`,
  ].join("\n");
}
