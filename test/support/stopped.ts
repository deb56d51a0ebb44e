import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const GRACE_MS = 5_000;

/** Ends a child process: asked first, made to when it does not. Resolves when it is gone. */
export async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  const isGone = await Promise.race([gone.then(() => true), sleep(GRACE_MS, false)]);
  if (!isGone) child.kill("SIGKILL");
  await gone;
}
