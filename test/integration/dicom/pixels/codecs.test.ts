import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { FileBytes } from "../../../../src/dicom/file-bytes.ts";
import { decodeFrame, mustDiscardThread } from "../../../../src/dicom/pixels/codecs.ts";
import { walkFragments } from "../../../../src/dicom/pixels/fragments.ts";
import type { PixelLayout } from "../../../../src/dicom/pixels/layout.ts";
import { codecMemoryBytes } from "../../../../src/dicom/pixels/wasm-codecs.ts";
import { readSliceFile } from "../../../../src/dicom/slice-file.ts";
import { sharedData } from "../../../support/transfer-syntaxes.ts";

interface Coded {
  readonly transferSyntaxUid: string;
  readonly layout: PixelLayout;
  readonly bytes: Uint8Array;
}

async function codedFrame(name: string): Promise<Coded> {
  const path = join(sharedData, name);
  const { transferSyntaxUid, planes, pixelData } = await readSliceFile(path);
  const file = await FileBytes.open(path);
  try {
    const { fragments } = await walkFragments(file, pixelData!.offset, 1);
    const { offset, length } = fragments[0]!;
    return { transferSyntaxUid, layout: planes[0]!, bytes: await file.read(offset, length) };
  } finally {
    await file.close();
  }
}

const NAMES = {
  baseline:
    "ct-10-transfer-syntaxes/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm",
  extended:
    "ct-10-transfer-syntaxes/CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm",
  progressive:
    "ct-10-transfer-syntaxes/CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm",
  lossless:
    "ct-10-transfer-syntaxes/CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm",
  ls: "ct-10-transfer-syntaxes/CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
  nearLs:
    "ct-10-transfer-syntaxes/CTImage.dcm_JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm",
  j2k: "ct-10-transfer-syntaxes/CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
  rle: "ct-10-transfer-syntaxes/CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm",
  htj2k: "ct-11-htj2k-derived/htj2k_201.dcm",
} as const;

describe("codecs on real frames", function () {
  this.timeout(120_000);
  const frames = new Map<string, Coded>();
  before(async function () {
    if (!existsSync(sharedData)) {
      console.log(`      skipped: no test data at ${sharedData} (set KINDRED_TEST_DATA)`);
      this.skip();
    }
    for (const [name, path] of Object.entries(NAMES)) frames.set(name, await codedFrame(path));
  });

  const decode = ({ bytes, transferSyntaxUid, layout }: Coded) =>
    decodeFrame(bytes, transferSyntaxUid, layout);
  const failureOf = (coded: Coded) =>
    decode(coded).then(
      () => undefined,
      (error: unknown) => error as Error,
    );

  it("refuse every frame that is cut, whether its end marker is mended or not", async () => {
    for (const [name, coded] of frames) {
      const { bytes } = coded;
      for (const part of [0.2, 0.5, 0.9, 0.99]) {
        const cut = bytes.slice(0, Math.floor(bytes.length * part));
        expect(await failureOf({ ...coded, bytes: cut }), `${name} ${part}`).to.match(
          /DATASET_UNREADABLE|cannot be decoded/,
        );
        // A progressive frame whose last scans are left out is whole, only coarser.
        if (name === "progressive") continue;
        const mended = Buffer.concat([cut, Buffer.of(0xff, 0xd9)]);
        const failure = await failureOf({ ...coded, bytes: mended });
        expect(failure, `${name} ${part} mended`).to.match(/cannot be decoded/);
      }
    }
  });

  it("refuse a frame with bytes lost from its middle", async () => {
    for (const [name, coded] of frames) {
      if (name === "progressive") continue;
      const { bytes } = coded;
      const middle = Math.floor(bytes.length / 2);
      for (const lost of [2, 64, 1000]) {
        // Two bytes are less than a block of DCT coefficients: the code may go on as if nothing were missing.
        if (lost === 2 && (name === "baseline" || name === "extended")) continue;
        const rest = Buffer.concat([bytes.subarray(0, middle), bytes.subarray(middle + lost)]);
        expect(await failureOf({ ...coded, bytes: rest }), `${name} ${lost}`).to.match(
          /cannot be decoded/,
        );
      }
    }
  });

  it("refuse a code stream under the name of another", async () => {
    for (const [name, coded] of frames) {
      for (const other of ["50", "57", "80", "90", "91", "110", "201", "203"]) {
        const transferSyntaxUid = `1.2.840.10008.1.2.4.${other}`;
        const isOwn =
          coded.transferSyntaxUid === transferSyntaxUid ||
          // What is coded without loss may stand where loss is allowed; process 14 has two names.
          ["lossless 57", "j2k 91", "htj2k 203"].includes(`${name} ${other}`);
        if (isOwn) continue;
        const failure = await failureOf({ ...coded, transferSyntaxUid });
        expect(failure, `${name} as ${other}`).to.match(/cannot be decoded/);
        expect(mustDiscardThread(failure), `${name} as ${other}`).to.equal(false);
      }
    }
  });

  it("say that the thread must go when a codec failed, and decode rightly even if it stays", async () => {
    const ls = frames.get("ls")!;
    const good = await decode(ls);
    const damaged = Uint8Array.from(ls.bytes);
    damaged[Math.floor(damaged.length / 2)]! ^= 0x10;
    const failure = await failureOf({ ...ls, bytes: damaged });
    expect(failure).to.match(/its codec gave up/);
    expect(mustDiscardThread(failure)).to.equal(true);
    for (const name of ["ls", "j2k"])
      expect((await decode(frames.get(name)!)).every((value, i) => value === good[i])).to.equal(
        true,
      );
  });

  it("keep their memory over a thousand frames", async () => {
    // All codecs by turns; the slow one less often.
    const fast = [...frames].filter(
      ([name]) => name !== "j2k" && name !== "rle" && name !== "lossless",
    );
    for (const [, coded] of frames) await decode(coded);
    const before = codecMemoryBytes();
    for (let i = 0; i < 1000; i++) {
      const [, coded] = i % 50 === 0 ? ["j2k", frames.get("j2k")!] : fast[i % fast.length]!;
      await decode(coded);
    }
    expect(before).to.be.greaterThan(0);
    expect(codecMemoryBytes()).to.equal(before);
  });
});
