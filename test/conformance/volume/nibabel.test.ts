/** nibabel reads our NIfTI files as they are meant: values, places, axes, and both forms of the affine. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { affineRas, niftiChunks } from "../../../src/volume/nifti.ts";
import type { CtVolume, Vector3 } from "../../../src/volume/types.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const PYTHON = fileURLToPath(new URL("../../../.cache/py/bin/python", import.meta.url));
const READER = fileURLToPath(new URL("./nibabel_reader.py", import.meta.url));

interface Read {
  readonly diagnosis: string;
  readonly shape: number[];
  readonly type: string;
  readonly affine: number[][];
  readonly sformCode: number;
  readonly qformCode: number;
  readonly qform: number[][];
  readonly axes: string;
  readonly zooms: number[];
  readonly units: string;
  readonly sum: number;
  readonly last: number;
  readonly second: number;
}

const axes = (z: Vector3, y: Vector3, x: Vector3): CtVolume["axesZyx"] => [z, y, x];
const [c, s] = [Math.cos(0.35), Math.sin(0.35)];
const GRIDS: Readonly<Record<string, { axesZyx: CtVolume["axesZyx"]; codes: string }>> = {
  // nibabel names where an axis grows to, in RAS: LPS of DICOM is the same directions.
  "head first supine": { axesZyx: axes([0, 0, 1], [0, 1, 0], [1, 0, 0]), codes: "LPS" },
  "feet first supine": { axesZyx: axes([0, 0, -1], [0, 1, 0], [-1, 0, 0]), codes: "RPI" },
  "head first prone": { axesZyx: axes([0, 0, 1], [0, -1, 0], [-1, 0, 0]), codes: "RAS" },
  "a gantry tilted about x": { axesZyx: axes([0, -s, c], [0, c, s], [1, 0, 0]), codes: "LPS" },
  "a head turned about z": { axesZyx: axes([0, 0, 1], [-s, c, 0], [c, s, 0]), codes: "LPS" },
  mirrored: { axesZyx: axes([0, 0, -1], [0, 1, 0], [1, 0, 0]), codes: "LPI" },
};

describe("NIfTI files read by nibabel", function () {
  this.timeout(60_000);
  before(function () {
    if (spawnSync(PYTHON, ["-c", "import nibabel"]).status === 0) return;
    if (process.env.KINDRED_REQUIRE_TOOLS === "1") throw new Error("nibabel is not in .cache/py");
    console.log("      SKIPPED: nibabel is not in .cache/py (CONTRIBUTING.md)");
    this.skip();
  });

  for (const [name, { axesZyx, codes }] of Object.entries(GRIDS)) {
    for (const Voxels of [Int16Array, Float32Array]) {
      it(`${name}, ${Voxels.name}`, () => {
        const voxelsZyx = new Voxels(4 * 5 * 6);
        for (const i of voxelsZyx.keys()) voxelsZyx[i] = i * 31.5 - 1024;
        const volume: CtVolume = {
          voxelsZyx,
          sizeVoxels: [4, 5, 6],
          spacingMm: [2.5, 0.75, 0.5],
          originLps: [-120.25, -80.5, 33.125],
          axesZyx,
        };
        const read = readBack(volume, Voxels === Int16Array);
        expect(read.diagnosis).to.equal("");
        expect([read.shape, read.zooms]).to.deep.equal([
          [6, 5, 4],
          [0.5, 0.75, 2.5],
        ]);
        expect([read.type, read.units, read.axes]).to.deep.equal([
          Voxels === Int16Array ? "int16" : "float32",
          "mm",
          codes,
        ]);
        expect([read.sformCode, read.qformCode]).to.deep.equal([1, 1]);
        for (const [i, row] of affineRas(volume).entries())
          for (const [j, value] of row.entries()) {
            expect(read.affine[i]![j], `sform ${i},${j}`).to.be.closeTo(value, 1e-5);
            expect(read.qform[i]![j], `qform ${i},${j}`).to.be.closeTo(value, 2e-3);
          }
        expect(read.sum).to.be.closeTo(
          [...voxelsZyx].reduce((sum, value) => sum + value, 0),
          1e-3,
        );
        expect([read.second, read.last]).to.deep.equal([voxelsZyx[1], voxelsZyx.at(-1)]);
      });
    }
  }
});

function readBack(volume: CtVolume, isCompressed: boolean): Read {
  const path = join(temporaryFolder(), isCompressed ? "volume.nii.gz" : "volume.nii");
  const file = Buffer.concat([...niftiChunks(volume)]);
  writeFileSync(path, isCompressed ? gzipSync(file) : file);
  return JSON.parse(execFileSync(PYTHON, [READER, path], { encoding: "utf8" })) as Read;
}
