/** Parent side of a model process: starts it when needed, kills it when it is late. */
import { type ChildProcess, fork } from "node:child_process";
import { type ErrorCode, KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { besides, environmentWithoutSettings } from "../kernel/own-process.ts";
import { STATUSES } from "../kernel/statuses.ts";
import type { Answer, Ask, FromProcess, Kind, ToProcess } from "./process-messages.ts";

export interface ProcessHost {
  /** Number of the process that runs; after another number, all that was proved before is forgotten. */
  generation(): number;
  /**
   * Starts a process when none runs.
   *
   * @param seconds - after which the process is killed, for what it runs cannot be cancelled
   * @throws KindredError `UNAVAILABLE` when the process died, was late (and was killed) or cannot start; with the
   * detail `signal` when a signal that was not ours ended it; `SHUTTING_DOWN` after {@link stop}. Whatever the handler of the question throws.
   */
  ask<K extends Kind>(kind: K, ask: Ask<K>, seconds: number): Promise<Answer<K>>;
  /** Ends the process; running and later questions are rejected with `SHUTTING_DOWN`. */
  stop(): Promise<void>;
}

/**
 * A bundle says in which precision it runs. Without this NVIDIA's libraries would multiply the float32 of a graph as TF32, of 10 bits:
 * measured, the golden vector of a ViT of 16 blocks is then 1.5e-4 off, and a provider whose golden vectors are off is not used.
 */
const FULL_PRECISION = { NVIDIA_TF32_OVERRIDE: "0" } as const;

interface Pending {
  readonly timer: NodeJS.Timeout;
  resolve(answer: FromProcess): void;
  reject(error: KindredError): void;
}

/** @param onEnd - the process is gone, and what was in its memory */
export function createProcessHost(log: Logger, onEnd: () => void = () => undefined): ProcessHost {
  let child: ChildProcess | undefined;
  const pending = new Map<number, Pending>();
  let generation = 0;
  let nextCall = 1;
  let isStopping = false;
  /** Why we killed the process, when we did. */
  let killedBecause: string | undefined;

  const take = (call: number): Pending | undefined => {
    const one = pending.get(call);
    pending.delete(call);
    clearTimeout(one?.timer);
    return one;
  };

  const ended = (one: ChildProcess, cause: string, signal?: string) => {
    if (child !== one) return;
    child = undefined;
    const isOurs = killedBecause !== undefined || isStopping;
    const reason = killedBecause ?? `The encoder process ended (${cause})`;
    killedBecause = undefined;
    if (!isStopping)
      log.warn(
        { event: "encoder.exited", cause },
        "the encoder process ended; it is started again when needed",
      );
    onEnd();
    const details = isOurs ? {} : { signal };
    const code = isStopping ? "SHUTTING_DOWN" : "UNAVAILABLE";
    for (const call of [...pending.keys()])
      take(call)?.reject(new KindredError(code, reason, { details }));
  };

  const launch = (): ChildProcess => {
    const one = fork(besides(import.meta.url, "encoder-process"), [], {
      serialization: "advanced",
      execArgv: [],
      env: { ...environmentWithoutSettings(), ...FULL_PRECISION },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    one.on("message", (answer: FromProcess) => take(answer.call)?.resolve(answer));
    one.once("error", (error) => ended(one, error.message));
    one.once("exit", (code, signal) =>
      ended(one, signal ?? `exit code ${code}`, signal ?? undefined),
    );
    generation++;
    return one;
  };

  return {
    generation: () => (child === undefined ? 0 : generation),
    ask<K extends Kind>(kind: K, ask: Ask<K>, seconds: number) {
      if (isStopping)
        return Promise.reject(new KindredError("SHUTTING_DOWN", "The encoder is stopping"));
      child ??= launch();
      const asked = child;
      const call = nextCall++;
      return new Promise<Answer<K>>((resolve, reject) => {
        const timer = setTimeout(
          () => {
            // A run cannot be cancelled; the process can. The question is rejected when it is gone.
            killedBecause = `The encoder did not answer within ${seconds} s; its process was killed`;
            asked.kill("SIGKILL");
          },
          Math.min(seconds * 1000, 0x7fffffff),
        );
        pending.set(call, {
          timer,
          resolve(message) {
            if ("answer" in message) resolve(message.answer as Answer<K>);
            else reject(new KindredError(asCode(message.error.code), message.error.message));
          },
          reject,
        });
        const message: ToProcess<K> = { call, kind, ask };
        asked.send(message, (error) => {
          // The pipe is broken: whatever still runs cannot answer.
          if (error !== null) asked.kill("SIGKILL");
        });
      });
    },
    async stop() {
      isStopping = true;
      const running = child;
      if (running === undefined) return;
      const exited = new Promise<void>((resolve) => running.once("exit", () => resolve()));
      running.kill("SIGKILL");
      await exited;
    },
  };
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
