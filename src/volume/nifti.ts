/**
 * A volume as a NIfTI-1 file, for other people's tools. Field names and offsets: nifti1.h of the NIfTI Data Format
 * Working Group; positions there are RAS+, so that x and y of DICOM's LPS change their sign.
 */
import { KindredError } from "../kernel/errors.ts";
import { VERSION } from "../kernel/version.ts";
import type { CtVolume, Vector3 } from "./types.ts";
import { cross, dot, length, scaled, subtract } from "./vectors.ts";

const HEADER_BYTES = 348;
/** The header and four bytes that say that no extension follows. */
const VOXELS_OFFSET = 352;
/** Sides are 16-bit signed. */
const SIDE_MAX = 32_767;
const INT16 = 4;
const FLOAT32 = 16;
const MILLIMETERS = 2;
/** The coordinates are those of the scanner. */
const SCANNER_ANATOMICAL = 1;

type Grid = Pick<CtVolume, "sizeVoxels" | "spacingMm" | "originLps" | "axesZyx">;

/** Rows x, y and z of `position = M · (i, j, k, 1)`, RAS mm; i runs along a row, k along the slices. */
export function affineRas(grid: Grid): readonly (readonly [number, number, number, number])[] {
  const [z, y, x] = grid.axesZyx.map((axis, i) => scaled(axis, grid.spacingMm[i]!));
  return [-1, -1, 1].map((sign, i) => {
    const row = [x![i]!, y![i]!, z![i]!, grid.originLps[i]!].map((value) => sign * value || 0);
    return row as [number, number, number, number];
  });
}

/**
 * The file in pieces: a header and one piece a slice, little endian, HU as they are (no slope).
 *
 * @throws KindredError `NOT_A_VOLUME` when a side is too long for the format
 */
export function* niftiChunks(volume: CtVolume): Generator<Uint8Array> {
  yield niftiHeader(volume, volume.voxelsZyx instanceof Int16Array ? "int16" : "float32");
  const { voxelsZyx, sizeVoxels } = volume;
  const plane = sizeVoxels[1] * sizeVoxels[2];
  for (let k = 0; k < sizeVoxels[0]; k++) {
    const slice = voxelsZyx.subarray(k * plane, (k + 1) * plane);
    yield new Uint8Array(slice.buffer, slice.byteOffset, slice.byteLength);
  }
}

/** 352 bytes: the header of a single-file NIfTI-1 image and the mark that no extension follows. */
export function niftiHeader(grid: Grid, type: "int16" | "float32"): Uint8Array {
  const [depth, rows, columns] = grid.sizeVoxels;
  if (Math.max(depth, rows, columns) > SIDE_MAX)
    throw new KindredError("NOT_A_VOLUME", `NIfTI holds sides of at most ${SIDE_MAX} voxels`);
  const bytes = new Uint8Array(VOXELS_OFFSET);
  const view = new DataView(bytes.buffer);
  const int16 = (at: number, values: readonly number[]) =>
    values.forEach((value, i) => void view.setInt16(at + 2 * i, value, true));
  const float32 = (at: number, values: readonly number[]) =>
    values.forEach((value, i) => void view.setFloat32(at + 4 * i, value, true));
  const text = (at: number, value: string) => bytes.set(new TextEncoder().encode(value), at);
  view.setInt32(0, HEADER_BYTES, true);
  text(38, "r");
  int16(40, [3, columns, rows, depth, 1, 1, 1, 1]); // dim
  int16(70, type === "int16" ? [INT16, 16] : [FLOAT32, 32]); // datatype, bitpix
  const { factor, quaternion } = rotationOf(grid);
  const [gapMm, rowMm, columnMm] = grid.spacingMm;
  float32(76, [factor, columnMm, rowMm, gapMm, 0, 0, 0, 0]); // pixdim; the first is qfac
  float32(108, [VOXELS_OFFSET, 1, 0]); // vox_offset, scl_slope, scl_inter
  bytes[123] = MILLIMETERS; // xyzt_units
  text(148, `Kindred ${VERSION}, HU, not for diagnostic use`.slice(0, 79)); // descrip
  int16(252, [SCANNER_ANATOMICAL, SCANNER_ANATOMICAL]); // qform_code, sform_code
  const affine = affineRas(grid);
  float32(256, [...quaternion, ...affine.map((row) => row[3])]); // quatern_b to qoffset_z
  float32(280, affine.flat()); // srow_x, srow_y, srow_z
  text(344, "n+1\0");
  return bytes;
}

/** The axes as a unit quaternion b, c, d (a ≥ 0) and the sign of the third axis, which a rotation cannot mirror. */
function rotationOf(grid: Grid): { factor: 1 | -1; quaternion: Vector3 } {
  const [z, y, x] = grid.axesZyx.map(toRas) as [Vector3, Vector3, Vector3];
  // Header cosines are rounded: made exactly perpendicular, or the quaternion would not be one.
  const i = unit(x);
  const j = unit(subtract(y, scaled(i, dot(y, i))));
  const right = cross(i, j);
  const factor = dot(right, z) < 0 ? -1 : 1;
  return { factor, quaternion: quaternionOf(i, j, right) };
}

/** b, c, d of the rotation whose columns are the three axes; computed from the largest of the four for precision. */
function quaternionOf(i: Vector3, j: Vector3, k: Vector3): Vector3 {
  const squares = [
    1 + i[0] + j[1] + k[2],
    1 + i[0] - j[1] - k[2],
    1 - i[0] + j[1] - k[2],
    1 - i[0] - j[1] + k[2],
  ];
  const largest = squares.indexOf(Math.max(...squares));
  const most = Math.sqrt(squares[largest]!) / 2;
  // Products of pairs, each four times the pair.
  const ab = j[2] - k[1];
  const ac = k[0] - i[2];
  const ad = i[1] - j[0];
  const bc = j[0] + i[1];
  const bd = k[0] + i[2];
  const cd = k[1] + j[2];
  const abcd = [
    [most * most * 4, ab, ac, ad],
    [ab, most * most * 4, bc, bd],
    [ac, bc, most * most * 4, cd],
    [ad, bd, cd, most * most * 4],
  ][largest]!.map((product) => product / (4 * most));
  const sign = abcd[0]! < 0 ? -1 : 1;
  return [sign * abcd[1]! || 0, sign * abcd[2]! || 0, sign * abcd[3]! || 0];
}

function toRas([x, y, z]: Vector3): Vector3 {
  return [-x, -y, z];
}

function unit(vector: Vector3): Vector3 {
  return scaled(vector, 1 / length(vector));
}
