/** One measured sending: storescu over one or several associations at once, and what the receiver spent on it. */
import { execFileSync } from "node:child_process";
import { fillPageCache } from "./page-cache.ts";
import { cpuSeconds, sum } from "./process-figures.ts";
import { type Receiver, type Role, runTool } from "./receivers.ts";

/** What a receiver does after its last answer belongs to the cost too. */
const SETTLE_MS = 250;

export interface Measurement {
  readonly images: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** CPU milliseconds an image, by role. */
  readonly cpuMs: Readonly<Partial<Record<Role, number>>>;
  readonly cpuMsSum: number;
  readonly lagP99Ms: number | undefined;
}

/**
 * Sends every folder with a storescu of its own, all at once.
 *
 * @throws Error when a sender fails or an instance is missing afterwards
 */
export async function measure(
  receiver: Receiver,
  folders: readonly string[],
  images: number,
): Promise<Measurement> {
  // What the run before left in the page cache must not be written back during this one.
  execFileSync("sync");
  const keptBefore = await receiver.kept();
  await receiver.lagP99Ms();
  fillPageCache();
  const cpu = () => new Map(receiver.processes().map(({ pid }) => [pid, cpuSeconds(pid)]));
  const before = cpu();
  const start = process.hrtime.bigint();
  await Promise.all(folders.map((folder) => storescu(receiver, folder)));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const atEnd = cpu();
  const lagP99Ms = await receiver.lagP99Ms();
  const asked = cpu();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const cpuMs: Partial<Record<Role, number>> = {};
  // A database server may have started processes meanwhile.
  for (const { pid, role } of receiver.processes()) {
    // What it took to answer us about its event loop is none of receiving.
    const since = (before.get(pid) ?? 0) + (asked.get(pid) ?? 0) - (atEnd.get(pid) ?? 0);
    const spent = (Math.max(0, cpuSeconds(pid) - since) * 1000) / images;
    cpuMs[role] = (cpuMs[role] ?? 0) + spent;
  }
  const kept = (await receiver.kept()) - keptBefore;
  if (kept !== images) throw new Error(`${receiver.name} kept ${kept} of ${images} instances`);
  const imagesPerSecond = images / seconds;
  return { images, seconds, imagesPerSecond, cpuMs, cpuMsSum: sum(Object.values(cpuMs)), lagP99Ms };
}

function storescu(receiver: Receiver, folder: string): Promise<string> {
  const args = ["-R", "-aec", receiver.aeTitle, "+sd", "+r", "127.0.0.1", String(receiver.port)];
  return runTool("storescu", [...args, folder]);
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}
