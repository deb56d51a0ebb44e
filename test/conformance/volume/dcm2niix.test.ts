/** The same series by dcm2niix: the same Hounsfield units at the same places of the patient. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { kindred } from "../../support/kindred-command.ts";
import { type NiftiImage, readNifti } from "../../support/nifti-file.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";
import { requireTool } from "../../support/tools.ts";

interface Case {
  readonly folder: string;
  /** Where it resamples and so do we, values differ: the mean of the differences, and how it names the file. */
  readonly resampled?: { readonly meanHuMax: number; readonly file: RegExp };
}

const CASES: readonly Case[] = [
  { folder: "ct-01-chest-siemens-two-recons/series-b40f" },
  { folder: "ct-01-chest-siemens-two-recons/series-b70f" },
  { folder: "ct-02-abdomen-ge-revolution-feet-first" },
  { folder: "ct-04-headphantom-philips-with-scout/series-volume" },
  { folder: "ct-05-chest-ge-lidc-0001-part" },
];

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
    it(`${one.folder}: the same places and values`, async () => {
      const out = temporaryFolder();
      const source = join(SHARED_DATA, one.folder);
      const ours = await oursOf(source, out);
      const theirs = theirsOf(source, out, one.resampled?.file ?? /^theirs\.nii$/);
      const theirIndex = sameGrid(ours, theirs);
      let [differing, sum] = [0, 0];
      const [ni, nj, nk] = ours.size;
      for (let k = 0; k < nk; k++)
        for (let j = 0; j < nj; j++)
          for (let i = 0; i < ni; i++) {
            const hu = ours.at(i + ni * (j + nj * k));
            const their = theirs.at(theirIndex(i, j, k));
            // What is below air is taken as air, declared as padding or not.
            const expected = Math.max(AIR_HU, their);
            if (hu !== expected) differing++;
            sum += Math.abs(hu - expected);
          }
      if (one.resampled === undefined) expect(differing, "voxels with another value").to.equal(0);
      else expect(sum / (ni * nj * nk)).to.be.at.most(one.resampled.meanHuMax);
    });
  }
});

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
