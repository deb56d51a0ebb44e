/** Parent side of the encoder process: starts it when needed, one question at a time, kills it when it is late. */
import { type ChildProcess, fork } from "node:child_process";
import { type ErrorCode, KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { STATUSES } from "../kernel/statuses.ts";
import type { Answer, Ask, FromProcess, Kind, ToProcess } from "./process-messages.ts";

export interface ProcessHost {
  /** Number of the process that runs; after another number, all that was proved before is forgotten. */
  generation(): number;
  /**
   * Starts a process when none runs. The caller asks one thing at a time.
   *
   * @throws KindredError `UNAVAILABLE` when the process died, was late (and was killed) or cannot start;
   * whatever the handler of the question throws
   */
  ask<K extends Kind>(kind: K, ask: Ask<K>, seconds: number): Promise<Answer<K>>;
  /** Ends the process; a running question is rejected, later ones are refused. */
  stop(): Promise<void>;
}

interface Pending {
  readonly call: number;
  resolve(answer: FromProcess): void;
  reject(error: KindredError): void;
}

export function createProcessHost(log: Logger): ProcessHost {
  let child: ChildProcess | undefined;
  let pending: Pending | undefined;
  let generation = 0;
  let nextCall = 1;
  let isStopping = false;
  /** Why we killed the process, when we did. */
  let killedBecause: string | undefined;

  const ended = (one: ChildProcess, cause: string) => {
    if (child !== one) return;
    child = undefined;
    const reason = killedBecause ?? `The encoder process ended (${cause})`;
    killedBecause = undefined;
    if (!isStopping)
      log.warn(
        { event: "encoder.exited", cause },
        "the encoder process ended; it is started again when needed",
      );
    pending?.reject(new KindredError("UNAVAILABLE", reason));
  };

  const launch = (): ChildProcess => {
    // The same extension as this file: .ts from source, .js from dist.
    const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
    const one = fork(new URL(`./encoder-process${extension}`, import.meta.url), [], {
      serialization: "advanced",
      execArgv: [],
      env: environment(),
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    one.on("message", (answer: FromProcess) => {
      if (answer.call === pending?.call) pending.resolve(answer);
    });
    one.once("error", (error) => ended(one, error.message));
    one.once("exit", (code, signal) => ended(one, signal ?? `exit code ${code}`));
    generation++;
    return one;
  };

  return {
    generation: () => (child === undefined ? 0 : generation),
    ask<K extends Kind>(kind: K, ask: Ask<K>, seconds: number) {
      if (isStopping)
        return Promise.reject(new KindredError("UNAVAILABLE", "The encoder is stopping"));
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
        const settled = () => {
          clearTimeout(timer);
          pending = undefined;
        };
        pending = {
          call,
          resolve(answer) {
            settled();
            if ("answer" in answer) resolve(answer.answer as Answer<K>);
            else reject(new KindredError(asCode(answer.error.code), answer.error.message));
          },
          reject(error) {
            settled();
            reject(error);
          },
        };
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

/** Our own environment without the node's settings: a process that runs others' graphs needs no password. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KINDRED_|PG|DATABASE_URL)/.test(name)),
  );
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
