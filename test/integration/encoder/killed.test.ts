/** The system ends a process that takes too much memory: work is made smaller, then refused, never tried for ever. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Encoder } from "../../../src/encoder/encoder.ts";
import { codeOf, messageOf } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { stagedManifest, writeBundle } from "../../support/graph-bundle.ts";

describe("a model process that the system ends", () => {
  let folder: string;
  let encoder: Encoder;

  before(async function () {
    if (!existsSync("/proc/self/wchan")) this.skip();
    folder = await mkdtemp(join(tmpdir(), "kindred-killed-"));
    writeBundle(folder, stagedManifest("staged"));
    const config = configSchema.parse({ encoder: { models: ["staged"] } }).encoder;
    const bundles = await discoverBundles([folder], ["staged"]);
    encoder = createEncoder({ config, bundles, log: silentLogger(), metrics: createMetrics() });
    await encoder.start();
  });
  after(async () => {
    await encoder?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("twice is told as a lack of memory, with what to do; the next request is served", async () => {
    // A pipe that nobody writes to holds the process at its input for as long as the test wants.
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const answer = encoder.embedFile("staged", "plain", pipe).catch((error: unknown) => error);
    for (let i = 0; i < 2; i++) {
      const pid = await untilReading();
      process.kill(pid, "SIGKILL");
      await gone(pid);
    }
    const refused = await answer;
    expect(codeOf(refused)).to.equal("MODEL_OUT_OF_MEMORY");
    expect(messageOf(refused)).to.match(/64 MiB.*give the machine more/);
    const path = join(folder, "plain.f32");
    const tensor = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i));
    await writeFile(path, new Uint8Array(tensor.buffer));
    expect((await encoder.embedFile("staged", "plain", path)).provider).to.equal("cpu");
  });
});

/** The child of ours that waits at the pipe. */
async function untilReading(): Promise<number> {
  for (;;) {
    for (const name of (await readdir("/proc")).filter((one) => /^\d+$/.test(one))) {
      const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
      if (!status.includes(`PPid:\t${process.pid}\n`)) continue;
      const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
      if (!command.includes("encoder-process")) continue;
      if (await isOpening(name)) return Number(name);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A thread of it sleeps in the opening of a pipe. */
async function isOpening(pid: string): Promise<boolean> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  for (const task of tasks) {
    const wchan = await readFile(`/proc/${pid}/task/${task}/wchan`, "utf8").catch(() => "");
    if (/fifo|wait_for_partner/.test(wchan)) return true;
  }
  return false;
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
