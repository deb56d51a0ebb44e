import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { type FrameHeader, openFrames } from "../../../src/dicom/pixels/frame-source.ts";
import { readSliceFile } from "../../../src/dicom/slice-file.ts";
import { UID } from "../../../src/dicom/uids.ts";
import { encapsulated, pixelFile } from "../../support/pixel-files.ts";
import { requireTool } from "../../support/tools.ts";
import { sharedData } from "../../support/transfer-syntaxes.ts";

const PYTHON = new URL("../../../.cache/py/bin/python", import.meta.url).pathname;
const SCRIPT = new URL("stored_values.py", import.meta.url).pathname;

/** Scanners of four makers: unsigned 12 bits, signed 16 bits with padding values, tilt, a part of a chest. */
const SLICES = [
  "ct-01-chest-siemens-two-recons/series-b40f/1-15.dcm",
  "ct-02-abdomen-ge-revolution-feet-first/1-18.dcm",
  "ct-03-head-ge-tilt-variable-spacing/08.dcm",
  "ct-04-headphantom-philips-with-scout/series-volume",
  "ct-05-chest-ge-lidc-0001-part/-115.000000.dcm",
];

type Values = Int16Array | Uint16Array;

async function framesOf(path: string): Promise<{ header: FrameHeader; frames: Values[] }> {
  const header = await readSliceFile(path);
  const source = await openFrames(path, header);
  try {
    const frames: Values[] = [];
    for (let i = 0; i < source.frameCount; i++) frames.push(await source.frame(i));
    return { header, frames };
  } finally {
    await source.close();
  }
}

function digestOf(frames: readonly Values[]): string {
  const hash = createHash("sha256");
  for (const frame of frames) hash.update(new Uint8Array(Int32Array.from(frame).buffer));
  return hash.digest("hex");
}

function largestDifference(one: Values, other: Values): number {
  let largest = 0;
  for (let i = 0; i < one.length; i++) largest = Math.max(largest, Math.abs(one[i]! - other[i]!));
  return one.length === other.length ? largest : Number.POSITIVE_INFINITY;
}

/** Tool and options; transfer syntax that comes out. */
const LOSSLESS: readonly [string, readonly string[], string][] = [
  ["dcmconv", ["+ti"], ""],
  ["dcmconv", ["+tb"], ".2"],
  ["dcmconv", ["+td"], ".1.99"],
  ["dcmcrle", [], ".5"],
  ["dcmcrle", ["+fs", "16", "-ot"], ".5"],
  ["dcmcjpeg", ["+e1"], ".4.70"],
  ["dcmcjpeg", ["+e1", "+fs", "8", "-ot"], ".4.70"],
  ...[1, 2, 3, 4, 5, 6, 7].map((predictor): [string, string[], string] => [
    "dcmcjpeg",
    ["+el", "+sv", String(predictor)],
    ".4.57",
  ]),
  ["dcmcjpls", ["+el"], ".4.80"],
  ["dcmcjpls", ["+el", "+fs", "4"], ".4.80"],
  ["gdcmconv", ["--j2k"], ".4.90"],
  ["gdcmconv", ["--j2k", "--tile", "200,120"], ".4.90"],
  ["gdcmconv", ["--jpeg"], ".4.70"],
  ["gdcmconv", ["--jpegls"], ".4.80"],
  ["gdcmconv", ["--rle"], ".5"],
];

/** Tool and options; what decodes it; largest difference between the decoders. */
const LOSSY: readonly [string, readonly string[], string, readonly string[], number][] = [
  ["dcmcjpeg", ["+eb"], "dcmdjpeg", [], 0],
  ["dcmcjpeg", ["+ee"], "dcmdjpeg", [], 0],
  ["dcmcjpeg", ["+ee", "+q", "20", "+fs", "4", "-ot"], "dcmdjpeg", [], 0],
  ["dcmcjpeg", ["+es"], "dcmdjpeg", [], 0],
  ["dcmcjpeg", ["+ep"], "dcmdjpeg", [], 0],
  ["dcmcjpls", ["+en", "+md", "3"], "dcmdjpls", [], 0],
  ["gdcmconv", ["--j2k", "--lossy", "-r", "10"], "gdcmconv", ["--raw"], 0],
];

describe("pixels that other encoders made", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), "kindred-encoders-"));
  after(() => rmSync(folder, { recursive: true }));
  const originals: { path: string; frame: Values; header: FrameHeader }[] = [];
  let count = 0;
  const newPath = (ending = "dcm") => join(folder, `${count++}.${ending}`);

  before(async function () {
    if (!existsSync(sharedData)) {
      console.log(`      skipped: no test data at ${sharedData} (set KINDRED_TEST_DATA)`);
      this.skip();
    }
    for (const name of SLICES) {
      const path = name.endsWith(".dcm")
        ? join(sharedData, name)
        : firstFile(join(sharedData, name));
      const { frames, header } = await framesOf(path);
      originals.push({ path, frame: frames[0]!, header });
    }
  });

  function encode(tool: string, options: readonly string[], from: string): string {
    const to = newPath();
    const { status, stderr } = spawnSync(tool, [...options, from, to], { encoding: "utf8" });
    expect(status, `${tool} ${options.join(" ")}: ${stderr}`).to.equal(0);
    return to;
  }

  it("are in the originals what pydicom reads", function () {
    if (!existsSync(PYTHON)) {
      console.log("      SKIPPED: no Python packages in .cache/py (CONTRIBUTING.md)");
      this.skip();
    }
    const lines = execFileSync(PYTHON, [SCRIPT, ...originals.map(({ path }) => path)], {
      encoding: "utf8",
    });
    const digests = lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { digest: string });
    expect(digests.map(({ digest }) => digest)).to.deep.equal(
      originals.map(({ frame }) => digestOf([frame])),
    );
  });

  for (const [tool, options, ending] of LOSSLESS) {
    it(`are equal to the original after ${tool} ${options.join(" ")}`, async function () {
      requireTool(this, tool);
      for (const { path, frame } of originals) {
        const { frames, header } = await framesOf(encode(tool, options, path));
        expect(header.transferSyntaxUid).to.equal(`1.2.840.10008.1.2${ending}`);
        expect(largestDifference(frames[0]!, frame), path).to.equal(0);
        expect(frames[0]!.constructor, path).to.equal(frame.constructor);
      }
    });
  }

  for (const [tool, options, decoder, decoderOptions, differenceMax] of LOSSY) {
    it(`are what ${decoder} decodes after ${tool} ${options.join(" ")}`, async function () {
      requireTool(this, tool);
      requireTool(this, decoder);
      for (const { path, header } of originals) {
        // dcmcjpls refuses to code signed pixels with loss; gdcmconv finds no way to mark the unsigned files as derived.
        if (tool !== "dcmcjpeg" && header.planes[0]!.isSigned !== (tool === "gdcmconv")) continue;
        const encoded = encode(tool, options, path);
        const decoded = await framesOf(encode(decoder, decoderOptions, encoded));
        const { frames } = await framesOf(encoded);
        expect(largestDifference(frames[0]!, decoded.frames[0]!), path).to.be.at.most(
          differenceMax,
        );
      }
    });
  }

  it("are equal in multi-frame files, fragmented and without offset table", async function () {
    for (const tool of ["dcmcrle", "dcmcjpeg", "dcmcjpls"]) requireTool(this, tool);
    const [{ header, frame }] = originals as [(typeof originals)[0]];
    const layout = header.planes[0]!;
    const reversed = frame.slice().reverse();
    const shifted = frame.map((value) => (value + 700) & 0xfff);
    const all = [frame, reversed, shifted];
    const path = newPath();
    const value = Buffer.concat(all.map((one) => new Uint8Array(Uint16Array.from(one).buffer)));
    writeFileSync(
      path,
      pixelFile({ layout, transferSyntaxUid: UID.explicitVrLittleEndian, frameCount: 3, value }),
    );
    for (const [tool, options] of [
      ["dcmcrle", []],
      ["dcmcrle", ["-ot"]],
      ["dcmcrle", ["+fs", "32", "-ot"]],
      ["dcmcjpeg", ["+e1", "+fs", "16"]],
      ["dcmcjpeg", ["+e1", "+fs", "16", "-ot"]],
      ["dcmcjpls", ["+fs", "16", "-ot"]],
      ["dcmconv", ["+tb"]],
      ["dcmconv", ["+td"]],
    ] as const) {
      const { frames } = await framesOf(encode(tool, options, path));
      frames.forEach((one, i) => {
        expect(largestDifference(one, all[i]!), `${tool} ${options.join(" ")} ${i}`).to.equal(0);
      });
    }
  });

  const TILED: readonly (readonly string[])[] = [
    [],
    ["-t", "128,200"],
    ["-t", "256,256", "-TP", "R", "-p", "RPCL"],
    ["-r", "20,5,1", "-SOP", "-EPH", "-p", "RLCP"],
    ["-c", "[128,128],[64,64]", "-n", "3", "-b", "32,32"],
    ["-M", "63"],
  ];
  for (const options of TILED) {
    it(`are equal after opj_compress ${options.join(" ")}`, async function () {
      requireTool(this, "opj_compress");
      for (const { frame, header } of originals) {
        const layout = header.planes[0]!;
        const raw = newPath("raw");
        writeFileSync(raw, new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength));
        const shape = `${layout.columns},${layout.rows},1,16,${layout.isSigned ? "s" : "u"}`;
        const coded = newPath("j2k");
        // Raw files are big endian to opj_compress, unless it is told.
        const args = ["-F", shape, "-i", raw.replace(/raw$/, "rawl"), "-o", coded, ...options];
        writeFileSync(raw.replace(/raw$/, "rawl"), readFileSync(raw));
        const { status, stdout } = spawnSync("opj_compress", args, { encoding: "utf8" });
        expect(status, stdout).to.equal(0);
        const { frames } = await framesOf(
          dicomOf(newPath(), layout, "1.2.840.10008.1.2.4.90", readFileSync(coded)),
        );
        expect(largestDifference(frames[0]!, frame)).to.equal(0);
      }
    });
  }

  it("are equal after cjxl, at every depth of unsigned pixels", async function () {
    requireTool(this, "cjxl");
    const [{ frame, header }] = originals as [(typeof originals)[0]];
    for (const bits of [8, 10, 12, 15, 16]) {
      const shift = Math.max(0, 12 - bits);
      const top = 2 ** bits - 1;
      const values = Uint16Array.from(frame, (value) => Math.min(top, value >>> shift));
      values[0] = top;
      const picture = newPath("pgm");
      // cjxl takes the samples of any picture as parts of its full range, and the depth from this option.
      const full = Uint16Array.from(values, (value) => Math.round((value * 65_535) / top));
      const body = Buffer.from(full.buffer).swap16();
      writeFileSync(picture, Buffer.concat([Buffer.from("P5\n512 512\n65535\n"), body]));
      const coded = newPath("jxl");
      const { status, stderr } = spawnSync(
        "cjxl",
        [picture, coded, "-d", "0", "-e", "3", `--override_bitdepth=${bits}`],
        { encoding: "utf8" },
      );
      expect(status, stderr).to.equal(0);
      const layout = {
        ...header.planes[0]!,
        isSigned: false,
        bitsAllocated: bits <= 8 ? 8 : 16,
        bitsStored: bits,
        highBit: bits - 1,
      };
      const { frames } = await framesOf(
        dicomOf(newPath(), layout, "1.2.840.10008.1.2.4.110", readFileSync(coded)),
      );
      expect(largestDifference(frames[0]!, values), `${bits} bits`).to.equal(0);
    }
  });

  function dicomOf(
    path: string,
    layout: FrameHeader["planes"][number],
    transferSyntaxUid: string,
    frame: Uint8Array,
  ): string {
    const value = encapsulated([frame], { fragmentBytes: 10_000 });
    writeFileSync(path, pixelFile({ layout, transferSyntaxUid, value, isEncapsulated: true }));
    return path;
  }

  /** The first file of a folder that is no compressed one. */
  function firstFile(of: string): string {
    const names = execFileSync("ls", [of], { encoding: "utf8" }).trim().split("\n");
    const native = names
      .filter((name) => name.endsWith(".dcm"))
      .map((name) => join(of, name))
      .find((path) => !decodeFileMeta(readFileSync(path)).transferSyntaxUid.includes(".4."));
    if (native === undefined) throw new Error(`no native file in ${of}`);
    return native;
  }
});
