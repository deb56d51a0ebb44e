import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { openFrames } from "../../../../src/dicom/pixels/frame-source.ts";
import { readSliceFile } from "../../../../src/dicom/slice-file.ts";
import { sharedData } from "../../../support/transfer-syntaxes.ts";

type Frames = readonly (Int16Array | Uint16Array)[];

async function framesOf(name: string): Promise<Frames> {
  const path = join(sharedData, name);
  const source = await openFrames(path, await readSliceFile(path));
  try {
    const frames: (Int16Array | Uint16Array)[] = [];
    for (let i = 0; i < source.frameCount; i++) frames.push(await source.frame(i));
    return frames;
  } finally {
    await source.close();
  }
}

const refusalOf = (name: string) =>
  framesOf(name).then(
    () => "it was read",
    (error: Error) => error.message,
  );

/** Largest and mean difference of two frames. */
function differences(one: ArrayLike<number>, other: ArrayLike<number>) {
  expect(one.length).to.equal(other.length);
  let [largest, sum] = [0, 0];
  for (let i = 0; i < one.length; i++) {
    const difference = Math.abs(one[i]! - other[i]!);
    largest = Math.max(largest, difference);
    sum += difference;
  }
  return { largest, mean: sum / one.length };
}

const SYNTAXES = "ct-10-transfer-syntaxes";
describe("real frames in their transfer syntaxes", () => {
  before(function () {
    if (existsSync(sharedData)) return;
    console.log(`      skipped: no test data at ${sharedData} (set KINDRED_TEST_DATA)`);
    this.skip();
  });

  it("are equal in every lossless syntax", async () => {
    const names = readdirSync(join(sharedData, SYNTAXES)).filter((name) =>
      /(?:CTImage|\.1\.2|1\.2\.[12]|\.99|\.5|\.57|\.70|\.80|\.90)\.dcm$/.test(name),
    );
    expect(names.length).to.equal(10);
    const [original] = await framesOf(`${SYNTAXES}/CTImage.dcm`);
    for (const name of names) {
      const [frame] = await framesOf(`${SYNTAXES}/${name}`);
      expect(differences(frame!, original!).largest, name).to.equal(0);
      expect(frame!.constructor, name).to.equal(original!.constructor);
    }
  });

  const LOSSY: readonly [string, number, number, number?][] = [
    // Largest and mean difference to the original in HU, and Rescale Slope; its encoder scaled what it coded by DCT.
    ["JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81", 2, 1.5],
    ["JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91", 20, 2.5],
    ["JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50", 65, 20, 32.1216],
    ["JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51", 36, 4, 2.0002442],
    ["JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53", 36, 4, 2.0002442],
    ["JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55", 36, 4, 2.0002442],
  ];
  for (const [name, largestMax, meanMax, slope] of LOSSY) {
    it(`are near the original in ${name}`, async () => {
      const [original] = await framesOf(`${SYNTAXES}/CTImage.dcm`);
      const [frame] = await framesOf(`${SYNTAXES}/CTImage.dcm_${name}.dcm`);
      const intercept = slope === undefined ? -1024 : -4047;
      const hounsfield = Float64Array.from(frame!, (value) => value * (slope ?? 1) + intercept);
      const expected = Float64Array.from(original!, (value) => value - 1024);
      const { largest, mean } = differences(hounsfield, expected);
      expect(largest, `mean ${mean}`).to.be.within(1, largestMax);
      expect(mean).to.be.below(meanMax);
    });
  }

  it("are equal in both lossless kinds of HTJ2K, and near in the lossy one", async () => {
    const folder = "ct-01-chest-siemens-two-recons/series-b40f";
    const [frame] = await framesOf("ct-11-htj2k-derived/htj2k_201.dcm");
    let isFound = false;
    for (const name of readdirSync(join(sharedData, folder))) {
      const [original] = await framesOf(`${folder}/${name}`);
      if (differences(frame!, original!).largest === 0) isFound = true;
    }
    expect(isFound, "no slice of ct-01 is equal").to.equal(true);
    const [rpcl] = await framesOf("ct-11-htj2k-derived/htj2k_202.dcm");
    expect(differences(rpcl!, frame!).largest).to.equal(0);
    const [lossy] = await framesOf("ct-11-htj2k-derived/htj2k_203.dcm");
    const { largest, mean } = differences(lossy!, frame!);
    expect(largest).to.be.within(1, 300);
    expect(mean).to.be.below(12);
  });

  it("are found in a fragmented multi-frame file without offset table", async () => {
    const compressed = await framesOf(
      "ct-12-enhanced-multiframe/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
    );
    expect(compressed.length).to.equal(2);
    expect(differences(compressed[0]!, compressed[1]!).mean).to.be.greaterThan(5);
  });

  it("of a multi-frame file are those of the single files it was made of", async () => {
    const folder = "ct-12-enhanced-multiframe/legacy-converted";
    const frames = await framesOf(`${folder}/mf.dcm`);
    const sources = await Promise.all(
      [1, 2, 3].map((number) => framesOf(`${folder}/source/IMG000${number}.dcm`)),
    );
    expect(frames.length).to.equal(3);
    frames.forEach((frame, i) => {
      expect(differences(frame, sources[i]![0]!).largest).to.equal(0);
    });
  });

  it("are signed where only the data set says so", async () => {
    const [frame] = await framesOf("ct-13-odd-single-files/J2K_pixelrep_mismatch.dcm");
    // As pydicom and gdcmconv have them: air outside the circle of reconstruction is -2000.
    expect([...frame!.slice(0, 3)]).to.deep.equal([-2000, -2000, -2000]);
    expect([...frame!.slice(250 * 512 + 250, 250 * 512 + 255)]).to.deep.equal([11, 12, 12, 13, 13]);
    const [least, most] = [...frame!].reduce(
      ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [0, 0],
    );
    expect([least, most]).to.deep.equal([-2000, 1896]);
  });

  it("are read behind broken and unknown elements", async () => {
    for (const name of ["bad_sequence", "explicit_VR-UN", "CT_small", "GH355"]) {
      const [frame] = await framesOf(`ct-13-odd-single-files/${name}.dcm`);
      expect(new Set(frame).size, name).to.be.greaterThan(100);
    }
  });

  const REFUSED: readonly [string, RegExp][] = [
    ["ct-13-odd-single-files/FreezePattern.dcm", /3 samples a pixel/],
    ["nonct-01/SC_rgb_jpeg.dcm", /3 samples a pixel/],
    ["nonct-01/rtdose.dcm", /Bits Allocated 32/],
    ["nonct-01/seg/liver.dcm", /Bits Allocated 1,/],
    ["nonct-01/rtplan.dcm", /no Pixel Data/],
    ["nonct-01/waveform_ecg.dcm", /no Pixel Data/],
    ["malformed-01/MR_truncated.dcm", /cut off/],
  ];
  for (const [name, reason] of REFUSED) {
    it(`are refused in ${name}`, async () => {
      expect(await refusalOf(name)).to.match(reason);
    });
  }
});
