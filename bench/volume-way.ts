/**
 * The whole way of a series, for bench/volume.ts: pushed to a node by storescu at full speed; how long from the answer to
 * its last slice to its volume, and the memory of the processes. And decoding on one thread against two.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { uidFromName } from "../src/dicom/uids.ts";
import { scanFiles } from "../src/pipeline/scan-files.ts";
import { createSliceThreads } from "../src/pipeline/slice-threads.ts";
import { peakRssMb, sum } from "./process-figures.ts";
import { runTool, startOurs } from "./receivers.ts";
import { writeSeries } from "./synthetic-ct.ts";
import { volumeCase } from "./volume-case.ts";

/** Of every length, mm: a trunk. */
const EXTENT_MM = 600;
const READY_MS_MAX = 120_000;
const READY_STATES = ["reconstructed", "embedded", "reported", "delivered"];
/** Files that are coded; frames are read from them in turn. */
const CODED_FILES = 16;
const FRAME_SECONDS = 60;

export interface Way {
  /** Sending, from the first slice to the answer to the last one. */
  readonly sentSeconds: number;
  /** From that answer to the volume. */
  readonly readySeconds: number;
  /** Peak of the process that builds volumes, and of all processes of the node added up, MB. */
  readonly builderMb: number;
  readonly allMb: number;
}

/** @param folder - for files, several gigabytes; a fresh node each time */
export async function wholeWay(folder: string, slices: number, run: number): Promise<Way> {
  const own = mkdtempSync(join(folder, "way-"));
  const name = `way-${slices}-${run}`;
  try {
    const [series] = writeSeries(join(own, "series"), name, slices, 1, EXTENT_MM / slices);
    const dataDir = join(own, "data");
    const node = await startOurs({ name: "Kindred", dataDir, reducesEarly: true });
    try {
      // Threads and code are warm in a node that works: a small series goes first.
      const [small] = writeSeries(join(own, "small"), `small-${name}`, 40, 1);
      await send(node.port, small!);
      await ready(node.http!, uidFromName(`bench/series/small-${name}`));
      const from = performance.now();
      await send(node.port, series!);
      const stored = performance.now();
      await ready(node.http!, uidFromName(`bench/series/${name}`));
      const readySeconds = (performance.now() - stored) / 1000;
      const peaks = node.processes().map(({ pid }) => peakRssMb(pid));
      const sentSeconds = (stored - from) / 1000;
      return { sentSeconds, readySeconds, builderMb: peaks[0]!, allMb: sum(peaks) };
    } finally {
      await node.stop();
    }
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function send(port: number, folder: string): Promise<string> {
  return runTool("storescu", [
    ...["-R", "-aec", "KINDRED", "+sd", "+r", "127.0.0.1", String(port), folder],
  ]);
}

/** Closes the series, as a modality's procedure step would, and waits for its volume. */
async function ready(http: string, seriesInstanceUid: string): Promise<void> {
  const at = `${http}/api/v1/series/${seriesInstanceUid}`;
  await fetch(`${at}/complete`, { method: "POST" });
  const end = performance.now() + READY_MS_MAX;
  for (;;) {
    const { state, reason } = (await (await fetch(at)).json()) as { state: string; reason: string };
    if (READY_STATES.includes(state)) return;
    if (performance.now() > end || state === "failed" || state === "refused")
      throw new Error(`the series is ${state}: ${reason}`);
    await delay(20);
  }
}

/**
 * Frames a second that are read, decoded and reduced.
 *
 * @param coder - command of dcmtk that codes a file, e.g. `dcmcjpls`
 */
export async function decodeRates(
  folder: string,
  coder: string,
  frames: number,
  threadCounts: readonly number[],
): Promise<number[]> {
  const own = mkdtempSync(join(folder, "coded-"));
  const plain = writeSeries(join(own, "plain"), "coded", CODED_FILES, 1)[0]!;
  const coded = join(own, "coded");
  mkdirSync(coded);
  for (const file of readdirSync(plain))
    await runTool(coder, [join(plain, file), join(coded, file)]);
  // One file for each frame, so that none is open already.
  const paths = Array.from({ length: frames }, (_, i) => join(own, `${i}.dcm`));
  for (const [i, path] of paths.entries())
    copyFileSync(join(coded, readdirSync(coded)[i % CODED_FILES]!), path);
  const scanned = (await scanFiles(paths)).frames;
  const { plan } = volumeCase(frames);
  const rates: number[] = [];
  for (const threads of threadCounts) {
    const pool = createSliceThreads({ threads, frameSeconds: FRAME_SECONDS, niceness: 0 });
    const jobs = scanned.map((frame, k) => ({ frame, k }));
    const set = { plans: [plan], wantsStored: false };
    await pool.reduce(jobs.slice(0, 4 * threads), set, () => undefined);
    const from = performance.now();
    const failed = await pool.reduce(jobs, set, () => undefined);
    rates.push((frames * 1000) / (performance.now() - from));
    await pool.stop();
    const reason = failed.find((one) => one !== undefined);
    if (reason !== undefined) throw new Error(reason);
  }
  rmSync(own, { recursive: true, force: true });
  return rates;
}
