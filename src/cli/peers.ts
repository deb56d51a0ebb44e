/** `kindred peers echo [AE]`: C-ECHO to every configured peer that has a port, or to one. */
import { echo } from "../dimse/requestor/echo.ts";
import { hostToCall, targetOf } from "../dimse/target.ts";
import { openTlsFiles } from "../dimse/tls-files.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import { silentLogger } from "../kernel/log.ts";
import { table } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

const UNAVAILABLE_EXIT = 69;
const RESPONSE_SECONDS = 10;

export const peers: Command = {
  name: "peers",
  usage: "peers echo [AE]",
  summary: "C-ECHO to the configured peers",
  async run(argv) {
    const parsed = parseCommand(argv, this.usage, {}, { min: 1, max: 2 });
    if (parsed.positionals[0] !== "echo")
      throw new KindredError("USAGE", `usage: kindred ${this.usage}`);
    const config = parsed.config();
    const wanted = config.peers.filter(
      (peer) => parsed.positionals[1] === undefined || peer.aeTitle === parsed.positionals[1],
    );
    if (wanted.length === 0) throw new KindredError("USAGE", "No such peer is configured");
    const tls = wanted.some((peer) => peer.tls)
      ? await openTlsFiles(config.dimse.tls, silentLogger())
      : undefined;
    let isAllWell = true;
    // At once: a peer that does not answer must not keep the others waiting.
    const rows = await Promise.all(
      wanted.map(async (peer) => {
        const host = hostToCall(peer);
        let outcome = "no port to call (it may still call us)";
        if (peer.port !== undefined && host !== undefined) {
          const target = {
            ...targetOf(config, peer, tls?.current()),
            responseSeconds: RESPONSE_SECONDS,
          };
          outcome = await echo(target).then(
            () => "ok",
            (error: unknown) => {
              isAllWell = false;
              return messageOf(error);
            },
          );
        }
        return [peer.aeTitle, host ?? "-", String(peer.port ?? "-"), outcome];
      }),
    );
    tls?.close();
    console.log(table(["peer", "host", "port", "C-ECHO"], rows));
    return isAllWell ? 0 : UNAVAILABLE_EXIT;
  },
};
