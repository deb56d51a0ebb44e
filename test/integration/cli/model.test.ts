/** `kindred model` with a real Python and an exporter that needs no packages. */
import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { findPython } from "../../../src/cli/model/python.ts";
import { kindred } from "../../support/kindred-command.ts";
import { cleanEnvironment, temporaryFolder } from "../../support/node-under-test.ts";

const FINGERPRINT = fileURLToPath(new URL("../../../models/layout-fingerprint/", import.meta.url));
const EXPORTER = fileURLToPath(new URL("../../fixtures/tiny-exporter/", import.meta.url));
const CLI = fileURLToPath(new URL("../../../src/cli.ts", import.meta.url));
const ID = "tiny";

type Fault = "none" | "slow" | "exit" | "golden" | "name" | "digest";

interface Site {
  readonly models: string;
  readonly installed: string;
  readonly partial: string;
  readonly options: readonly string[];
  setFault(fault: Fault): void;
  install(...more: string[]): ReturnType<typeof kindred>;
}

/** A data folder and a folder of models with the exporter in it. */
function site(fault: Fault, change: (manifest: Record<string, unknown>) => void = () => undefined) {
  const root = temporaryFolder();
  const exporter = join(root, "own", ID);
  mkdirSync(exporter, { recursive: true });
  cpSync(EXPORTER, exporter, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(FINGERPRINT, "model.json"), "utf8"));
  manifest.id = ID;
  change(manifest);
  writeFileSync(join(exporter, "manifest.json"), JSON.stringify(manifest));
  writeFileSync(join(exporter, "requirements.txt"), "");
  const models = join(root, "data", "models");
  const options = ["--set", `dataDir=${root}/data`, "--set", `encoder.modelsDir=${root}/own`];
  const one: Site = {
    models,
    installed: join(models, ID),
    partial: join(models, `${ID}.part`),
    options,
    setFault(next) {
      const settings = { fault: next, graph: join(FINGERPRINT, "model.onnx") };
      writeFileSync(join(exporter, "settings.json"), JSON.stringify(settings));
    },
    install: (...more) => kindred("model", "install", ID, ...options, ...more),
  };
  one.setFault(fault);
  return { ...one, exporter };
}

const stepsOf = (stdout: string) =>
  stdout
    .split("\n")
    .filter((line) => line.includes('"step"'))
    .map((line) => JSON.parse(line) as { step: string; done: number; total: number });

describe("kindred model", function () {
  this.timeout(180_000);
  before(async function () {
    // Its own words say what to install.
    await findPython(undefined).catch((error: Error) => {
      if (process.env.KINDRED_REQUIRE_TOOLS === "1") throw error;
      console.log(`    skipped: ${error.message}`);
      this.skip();
    });
  });

  it("shows nothing of the node's settings to an exporter", async () => {
    process.env.PGPASSWORD = "a secret";
    try {
      const { code, stderr } = await site("none").install();
      expect(code, stderr).to.equal(0);
    } finally {
      delete process.env.PGPASSWORD;
    }
  });

  it("installs a bundle that proves itself, tells how far it is, and leaves nothing else", async () => {
    const at = site("none");
    const before = JSON.parse((await kindred("model", "list", "--json", ...at.options)).stdout);
    expect(before.find((one: { id: string }) => one.id === ID).state).to.equal("absent");
    const ended = await at.install("--json");
    expect(ended.code, ended.stderr).to.equal(0);
    const steps = stepsOf(ended.stdout);
    expect(steps.map((one) => one.step)).to.include.members(["made the graph", "wrote the bundle"]);
    expect(steps.map((one) => one.done)).to.deep.equal(
      steps.map((one) => one.done).toSorted((a, b) => a - b),
    );
    expect(steps.at(-1)!.done).to.equal(steps.at(-1)!.total);
    expect(existsSync(at.partial)).to.equal(false);
    expect(existsSync(join(at.models, ".python", ID))).to.equal(false);
    const after = JSON.parse((await kindred("model", "list", "--json", ...at.options)).stdout);
    const listed = after.find((one: { id: string }) => one.id === ID);
    expect(listed).to.include({ state: "unused", folder: at.installed });
    const verified = await kindred("model", "verify", ID, ...at.options);
    expect(verified.code, verified.stderr).to.equal(0);
    expect(verified.stdout).to.include("proves itself on cpu");
    const again = await at.install();
    expect(again.code).to.equal(0);
    expect(again.stdout).to.include("was installed before");
  });

  it("finds a file that was changed after it was installed", async () => {
    const at = site("none");
    expect((await at.install()).code).to.equal(0);
    const graph = join(at.installed, "model.onnx");
    const bytes = readFileSync(graph);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(graph, bytes);
    const verified = await kindred("model", "verify", ID, ...at.options);
    expect(verified.code).to.equal(65);
    expect(verified.stderr).to.include("model.onnx has another SHA-256");
  });

  it("goes on after it was killed", async () => {
    const at = site("slow");
    const child = spawn(process.execPath, [CLI, "model", "install", ID, "--json", ...at.options], {
      env: cleanEnvironment(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = new Promise((resolve) => child.once("close", resolve));
    for await (const line of createInterface({ input: child.stdout }))
      if (line.includes("made the graph")) break;
    child.kill("SIGKILL");
    await closed;
    expect(existsSync(join(at.partial, "model.onnx"))).to.equal(true);
    expect(existsSync(at.installed)).to.equal(false);
    at.setFault("none");
    const ended = await at.install("--json");
    expect(ended.code, ended.stderr).to.equal(0);
    expect(stepsOf(ended.stdout).map((one) => one.step)).to.include("found the graph");
    expect(existsSync(join(at.installed, "model.json"))).to.equal(true);
  });

  it("does not run twice at a time", async () => {
    const at = site("slow");
    const first = spawn(process.execPath, [CLI, "model", "install", ID, "--json", ...at.options], {
      env: cleanEnvironment(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = new Promise((resolve) => first.once("close", resolve));
    for await (const line of createInterface({ input: first.stdout }))
      if (line.includes("made the graph")) break;
    const second = await at.install();
    first.kill("SIGKILL");
    await closed;
    expect(second.code).to.equal(69);
    expect(second.stderr).to.include("Another command installs tiny now");
  });

  const wrong: readonly [Fault, number, string][] = [
    ["digest", 65, "model.onnx has"],
    ["golden", 65, "does not prove itself"],
    ["name", 65, "calls itself other"],
    ["exit", 65, "the weights are of another network: get the right ones"],
  ];
  for (const [fault, code, message] of wrong) {
    it(`takes nothing from an exporter with the fault "${fault}", and the next try is free`, async () => {
      const at = site(fault);
      const ended = await at.install();
      expect(ended.code, ended.stderr).to.equal(code);
      expect(ended.stderr).to.include(message);
      expect(existsSync(at.installed)).to.equal(false);
      at.setFault("none");
      expect((await at.install()).code).to.equal(0);
    });
  }

  it("wants the licence accepted before it makes anything", async () => {
    const at = site("none", (manifest) => {
      (manifest.licence as Record<string, unknown>).acceptanceRequired = true;
    });
    const refused = await at.install();
    expect(refused.code).to.equal(77);
    expect(refused.stderr).to.include("--accept-licence");
    expect(existsSync(at.models)).to.equal(false);
    const accepted = await at.install("--accept-licence");
    expect(accepted.code, accepted.stderr).to.equal(0);
    expect(accepted.stdout).to.include('"acceptedLicences": ["tiny"]');
  });

  it("says what is missing: Python, an old Python, a package, disk, an exporter", async () => {
    const at = site("none");
    const none = await at.install("--python", "/nonexistent/python");
    expect([none.code, none.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 69 && text.includes("Python 3.11 or newer"),
    );
    const old = join(at.exporter, "old-python");
    writeFileSync(old, "#!/bin/sh\necho 3.8\n");
    chmodSync(old, 0o755);
    const tooOld = await at.install("--python", old);
    expect(tooOld.code).to.equal(69);
    expect(tooOld.stderr).to.include("is 3.8");
    writeFileSync(join(at.exporter, "requirements.txt"), "--no-index\nno-such-package==1.0\n");
    const noPackage = await at.install();
    expect(noPackage.code).to.equal(69);
    expect(noPackage.stderr).to.include("No matching distribution found for no-such-package==1.0");
    const huge = site("none", (manifest) => {
      const files = manifest.files as { bytes: number }[];
      // Sixty-four of the largest files that a bundle may have.
      manifest.files = Array.from({ length: 64 }, () => ({ ...files[0]!, bytes: 68_719_476_736 }));
    });
    const full = await huge.install();
    expect(full.code).to.equal(69);
    expect(full.stderr).to.include("GB free");
    const unknown = await kindred("model", "install", "nobodys", ...at.options);
    expect(unknown.code).to.equal(65);
    expect(unknown.stderr).to.include("There is no exporter of a model nobodys");
  });

  it("refuses ids that are paths", async () => {
    for (const id of ["../tiny", "/tiny", "Tiny", ""])
      expect((await kindred("model", "install", id)).code, id).to.equal(64);
  });
});
