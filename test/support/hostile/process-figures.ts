/** Memory and descriptors of the processes of a node that face the network, as Linux tells them. proc(5). */
import { readdirSync, readFileSync } from "node:fs";

/** A file of /proc; "" when the process is gone, so that a crash is told by what is missing. */
function proc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return "";
  }
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

export interface ProcessFigures {
  /** The node and its receivers: one that died and was started again has another id. */
  readonly pids: readonly number[];
  readonly residentMb: number;
  readonly descriptors: number;
}

/** Helpers that no peer reaches: the embedded database and the encoder. */
const INNER = /embedded-process|encoder-process/;
const TICK_MS = 10;

export function nodeFigures(pid: number): ProcessFigures {
  const pids = [pid, ...childrenOf(pid).filter((child) => !INNER.test(commandOf(child)))];
  return {
    pids,
    residentMb: pids.reduce((sum, one) => sum + residentMb(one), 0),
    descriptors: pids.reduce((sum, one) => sum + descriptorsOf(one), 0),
  };
}

/** Processor time so far (ms): tells a busy node from a busy machine. */
export function processorMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = (proc(`${pid}/stat`).split(") ")[1] ?? "").split(" ");
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
  }, 0);
}

/** Time so far (ms, mean of the processes) in which they were ready to run and got no processor. */
export function starvedMs(pids: readonly number[]): number {
  const total = pids.reduce((sum, pid) => {
    const [, waitedNs] = proc(`${pid}/schedstat`).split(" ");
    return sum + Number(waitedNs ?? 0) / 1e6;
  }, 0);
  return total / pids.length;
}

/** Resident memory of the inner helpers, in MB. */
export function innerResidentMb(pid: number): number[] {
  return childrenOf(pid)
    .filter((child) => INNER.test(commandOf(child)))
    .map(residentMb);
}

function residentMb(pid: number): number {
  const status = proc(`${pid}/status`);
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

function commandOf(pid: number): string {
  return proc(`${pid}/cmdline`);
}

function childrenOf(pid: number): number[] {
  const text = proc(`${pid}/task/${pid}/children`).trim();
  return text === "" ? [] : text.split(" ").map(Number);
}
