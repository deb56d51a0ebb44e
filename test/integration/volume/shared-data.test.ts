import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { decodeNativePixels } from "../../../src/dicom/pixel-data.ts";
import { readSlicePlane } from "../../../src/dicom/slice-plane.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { collidingSlices, splitSeries } from "../../../src/series/split-series.ts";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { type ExaminedSlices, examineSlices } from "../../../src/volume/geometry.ts";
import { addCounts, countStored, judgeHistogram, noCounts } from "../../../src/volume/histogram.ts";
import { toHounsfield } from "../../../src/volume/intensity.ts";
import type { SlicePlane, StackGeometry } from "../../../src/volume/types.ts";
import { plainVolume } from "../../support/plain-volume.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";

interface Slice {
  readonly plane: SlicePlane;
  readonly pixels: Uint8Array | undefined;
}

async function readSeries(folder: string): Promise<Slice[]> {
  const names = readdirSync(`${SHARED_DATA}/${folder}`).filter((name) => name.endsWith(".dcm"));
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(`${SHARED_DATA}/${folder}/${name}`);
      const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
      const dataSet = decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid });
      return {
        plane: readSlicePlane(dataSet, transferSyntaxUid),
        pixels: dataSet.get(TAG.PixelData)?.value,
      };
    }),
  );
}

interface Volume extends ExaminedSlices {
  /** Those of the volume. */
  readonly slices: readonly Slice[];
}

/** The series as it is split and judged; one of slicesMin 4. */
function volumesOf(slices: readonly Slice[]): Volume[] {
  const planes = slices.map(({ plane }) => plane);
  const digests = new Map(
    collidingSlices(planes).map((index) => [
      index,
      createHash("sha256")
        .update(slices[index]!.pixels ?? "")
        .digest("hex"),
    ]),
  );
  const digestOf = (index: number) => digests.get(index);
  return splitSeries(planes, { digestOf, slicesMin: 4 }).candidates.map(({ indices, findings }) => {
    const used = indices.map((index) => slices[index]!);
    const examined = examineSlices(
      used.map(({ plane }) => plane),
      { slicesMin: 4, findings },
    );
    return { ...examined, slices: used };
  });
}

function hounsfield({ plane, pixels }: Slice): Float32Array {
  const hu = new Float32Array(plane.rows * plane.columns);
  toHounsfield(decodeNativePixels(pixels ?? new Uint8Array(0), plane), plane, hu, 0);
  return hu;
}

const VOLUMES: readonly [string, readonly [number, number, number], number][] = [
  ["ct-01-chest-siemens-two-recons/series-b40f", [30, 512, 512], 8],
  ["ct-01-chest-siemens-two-recons/series-b70f", [30, 512, 512], 8],
  ["ct-02-abdomen-ge-revolution-feet-first", [35, 512, 512], 5],
  ["ct-04-headphantom-philips-with-scout/series-volume", [28, 512, 512], 5],
  ["ct-05-chest-ge-lidc-0001-part", [12, 512, 512], 2.5],
];

const CORRECTED: readonly [string, readonly string[], readonly [number, number, number]][] = [
  // Two spacings of 4 and 7 mm with a gap of 1.08 mm where they meet, all tilted by 18.5 degrees.
  ["ct-03-head-ge-tilt-variable-spacing", ["GANTRY_TILT", "IRREGULAR_SPACING"], [37, 611, 512]],
  ["ct-08-small-irregular-series/gantry-tilt", ["GANTRY_TILT"], [4, 521, 512]],
];

const REFUSED: readonly [string, readonly string[]][] = [
  ["ct-04-headphantom-philips-with-scout/series-scout", ["LOCALIZER", "TOO_FEW_SLICES"]],
  ["ct-04-headphantom-philips-with-scout/series-exam-summary", ["LOCALIZER", "TOO_FEW_SLICES"]],
  ["ct-06-missing-and-duplicate-slices", ["IRREGULAR_SPACING", "DUPLICATE_SLICES"]],
  ["ct-08-small-irregular-series/gap", ["MISSING_SLICES"]],
  ["ct-08-small-irregular-series/same-position", ["DUPLICATE_POSITION"]],
  ["ct-09-toshiba-single-slices-three-planes", ["TOO_FEW_SLICES", "EXCLUDED_STRAY"]],
  ["ct-13-odd-single-files/nonsquare", ["PROCESSED", "TOO_FEW_SLICES"]],
  ["ct-14-localizer-siemens", ["LOCALIZER", "TOO_FEW_SLICES"]],
];

/** Mean difference of neighbouring planes where there is a head in both, HU, when each slice is shifted by a part of its tilt. */
function roughness(geometry: StackGeometry, sliceOf: (k: number) => Float32Array, part: number) {
  const placements = geometry.placements.map((one) => ({
    ...one,
    row: part < 0 ? 99 - one.row : part * one.row,
  }));
  const voxels = plainVolume({ ...geometry, placements }, sliceOf, { rows: 512, columns: 512 });
  const plane = geometry.sizeVoxels[1] * geometry.sizeVoxels[2];
  let [sum, count] = [0, 0];
  for (let i = 0; i + plane < voxels.length; i++) {
    const [a, b] = [voxels[i]!, voxels[i + plane]!];
    if (a < -200 && b < -200) continue;
    sum += Math.abs(a - b);
    count++;
  }
  return sum / count;
}

describe("real series", () => {
  before(function () {
    requireSharedData(this);
  });

  for (const [folder, size, gapMm] of VOLUMES) {
    it(`makes a volume of ${folder}`, async function () {
      this.timeout(30_000);
      const [volume, ...more] = volumesOf(await readSeries(folder));
      expect(more).to.deep.equal([]);
      const { verdict, order, geometry, slices } = volume!;
      expect(verdict.outcome, JSON.stringify(verdict.findings)).to.equal("ok");
      expect(verdict.sizeVoxels).to.deep.equal(size);
      expect(verdict.spacingMm?.[0]).to.be.closeTo(gapMm, 1e-3);
      if (geometry === null) throw new Error("accepted without a geometry");
      const planes = slices.map(({ plane }) => plane);
      const builder = createVolumeBuilder(geometry, order, planes);
      const counts = noCounts();
      for (const [index, { plane, pixels }] of slices.entries()) {
        const stored = decodeNativePixels(pixels ?? new Uint8Array(0), plane);
        builder.addSlice(index, stored);
        addCounts(counts, countStored(stored, plane));
      }
      const { voxelsZyx } = builder.finish();
      expect(judgeHistogram(counts.histogram)).to.deep.equal([]);
      // Air and body are both there, at the values they must have: the rescale is right.
      const isAir = (hu: number) => hu >= -1100 && hu < -800;
      const isSoft = (hu: number) => hu > -200 && hu < 200;
      let [air, soft] = [0, 0];
      for (const hu of voxelsZyx) {
        if (isAir(hu)) air++;
        else if (isSoft(hu)) soft++;
      }
      expect(air / voxelsZyx.length).to.be.within(0.05, 0.95);
      expect(soft / voxelsZyx.length).to.be.within(0.02, 0.9);
    });
  }

  for (const [folder, codes, size] of CORRECTED) {
    it(`corrects ${folder}: ${codes.join(", ")}`, async function () {
      this.timeout(30_000);
      const [volume, ...more] = volumesOf(await readSeries(folder));
      expect(more).to.deep.equal([]);
      const { verdict, order, geometry, slices } = volume!;
      expect(verdict.outcome).to.equal("corrected");
      expect(verdict.findings.map(({ code }) => code)).to.include.members([...codes]);
      expect(verdict.sizeVoxels).to.deep.equal(size);
      // Each slice lies where its header says, to a hundredth of a millimetre.
      for (const [k, { z, row, column }] of geometry!.placements.entries()) {
        const steps = [z, row, column];
        for (const axis of [0, 1, 2] as const) {
          const lps = steps.reduce(
            (sum, step, n) =>
              sum +
              step * geometry!.spacingMm[n as 0 | 1 | 2] * geometry!.axesZyx[n as 0 | 1 | 2][axis],
            geometry!.originLps[axis],
          );
          expect(lps).to.be.closeTo(slices[order[k]!]!.plane.positionLpsMm![axis], 0.01);
        }
      }
    });
  }

  it("finds the head of ct-03 smoother after the correction than before it, or turned the wrong way", async function () {
    this.timeout(60_000);
    const [volume] = volumesOf(await readSeries("ct-03-head-ge-tilt-variable-spacing"));
    const { geometry, order, slices } = volume!;
    const images = order.map((index) => hounsfield(slices[index]!));
    const [right, none, wrong] = [1, 0, -1].map((part) =>
      roughness(geometry!, (k) => images[k]!, part),
    );
    console.log(
      `      HU between planes: ${right!.toFixed(0)} corrected, ${none!.toFixed(0)} as stored, ${wrong!.toFixed(0)} wrong way`,
    );
    expect(right).to.be.lessThan(none!);
    expect(right).to.be.lessThan(wrong! * 0.9);
  });

  for (const [folder, codes] of REFUSED) {
    it(`refuses ${folder}: ${codes.join(", ")}`, async () => {
      const [{ verdict, geometry }, ...more] = volumesOf(await readSeries(folder)) as [Volume];
      expect(more).to.deep.equal([]);
      expect(verdict.outcome).to.equal("refused");
      expect(geometry).to.equal(null);
      expect(verdict.findings.map(({ code }) => code)).to.include.members([...codes]);
    });
  }

  it("keeps two reconstructions of one scan apart when they come as one series, with its scout", async () => {
    const slices = [
      ...(await readSeries("ct-01-chest-siemens-two-recons/series-b40f")),
      ...(await readSeries("ct-01-chest-siemens-two-recons/series-b70f")),
      ...(await readSeries("ct-14-localizer-siemens")),
    ];
    const found = volumesOf(slices).map(({ verdict, slices: used }) => ({
      outcome: verdict.outcome,
      codes: verdict.findings.map(({ code }) => code),
      kernels: [...new Set(used.map(({ plane }) => plane.kernel))],
    }));
    const each = { outcome: "ok", codes: ["PHASES", "EXCLUDED_LOCALIZER"] };
    expect(found).to.have.deep.members([
      { ...each, kernels: ["B40f"] },
      { ...each, kernels: ["B70f"] },
    ]);
  });
});
