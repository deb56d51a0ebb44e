import { expect } from "chai";
import fc from "fast-check";
import { codeOf } from "../../../src/kernel/errors.ts";
import { affineRas, niftiChunks, niftiHeader } from "../../../src/volume/nifti.ts";
import type { CtVolume, Vector3 } from "../../../src/volume/types.ts";
import { cross, dot, scaled } from "../../../src/volume/vectors.ts";

type Grid = Omit<CtVolume, "voxelsZyx">;

const AXIAL: Grid = {
  sizeVoxels: [3, 4, 5],
  spacingMm: [2.5, 0.75, 0.5],
  originLps: [-100, -50, 30],
  axesZyx: [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
  ],
};

/** The format leaves out a of the quaternion: near half turns it comes back from a difference of floats. */
const QFORM_MM = 2e-3;

/** Reads the field of nifti1.h at its offset. */
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);
const floats = (bytes: Uint8Array, at: number, count: number) =>
  Array.from({ length: count }, (_, i) => view(bytes).getFloat32(at + 4 * i, true));
const shorts = (bytes: Uint8Array, at: number, count: number) =>
  Array.from({ length: count }, (_, i) => view(bytes).getInt16(at + 2 * i, true));

/** Method 2 of nifti1.h: rotation of the quaternion, spacing, qfac and offset. */
function qformOf(header: Uint8Array): number[][] {
  const [b, c, d, ...offset] = floats(header, 256, 6) as [number, number, number, ...number[]];
  const [qfac, dx, dy, dz] = floats(header, 76, 4) as [number, number, number, number];
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
  const rotation = [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
  return rotation.map((row, i) => [row[0]! * dx, row[1]! * dy, row[2]! * dz * qfac, offset[i]!]);
}

const sformOf = (header: Uint8Array) => [280, 296, 312].map((at) => floats(header, at, 4));

describe("a NIfTI-1 header", () => {
  const header = niftiHeader(AXIAL, "int16");

  const FIELDS: readonly (readonly [string, unknown, unknown])[] = [
    ["sizeof_hdr", view(header).getInt32(0, true), 348],
    ["dim", shorts(header, 40, 8), [3, 5, 4, 3, 1, 1, 1, 1]],
    ["datatype and bitpix of int16", shorts(header, 70, 2), [4, 16]],
    ["pixdim", floats(header, 76, 4), [1, 0.5, 0.75, 2.5]],
    ["vox_offset", floats(header, 108, 1), [352]],
    ["scl_slope and scl_inter", floats(header, 112, 2), [1, 0]],
    ["xyzt_units: mm", header[123], 2],
    ["qform_code and sform_code: scanner", shorts(header, 252, 2), [1, 1]],
    ["magic", Buffer.from(header.subarray(344, 348)).toString("latin1"), "n+1\0"],
    ["no extension", [...header.subarray(348)], [0, 0, 0, 0]],
    [
      "srow: LPS to RAS",
      sformOf(header),
      [
        [-0.5, 0, 0, 100],
        [0, -0.75, 0, 50],
        [0, 0, 2.5, 30],
      ],
    ],
    ["datatype of float32", shorts(niftiHeader(AXIAL, "float32"), 70, 2), [16, 32]],
  ];
  for (const [name, found, expected] of FIELDS)
    it(`has ${name}`, () => expect(found).to.deep.equal(expected));

  it("says in words that it is not for diagnostic use", () => {
    expect(Buffer.from(header.subarray(148, 228)).toString("latin1")).to.include(
      "not for diagnostic use",
    );
  });

  it("has a quaternion that makes the same affine as the rows, for any rotation and mirrored too", () => {
    const angle = fc.double({ min: -Math.PI, max: Math.PI, noNaN: true });
    fc.assert(
      fc.property(angle, angle, angle, fc.boolean(), (yaw, pitch, roll, isMirrored) => {
        const [x, y, z] = rotated(yaw, pitch, roll);
        const grid: Grid = { ...AXIAL, axesZyx: [isMirrored ? scaled(z, -1) : z, y, x] };
        const bytes = niftiHeader(grid, "int16");
        const [sform, qform] = [sformOf(bytes), qformOf(bytes)];
        for (const [i, row] of sform.entries()) {
          for (const [j, value] of row.entries())
            expect(qform[i]![j], `row ${i}, column ${j}`).to.be.closeTo(value, QFORM_MM);
        }
      }),
    );
  });

  it("keeps the quaternion of half turns, of which three of four numbers vanish", () => {
    for (const [x, y] of [
      [1, 1],
      [1, -1],
      [-1, 1],
      [-1, -1],
    ] as const) {
      const axesZyx: Grid["axesZyx"] = [
        [0, 0, x * y],
        [0, y, 0],
        [x, 0, 0],
      ];
      const bytes = niftiHeader({ ...AXIAL, axesZyx }, "int16");
      for (const [i, row] of qformOf(bytes).entries())
        expect(row.map((value) => Number(value.toFixed(5)) || 0)).to.deep.equal(
          sformOf(bytes)[i]!.map((value) => value || 0),
        );
    }
  });

  it("is refused for a side that the format cannot hold", () => {
    const tall: Grid = { ...AXIAL, sizeVoxels: [32_768, 1, 1] };
    let code = "";
    try {
      niftiHeader(tall, "int16");
    } catch (error) {
      code = codeOf(error);
    }
    expect(code).to.equal("NOT_A_VOLUME");
  });
});

describe("a NIfTI-1 file", () => {
  for (const Voxels of [Int16Array, Float32Array]) {
    it(`holds the voxels of ${Voxels.name}, x fastest, after 352 bytes`, () => {
      const voxelsZyx = new Voxels(60);
      for (const i of voxelsZyx.keys()) voxelsZyx[i] = i * 37 - 1024;
      const file = Buffer.concat([...niftiChunks({ ...AXIAL, voxelsZyx })]);
      expect(file.length).to.equal(352 + voxelsZyx.byteLength);
      const at = (x: number, y: number, z: number) => {
        const index = x + 5 * (y + 4 * z);
        return Voxels === Int16Array
          ? file.readInt16LE(352 + 2 * index)
          : file.readFloatLE(352 + 4 * index);
      };
      expect(at(0, 0, 0)).to.equal(-1024);
      expect(at(4, 3, 2)).to.equal(voxelsZyx[59]);
      expect(at(1, 2, 1)).to.equal(voxelsZyx[(1 * 4 + 2) * 5 + 1]);
    });
  }

  it("places voxels where DICOM does, with x and y turned to RAS", () => {
    const position = affineRas(AXIAL).map((row) => row[0] * 4 + row[1] * 3 + row[2] * 2 + row[3]);
    expect(position).to.deep.equal([100 - 4 * 0.5, 50 - 3 * 0.75, 30 + 2 * 2.5]);
  });
});

/** Three perpendicular unit vectors, right-handed. */
function rotated(yaw: number, pitch: number, roll: number): [Vector3, Vector3, Vector3] {
  const x: Vector3 = [
    Math.cos(yaw) * Math.cos(pitch),
    Math.sin(yaw) * Math.cos(pitch),
    Math.sin(pitch),
  ];
  const aside: Vector3 = [-Math.sin(yaw), Math.cos(yaw), 0];
  const up = cross(x, aside);
  const y: Vector3 = [0, 1, 2].map(
    (i) => aside[i]! * Math.cos(roll) + up[i]! * Math.sin(roll),
  ) as unknown as Vector3;
  expect(Math.abs(dot(x, y))).to.be.below(1e-9);
  return [x, y, cross(x, y)];
}
