import { readdirSync, readFileSync } from "node:fs";

/** Process ids of the embedded databases that this process started. */
export function databaseChildren(): number[] {
  return readdirSync("/proc/self/task")
    .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, "utf8").trim().split(" "))
    .filter(
      (pid) =>
        pid !== "" && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("embedded-process"),
    )
    .map(Number);
}
