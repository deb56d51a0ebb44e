import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type ArchiveFs, createArchiveFs } from "../../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../../src/archive/disk-pace.ts";
import {
  createInstanceFolders,
  FOLDER_FILES_MAX,
  type InstanceFolders,
  pathOfKey,
  readMark,
} from "../../../src/archive/instance-folders.ts";
import type { WriterTerm } from "../../../src/archive/writer.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const AHEAD_MAX = 16;

describe("the folders of instances", () => {
  let dataDir: string;
  let root: string;
  let open: string;
  let term: WriterTerm;

  beforeEach(() => {
    term = { writer: "receiver-a.1", epoch: 5, archiveEpoch: 3, tenure: 1 };
    dataDir = temporaryFolder();
    root = join(dataDir, "instances");
    open = join(dataDir, "open");
    for (const folder of [root, open]) mkdirSync(folder);
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  const folders = (changes: { fs?: ArchiveFs; aheadMax?: number } = {}): InstanceFolders =>
    createInstanceFolders({
      writer: { term: async () => term, tenure: () => term.tenure },
      fs: createArchiveFs(createDiskPace()),
      root,
      open,
      sync: true,
      now: () => new Date("2026-01-02T03:04:05Z"),
      aheadMax: AHEAD_MAX,
      ...changes,
    });
  const files = () =>
    readdirSync(root, { recursive: true, encoding: "utf8" }).filter((one) => one.endsWith(".dcm"));

  /** Takes one and keeps it with content. */
  const keepOne = async (of: InstanceFolders): Promise<string> => {
    const { fileKey, handle } = await of.take();
    await handle.writev([Buffer.from("x")]);
    await handle.close();
    of.settle(fileKey);
    return fileKey;
  };

  it("gives every taker a file of its own, over several folders of bounded size", async () => {
    const of = folders();
    const count = FOLDER_FILES_MAX + 200;
    const keys: string[] = [];
    while (keys.length < count)
      keys.push(...(await Promise.all(Array.from({ length: 100 }, () => keepOne(of)))));
    expect(new Set(keys).size).to.equal(keys.length);
    const sizes = Map.groupBy(keys, (key) => key.slice(0, key.lastIndexOf("/")));
    expect([...sizes.values()].map((some) => some.length)).to.have.members([
      FOLDER_FILES_MAX,
      count - FOLDER_FILES_MAX,
    ]);
    await of.close();
    expect(files()).to.have.length(keys.length);
    expect(readdirSync(open)).to.deep.equal([]);
  });

  it("hands a file out only when a later sync of its folder has made its name durable", async () => {
    const fs = createArchiveFs(createDiskPace());
    const unsynced = new Set<string>();
    const of = folders({
      fs: {
        ...fs,
        async open(path, flags, mode) {
          const handle = await fs.open(path, flags, mode);
          if (path.endsWith(".dcm")) unsynced.add(path);
          return {
            ...handle,
            async sync() {
              const covered = [...unsynced];
              await handle.sync();
              for (const one of covered) unsynced.delete(one);
            },
          };
        },
      },
    });
    for (let n = 0; n < 60; n++) {
      const { fileKey, handle } = await of.take();
      expect(unsynced.has(pathOfKey(root, fileKey)), fileKey).to.equal(false);
      await handle.close();
    }
    await of.close();
  });

  it("makes no file ahead of a lone instance, and a bounded number ahead of a stream", async () => {
    const of = folders();
    await keepOne(of);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(files()).to.have.length.at.most(2);
    for (let n = 1; n < 50; n++) await keepOne(of);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(files().length).to.be.within(50, 50 + 2 * AHEAD_MAX);
    await of.close();
    expect(files()).to.have.length(50);
  });

  it("leaves neither file nor folder nor mark behind when nothing was kept", async () => {
    const of = folders();
    for (let n = 0; n < 5; n++) {
      const { fileKey, handle } = await of.take();
      await handle.close();
      rmSync(pathOfKey(root, fileKey));
      of.settle(fileKey);
    }
    await of.close();
    expect(readdirSync(join(root, "20260102"))).to.deep.equal([]);
    expect(readdirSync(open)).to.deep.equal([]);
  });

  it("tells the one who waits that no file can be made, and serves the next when one can", async () => {
    rmSync(open, { recursive: true });
    writeFileSync(open, "in the way");
    const of = folders();
    const code = await of.take().then(
      () => "taken",
      (error: { code?: string }) => error.code,
    );
    expect(code).to.equal("STORAGE_FULL");
    rmSync(open);
    mkdirSync(open);
    expect(await keepOne(of)).to.match(/^20260102\//);
    await of.close();
  });

  it("says in each mark who writes there, and in which epoch of the archive", async () => {
    const of = folders();
    await of.take();
    const [mark = ""] = readdirSync(open);
    expect(mark).to.match(/^20260102\+030405-[0-9a-f]{8}@3@receiver-a\.1$/);
    expect(readMark(mark)).to.deep.include({ archiveEpoch: 3, writer: "receiver-a.1" });
    expect(readMark("20260102+030405-0123abcd")).to.deep.equal({
      folder: "20260102/030405-0123abcd",
      archiveEpoch: 0,
      writer: undefined,
    });
    for (const wrong of ["20260102+030405-0123abcd@3", "x", "20260102+030405-0123abcd@3@a/b"])
      expect(readMark(wrong), wrong).to.equal(undefined);
    await of.close();
  });

  it("leaves all folders of an earlier tenure when it was fenced", async () => {
    const of = folders();
    for (let n = 0; n < 6; n++) await keepOne(of);
    const held = await of.take();
    await new Promise((resolve) => setTimeout(resolve, 50));
    term = { ...term, epoch: 6, archiveEpoch: 4, tenure: 2 };
    await of.retire();
    expect(readdirSync(open), "held is not decided").to.have.length(1);
    expect(files(), "nothing waits there any more").to.have.length(7);
    const next = await of.take();
    expect(held.tenure).to.equal(1);
    expect(next.tenure).to.equal(2);
    expect(next.fileKey.slice(0, -4)).to.not.equal(held.fileKey.slice(0, -4));
    await held.handle.close();
    of.settle(held.fileKey);
    const marks = () => readdirSync(open).map((mark) => readMark(mark)?.archiveEpoch);
    while (marks().length > 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(marks()).to.deep.equal([4]);
    await of.close();
  });

  it("goes on in another folder when its folder was found empty and removed by another node", async () => {
    const of = folders({ aheadMax: 0 });
    const { fileKey, handle } = await of.take();
    await handle.close();
    rmSync(join(root, fileKey.slice(0, -4)), { recursive: true });
    const code = await of.take().then(
      () => "taken",
      (error: { code?: string }) => error.code,
    );
    expect(code).to.equal("STORAGE_FULL");
    expect((await of.take()).fileKey.slice(0, -4)).to.not.equal(fileKey.slice(0, -4));
    of.settle(fileKey);
    await of.close();
  });
});
