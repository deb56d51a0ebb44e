import { createHash } from "node:crypto";
import { mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openVerifiedFiles } from "../../../src/encoder/verified-files.ts";

const later = () => Date.now() + 60_000;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("digests of bundle files", () => {
  let folder: string;
  let path: string;
  let store: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-verified-"));
    path = join(folder, "model.onnx");
    store = join(folder, "verified-models.json");
    await writeFile(path, "weights");
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const once = async (now = later): Promise<string> => {
    const files = await openVerifiedFiles(folder, now);
    const digest = await files.sha256Of(path);
    await files.save();
    return digest;
  };
  /** Another digest in the place of the remembered one: whoever answers it did not read the file. */
  const falsify = async () => {
    const text = await readFile(store, "utf8");
    await writeFile(store, text.replace(/[0-9a-f]{64}/, "0".repeat(64)));
  };

  it("are computed once, and remembered while the file is untouched", async () => {
    expect(await once()).to.equal(sha256("weights"));
    await falsify();
    expect(await once()).to.equal("0".repeat(64));
  });

  it("are computed again when a byte changes, though size and modification time are the same", async () => {
    await once();
    const { atime, mtime } = await stat(path);
    await writeFile(path, "weighty");
    await utimes(path, atime, mtime);
    expect(await once()).to.equal(sha256("weighty"));
  });

  it("are computed again when another file takes the name", async () => {
    await once();
    await writeFile(join(folder, "other"), "weighty");
    await rename(join(folder, "other"), path);
    expect(await once()).to.equal(sha256("weighty"));
  });

  it("are not remembered of a file that changed a moment ago", async () => {
    await once(Date.now);
    expect(await stat(store).catch(() => null)).to.equal(null);
  });

  it("are computed when what was remembered is broken, and when nothing can be remembered", async () => {
    for (const text of ["{", "[]", '{"a":1}', "x".repeat(2_000_000)]) {
      await writeFile(store, text);
      expect(await once()).to.equal(sha256("weights"));
    }
    const nowhere = await openVerifiedFiles(join(folder, "absent"), later);
    expect(await nowhere.sha256Of(path)).to.equal(sha256("weights"));
    await nowhere.save();
    const forgetful = await openVerifiedFiles(null);
    expect(await forgetful.sha256Of(path)).to.equal(sha256("weights"));
  });
});
