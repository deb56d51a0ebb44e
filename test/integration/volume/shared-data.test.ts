import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { decodeNativePixels } from "../../../src/dicom/pixel-data.ts";
import { readSlicePlane } from "../../../src/dicom/slice-plane.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { examineSlices } from "../../../src/volume/geometry.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";

const DATA =
  process.env.KINDRED_TEST_DATA ??
  fileURLToPath(new URL("../../../../shared/data/", import.meta.url));

interface Slice {
  readonly plane: SlicePlane;
  readonly pixels: Uint8Array | undefined;
}

async function readSeries(folder: string): Promise<Slice[]> {
  const names = readdirSync(`${DATA}/${folder}`).filter((name) => name.endsWith(".dcm"));
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(`${DATA}/${folder}/${name}`);
      const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
      const dataSet = decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid });
      return {
        plane: readSlicePlane(dataSet, transferSyntaxUid),
        pixels: dataSet.get(TAG.PixelData)?.value,
      };
    }),
  );
}

const VOLUMES: readonly [string, readonly [number, number, number], number][] = [
  ["ct-01-chest-siemens-two-recons/series-b40f", [30, 512, 512], 8],
  ["ct-01-chest-siemens-two-recons/series-b70f", [30, 512, 512], 8],
  ["ct-02-abdomen-ge-revolution-feet-first", [35, 512, 512], 5],
  ["ct-04-headphantom-philips-with-scout/series-volume", [28, 512, 512], 5],
  ["ct-05-chest-ge-lidc-0001-part", [12, 512, 512], 2.5],
];

const REFUSED: readonly [string, readonly string[]][] = [
  ["ct-03-head-ge-tilt-variable-spacing", ["GANTRY_TILT", "IRREGULAR_SPACING"]],
  ["ct-04-headphantom-philips-with-scout/series-scout", ["LOCALIZER", "TOO_FEW_SLICES"]],
  ["ct-04-headphantom-philips-with-scout/series-exam-summary", ["DERIVED", "TOO_FEW_SLICES"]],
  ["ct-06-missing-and-duplicate-slices", ["DUPLICATE_POSITION", "IRREGULAR_SPACING"]],
  ["ct-08-small-irregular-series/gantry-tilt", ["GANTRY_TILT"]],
  ["ct-08-small-irregular-series/gap", ["MISSING_SLICES"]],
  ["ct-08-small-irregular-series/same-position", ["DUPLICATE_POSITION"]],
  ["ct-09-toshiba-single-slices-three-planes", ["DERIVED", "MIXED_ORIENTATION", "NOT_AXIAL"]],
  ["ct-11-htj2k-derived", ["COMPRESSED", "TOO_FEW_SLICES"]],
  ["ct-13-odd-single-files/nonsquare", ["TOO_FEW_SLICES"]],
  ["ct-14-localizer-siemens", ["LOCALIZER", "TOO_FEW_SLICES"]],
];

describe("real series", () => {
  before(function () {
    if (existsSync(DATA)) return;
    console.log(`      skipped: no test data at ${DATA} (set KINDRED_TEST_DATA)`);
    this.skip();
  });

  for (const [folder, size, gapMm] of VOLUMES) {
    it(`makes a volume of ${folder}`, async function () {
      this.timeout(30_000);
      const slices = await readSeries(folder);
      const planes = slices.map(({ plane }) => plane);
      const { verdict, order, geometry } = examineSlices(planes, { slicesMin: 4 });
      expect(verdict.outcome, JSON.stringify(verdict.findings)).to.equal("ok");
      expect(verdict.sizeVoxels).to.deep.equal(size);
      expect(verdict.spacingMm?.[0]).to.be.closeTo(gapMm, 1e-3);
      if (geometry === null) throw new Error("accepted without a geometry");
      const builder = createVolumeBuilder(geometry, order, planes);
      for (const [index, { plane, pixels }] of slices.entries()) {
        builder.addSlice(index, decodeNativePixels(pixels ?? new Uint8Array(0), plane));
      }
      const { voxelsZyx } = builder.finish();
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

  for (const [folder, codes] of REFUSED) {
    it(`refuses ${folder}: ${codes.join(", ")}`, async () => {
      const planes = (await readSeries(folder)).map(({ plane }) => plane);
      const { verdict, geometry } = examineSlices(planes, {
        slicesMin: folder.includes("ct-08") ? 4 : 8,
      });
      expect(verdict.outcome).to.equal("refused");
      expect(geometry).to.equal(null);
      expect(verdict.findings.map(({ code }) => code)).to.include.members([...codes]);
    });
  }
});
