import { readdirSync, readFileSync } from "node:fs";

/** Process ids of the embedded databases that this process started. */
export const databaseChildren = (): number[] => children("embedded-process");
/** Process ids of the model processes that this process started, the newest last. */
export const encoderChildren = (): number[] => children("encoder-process");

function children(program: string): number[] {
  return readdirSync("/proc/self/task")
    .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, "utf8").trim().split(" "))
    .filter((pid) => pid !== "" && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(program))
    .map(Number);
}
