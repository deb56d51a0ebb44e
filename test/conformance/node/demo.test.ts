import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { cleanEnvironment, waitFor } from "../../support/node-under-test.ts";
import { stopped } from "../../support/stopped.ts";
import { requireTool } from "../../support/tools.ts";

const run = promisify(execFile);
const CLI = fileURLToPath(new URL("../../../src/cli.ts", import.meta.url));
const DATA =
  process.env.KINDRED_TEST_DATA ??
  fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const FOLDER = join(DATA, "ct-01-chest-siemens-two-recons");
const environment = { ...cleanEnvironment(), TCP_NODELAY: "1" };

describe("kindred demo FOLDER", function () {
  this.timeout(300_000);
  let output = "";
  let folder = "";
  const children: ChildProcess[] = [];

  before(async function () {
    for (const tool of ["storescu", "findscu", "storescp", "echoscu"]) requireTool(this, tool);
    if (!existsSync(FOLDER)) {
      console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
      this.skip();
    }
    const { stdout, stderr } = await run(process.execPath, [CLI, "demo", FOLDER], {
      env: environment,
    });
    output = stdout;
    folder = /Everything stays in (\S+)/.exec(stdout)![1]!;
    expect(stderr).to.equal("");
  });
  after(async () => {
    for (const child of children) await stopped(child);
  });

  it("tells the story, and says why no other patient looks alike", () => {
    expect(output)
      .to.include("60 instances stored")
      .and.include("2/2 series finished")
      .and.include("pushing 1 study");
    expect(output).to.include("there is no other patient to compare with");
    expect(output).to.match(/^1 +(0\.9\d\d|1\.000) +1\.3\.6\.1\.4\.1/m);
    expect(output).to.include("AI result, not verified. Not for diagnostic use.");
    expect(readdirSync(join(folder, "pacs"))).to.have.length(4);
    const png = readFileSync(join(folder, "look-alikes.png"));
    expect(png.subarray(1, 4).toString("latin1")).to.equal("PNG");
    expect(readFileSync(join(folder, "demo.log"), "utf8")).not.to.match(/Lung_Dx|error/);
  });

  it("ends with lines that work as they stand", async () => {
    const lines = output.split("\n").map((line) => line.trim());
    const line = (start: string) => lines.find((one) => one.startsWith(start))!;
    const restart = line("npm start -- ").replace("npm start -- ", "").split(" ");
    start(process.execPath, [CLI, "serve", ...restart]);
    start("sh", ["-c", `exec ${line("storescp ")}`]);
    const console_ = /http:\S+/.exec(line("the console"))![0];
    await waitFor(
      () => fetch(`${console_}readyz`),
      (answer) => answer.status === 200,
      60,
    );
    await run("sh", ["-c", line("echoscu ")], { env: environment });
    await run("sh", ["-c", line("storescu ")], { env: environment });
    const { stdout, stderr } = await run("sh", ["-c", line("findscu ")], { env: environment });
    expect(stdout + stderr).not.to.match(/^[EF]:/m);
    const page = await (await fetch(console_)).text();
    expect(page).to.include("Not for diagnostic use");
  });

  function start(command: string, args: readonly string[]): void {
    children.push(spawn(command, args, { env: environment, stdio: "ignore" }));
  }
});
