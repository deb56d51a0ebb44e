/**
 * Child process that owns the ONNX Runtime sessions. `run()` blocks its thread for the whole inference and cannot be
 * cancelled, so it never shares a process with sockets. What it can be asked stands in `process-handlers.ts`.
 */
import { codeOf, messageOf } from "../kernel/errors.ts";
import { createHandlers } from "./process-handlers.ts";
import type { Answer, Ask, FromProcess, Kind, ToProcess } from "./process-messages.ts";

const handlers = createHandlers();
process.on("message", ({ call, kind, ask }: ToProcess) => {
  // The sender's types tie kind and ask together; the compiler cannot see it through a message.
  const handler = handlers[kind] as (ask: Ask<Kind>) => Promise<Answer<Kind>>;
  handler(ask)
    .then(
      (answer): FromProcess => ({ call, answer }),
      (error: unknown): FromProcess => ({
        call,
        error: { code: codeOf(error), message: messageOf(error) },
      }),
    )
    .then((message) => process.send?.(message))
    .catch(() => process.exit(1));
});
process.on("disconnect", () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the parent ends us in its own order.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
