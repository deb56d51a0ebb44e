/** Where on the grid of the image tower's first learned layer something lies: the ground truth of every cell. */
import { LABEL } from "../../src/phantom/labels.ts";
import type { PhantomVolume } from "../../src/phantom/phantom-volume.ts";

/** Bit k of a cell: the cell holds a voxel of this label. Findings first, then what tells where in the body a cell is. */
export const BITS: readonly number[] = [
  LABEL.nodule,
  LABEL.effusion,
  LABEL.consolidation,
  LABEL.emphysema,
  LABEL.calcification,
  LABEL.liverLesion,
  LABEL.renalCyst,
  LABEL.fracture,
  LABEL.hemorrhage,
  LABEL.heart,
  LABEL.ventricle,
  LABEL.rightLung,
  LABEL.leftLung,
  LABEL.liver,
  LABEL.rightKidney,
  LABEL.leftKidney,
];

/** `[slices, rows, columns]`: cells of 4 × 4 × 4 voxels of the input, 20 × 16 × 16 mm. */
export const CELLS = [24, 20, 26] as const;
const CELL_MM = [20, 16, 16] as const;

/**
 * @param volume - painted, axes to left, posterior, superior as phantoms have them
 * @returns `[slices][rows][columns]` of {@link CELLS}, 16 bits each; the grid lies around the middle of the volume, as
 * `cropPad` puts it (to half a voxel: an odd difference is not looked at)
 */
export function labelBits({ labelsZyx, sizeVoxels, spacingMm }: PhantomVolume): Uint16Array {
  const bits = new Uint16Array(CELLS[0] * CELLS[1] * CELLS[2]);
  const masks = new Uint16Array(256);
  for (const [bit, label] of BITS.entries()) masks[label] = 1 << bit;
  const [zs, ys, xs] = [0, 1, 2].map((axis) => cellsOf(axis, sizeVoxels, spacingMm)) as [
    Int16Array,
    Int16Array,
    Int16Array,
  ];
  const [nz, ny, nx] = sizeVoxels;
  for (let z = 0; z < nz; z++) {
    if (zs[z]! < 0) continue;
    for (let y = 0; y < ny; y++) {
      if (ys[y]! < 0) continue;
      const row = (zs[z]! * CELLS[1] + ys[y]!) * CELLS[2];
      const from = (z * ny + y) * nx;
      for (let x = 0; x < nx; x++) {
        const mask = masks[labelsZyx[from + x]!]!;
        if (mask !== 0 && xs[x]! >= 0) bits[row + xs[x]!]! |= mask;
      }
    }
  }
  return bits;
}

/** Cell of each voxel of an axis; −1 outside the grid. */
function cellsOf(
  axis: number,
  sizeVoxels: PhantomVolume["sizeVoxels"],
  spacingMm: PhantomVolume["spacingMm"],
): Int16Array {
  const count = CELLS[axis]!;
  const size = sizeVoxels[axis]!;
  return Int16Array.from({ length: size }, (_, i) => {
    const mm = (i - (size - 1) / 2) * spacingMm[axis]!;
    const cell = Math.floor(mm / CELL_MM[axis]! + count / 2);
    return cell >= 0 && cell < count ? cell : -1;
  });
}
