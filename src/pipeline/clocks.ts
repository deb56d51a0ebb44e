/** Clocks by node-cron. A clock never does work of its own: it looks for what is due and closes or enqueues it. */
import cron from "node-cron";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";

interface Tick {
  readonly name: string;
  run(): Promise<unknown>;
}

/** Starts the clocks. A tick that is still running is not started again; a failing tick is logged, not fatal. */
export function startClocks(
  log: Logger,
  ticks: { everySecond: readonly Tick[]; everyMinute: readonly Tick[] },
): { stop(): Promise<void> } {
  const running = new Map<string, Promise<void>>();
  const schedule = (expression: string, tick: Tick) =>
    cron.schedule(
      expression,
      () => {
        if (running.has(tick.name)) return;
        const run = tick
          .run()
          .catch((error: unknown) =>
            log.warn(
              { event: "clock.failed", clock: tick.name, err: messageOf(error) },
              "a clock failed; it goes on",
            ),
          )
          .then(() => {
            running.delete(tick.name);
          });
        running.set(tick.name, run);
      },
      { name: tick.name, logger: cronLogger(log) },
    );
  const tasks = [
    ...ticks.everySecond.map((tick) => schedule("* * * * * *", tick)),
    ...ticks.everyMinute.map((tick) => schedule("0 * * * * *", tick)),
  ];
  return {
    async stop() {
      for (const task of tasks) await task.stop();
      await Promise.all(running.values());
    },
  };
}

/** node-cron's own words; it would write to the console. A missed second is caught up by the next one. */
function cronLogger(log: Logger) {
  const debug = (message: string | Error) =>
    log.debug({ event: "clock.note", note: messageOf(message) }, "a clock's note");
  const error = (message: string | Error) =>
    log.warn({ event: "clock.failed", err: messageOf(message) }, "a clock failed; it goes on");
  return { info: debug, debug, warn: debug, error };
}
