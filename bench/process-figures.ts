/** What the kernel says of a process: CPU time and peak memory. proc(5). */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second in /proc (USER_HZ). */
const TICKS = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/**
 * CPU seconds of a process, user and system, with those of children that ended and were waited for. 0 for one that has ended: a database
 * server's helper, whose parent counts them.
 */
export function cpuSeconds(pid: number): number {
  let fields: readonly string[];
  try {
    fields = statFields(`/proc/${pid}/stat`);
  } catch {
    return 0;
  }
  // utime, stime, cutime, cstime: fields 14 to 17 of stat, counted from 1.
  return sum([14, 15, 16, 17].map((field) => Number(fields[field - 3]))) / TICKS;
}

/** CPU seconds of the threads that run now, by thread name. */
export function cpuSecondsByThread(pid: number): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${task}`;
    const fields = statFields(`${path}/stat`);
    const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS;
    const name = task === String(pid) ? "main thread" : readFileSync(`${path}/comm`, "utf8").trim();
    found.set(name, (found.get(name) ?? 0) + seconds);
  }
  return found;
}

/** Peak resident memory since the process began, MB (10^6 bytes). */
export function peakRssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return (Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024) / 1e6;
}

export function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
}

/** A process and everything that it started, itself first. */
export function processTree(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(statFields(`/proc/${name}/stat`)[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const tree = [pid];
  for (const one of tree)
    for (const [child, parent] of parents) if (parent === one) tree.push(child);
  return tree;
}

/** The fields after the name, which may hold anything: field 3 (state) comes first. */
function statFields(path: string): string[] {
  const text = readFileSync(path, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
