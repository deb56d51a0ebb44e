/** The same series by dcm2niix: the same Hounsfield units at the same places of the patient. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { filesBelow } from "../../../src/cli/volume/dicom-files.ts";
import { openFrames } from "../../../src/dicom/pixels/frame-source.ts";
import { readSliceFile } from "../../../src/dicom/slice-file.ts";
import { kindred } from "../../support/kindred-command.ts";
import { type NiftiImage, readNifti } from "../../support/nifti-file.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";
import { requireTool } from "../../support/tools.ts";

const CASES = [
  "ct-01-chest-siemens-two-recons/series-b40f",
  "ct-01-chest-siemens-two-recons/series-b70f",
  "ct-02-abdomen-ge-revolution-feet-first",
  "ct-04-headphantom-philips-with-scout/series-volume",
  "ct-05-chest-ge-lidc-0001-part",
];
/**
 * Both resample. The judge is the scanner's own pixels: how far, HU in the mean, is a volume from them at their places?
 * Where the spacing is even as well, both interpolate the same way and are as near; where it changes, dcm2niix evens it out
 * along the normal before it shears, and puts the slices in the wrong places.
 */
const TILTED = [
  {
    folder: "ct-08-small-irregular-series/gantry-tilt",
    file: /_Tilt_1\.nii$/,
    meanHuMax: 20,
    overTheirs: 1.05,
  },
  {
    folder: "ct-03-head-ge-tilt-variable-spacing",
    file: /_Tilt_Eq_1\.nii$/,
    meanHuMax: 10,
    overTheirs: 0.1,
  },
];
/** Pixels of a slice that are compared; a prime apart. */
const PIXEL_STEP = 97;

const AIR_HU = -1024;
/** dcm2niix takes the slice distance from the positions of two slices, in 32-bit floats. */
const AFFINE_MM = 1e-3;

describe("volumes beside those of dcm2niix", function () {
  this.timeout(120_000);
  before(function () {
    requireTool(this, "dcm2niix");
    requireSharedData(this);
  });

  for (const one of CASES) {
    it(`${one}: the same places and values`, async () => {
      const out = temporaryFolder();
      const source = join(SHARED_DATA, one);
      const ours = await oursOf(source, out);
      const theirs = theirsOf(source, out, /^theirs\.nii$/);
      const theirIndex = sameGrid(ours, theirs);
      let differing = 0;
      const [ni, nj, nk] = ours.size;
      for (let k = 0; k < nk; k++)
        for (let j = 0; j < nj; j++)
          for (let i = 0; i < ni; i++) {
            const hu = ours.at(i + ni * (j + nj * k));
            const their = theirs.at(theirIndex(i, j, k));
            // What is below air is taken as air, declared as padding or not.
            const expected = Math.max(AIR_HU, their);
            if (hu !== expected) differing++;
          }
      expect(differing, "voxels with another value").to.equal(0);
    });
  }

  for (const { folder, file, meanHuMax, overTheirs } of TILTED)
    it(`${folder}: as near to the pixels of the tilted slices, or nearer`, async () => {
      const out = temporaryFolder();
      const source = join(SHARED_DATA, folder);
      const [ours, theirs] = [await oursOf(source, out), theirsOf(source, out, file)];
      const paths = (await filesBelow(source)).filter((path) => path.endsWith(".dcm"));
      const [our, their] = await meanDifferences(paths, [ours, theirs]);
      expect(our).to.be.at.most(meanHuMax);
      expect(our).to.be.at.most(their! * overTheirs);
    });
});

/** Mean differences, HU, from the pixels of slices; where a volume does not reach it counts as air. */
async function meanDifferences(
  paths: readonly string[],
  volumes: readonly NiftiImage[],
): Promise<number[]> {
  const values = volumes.map((volume) => valueAt(volume));
  const sums = volumes.map(() => 0);
  let count = 0;
  for (const path of paths) {
    const header = await readSliceFile(path);
    const [plane] = header.planes;
    const source = await openFrames(path, header);
    const stored = await source.frame(0);
    await source.close();
    const [xx, xy, xz, yx, yy, yz] = plane!.orientation!;
    const [downMm, alongMm] = plane!.pixelSpacingMm!;
    const [px, py, pz] = plane!.positionLpsMm!;
    for (let i = 0; i < stored.length; i += PIXEL_STEP) {
      const along = (i % plane!.columns) * alongMm;
      const down = Math.floor(i / plane!.columns) * downMm;
      const hu = stored[i]! * (plane!.rescaleSlope ?? 1) + (plane!.rescaleIntercept ?? 0);
      const expected = Math.max(AIR_HU, hu);
      // From LPS to RAS.
      const at = [
        -(px + along * xx + down * yx),
        -(py + along * xy + down * yy),
        pz + along * xz + down * yz,
      ];
      count++;
      for (const [v, value] of values.entries())
        sums[v]! += Math.abs(Math.max(AIR_HU, value(at)) - expected);
    }
  }
  return sums.map((sum) => sum / count);
}

/** Linear between voxels. */
function valueAt(volume: NiftiImage): (ras: readonly number[]) => number {
  const m = volume.affine;
  const column = (i: number) => m.map((row) => row[i]!) as [number, number, number];
  const cross = (a: readonly number[], b: readonly number[]) => [
    a[1]! * b[2]! - a[2]! * b[1]!,
    a[2]! * b[0]! - a[0]! * b[2]!,
    a[0]! * b[1]! - a[1]! * b[0]!,
  ];
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const [a, b, c] = [column(0), column(1), column(2)];
  const volumeMm3 = dot(a, cross(b, c));
  const rows = [cross(b, c), cross(c, a), cross(a, b)];
  const [ni, nj, nk] = volume.size;
  return (ras) => {
    const from = ras.map((value, i) => value - m[i]![3]!);
    const at = rows.map((row) => dot(row, from) / volumeMm3);
    let sum = 0;
    for (let corner = 0; corner < 8; corner++) {
      const index = at.map((value, axis) => Math.floor(value) + ((corner >> axis) & 1));
      const weight = at.reduce((all, value, i) => all * (1 - Math.abs(value - index[i]!)), 1);
      const [i, j, k] = index as [number, number, number];
      const isInside = i >= 0 && j >= 0 && k >= 0 && i < ni && j < nj && k < nk;
      if (weight > 1e-4) sum += weight * (isInside ? volume.at(i + ni * (j + nj * k)) : AIR_HU);
    }
    return sum;
  };
}

async function oursOf(source: string, out: string): Promise<NiftiImage> {
  const path = join(out, "ours.nii.gz");
  const { code, stdout, stderr } = await kindred("volume", source, "--nifti", path);
  expect(code, stdout + stderr).to.equal(0);
  return readNifti(path);
}

function theirsOf(source: string, out: string, file: RegExp): NiftiImage {
  const folder = join(out, "theirs");
  mkdirSync(folder);
  const argv = ["-z", "n", "-b", "n", "-f", "theirs", "-o", folder, source];
  execFileSync("dcm2niix", argv, { stdio: "pipe" });
  const name = readdirSync(folder).find((one) => file.test(one));
  if (name === undefined) throw new Error(`dcm2niix wrote ${readdirSync(folder).join(", ")}`);
  return readNifti(join(folder, name));
}

/** Both grids lie on the same points, but for turned axes. @returns their index of our voxel */
function sameGrid(
  ours: NiftiImage,
  theirs: NiftiImage,
): (i: number, j: number, k: number) => number {
  const column = ({ affine }: NiftiImage, i: number) => affine.map((row) => row[i]!);
  const flips = [0, 1, 2].map((axis) => {
    const [a, b] = [column(ours, axis), column(theirs, axis)];
    const sign = a.reduce((sum, value, i) => sum + value * b[i]!, 0) < 0 ? -1 : 1;
    for (const i of [0, 1, 2])
      expect(b[i]! * sign, `step ${axis}, component ${i}`).to.be.closeTo(a[i]!, AFFINE_MM / 100);
    return sign < 0;
  });
  expect(theirs.size).to.deep.equal(ours.size);
  const [ni, nj] = ours.size;
  const turned = (index: number, axis: number) =>
    flips[axis] === true ? ours.size[axis]! - 1 - index : index;
  for (const i of [0, 1, 2]) {
    const corner = [0, 1, 2].reduce(
      (sum, axis) => sum + theirs.affine[i]![axis]! * turned(0, axis),
      theirs.affine[i]![3]!,
    );
    expect(corner, `corner, component ${i}`).to.be.closeTo(ours.affine[i]![3]!, AFFINE_MM);
  }
  return (i, j, k) => turned(i, 0) + ni * (turned(j, 1) + nj * turned(k, 2));
}
