/** Reads NIfTI-1 files of any tool, as nifti1.h describes them; written apart from the code that is tested. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface NiftiImage {
  /** Sides of i, j and k. */
  readonly size: readonly [number, number, number];
  /** Rows x, y and z, RAS mm, of the sform. */
  readonly affine: readonly (readonly number[])[];
  /** Value at i + ni · (j + nj · k), slope and intercept applied. */
  at(index: number): number;
}

const READERS: Readonly<Record<number, (view: DataView, at: number) => number>> = {
  4: (view, at) => view.getInt16(at, true),
  8: (view, at) => view.getInt32(at, true),
  16: (view, at) => view.getFloat32(at, true),
  512: (view, at) => view.getUint16(at, true),
};

export function readNifti(path: string): NiftiImage {
  const file = readFileSync(path);
  const bytes = path.endsWith(".gz") ? gunzipSync(file) : file;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getInt32(0, true) !== 348 || view.getInt16(254, true) < 1)
    throw new Error(`${path} is no little-endian NIfTI-1 file with an sform`);
  const float = (at: number) => view.getFloat32(at, true);
  const side = (i: number) => view.getInt16(40 + 2 * i, true);
  const read = READERS[view.getInt16(70, true)]!;
  const bytesEach = view.getInt16(72, true) / 8;
  const offset = float(108);
  const slope = float(112) || 1;
  const intercept = float(116);
  return {
    size: [side(1), side(2), side(3)],
    affine: [280, 296, 312].map((at) => [0, 1, 2, 3].map((i) => float(at + 4 * i))),
    at: (index) => read(view, offset + index * bytesEach) * slope + intercept,
  };
}
