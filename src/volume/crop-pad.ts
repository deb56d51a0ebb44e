/** Cutting and filling around the middle. Libraries differ in which side an odd voxel goes to. */
import { checkSize, type Triple } from "./sampling.ts";
import type { CtVolume } from "./types.ts";
import { added, scaled } from "./vectors.ts";

/**
 * Of an odd difference: by default the smaller half is at the start; `torchio` (CropOrPad) puts the larger half there;
 * `monai` (ResizeWithPadOrCrop) fills the smaller half there, and cuts so that voxel ⌊size / 2⌋ stays the middle one.
 */
export type CentringFlavour = "torchio" | "monai";

/** Where voxel 0 of an axis comes to lie in the new axis; negative when it is cut off. */
function shiftOf(from: number, to: number, flavour: CentringFlavour | undefined): number {
  const half = (to - from) / 2;
  if (flavour === "torchio") return half > 0 ? Math.ceil(half) : Math.floor(half);
  if (flavour === "monai" && to < from) return Math.floor(to / 2) - Math.floor(from / 2);
  return Math.trunc(half);
}

/**
 * Cuts or fills each axis around its middle.
 *
 * @param voxels - `[z][y][x]` flattened, of `size`
 * @throws KindredError `NOT_A_VOLUME` when the target is absurdly large
 */
export function cropPad(
  voxels: Float32Array,
  size: Triple,
  target: Triple,
  value: number,
  flavour?: CentringFlavour,
): Float32Array {
  checkSize(target);
  const out = new Float32Array(target[0] * target[1] * target[2]);
  if (value !== 0) out.fill(value);
  const shift = size.map((n, i) => shiftOf(n, target[i]!, flavour));
  for (let z = 0; z < size[0]; z++) {
    const toZ = z + shift[0]!;
    if (toZ < 0 || toZ >= target[0]) continue;
    for (let y = 0; y < size[1]; y++) {
      const toY = y + shift[1]!;
      if (toY < 0 || toY >= target[1]) continue;
      const fromX = Math.max(0, -shift[2]!);
      const toX = Math.max(0, shift[2]!);
      const count = Math.min(size[2] - fromX, target[2] - toX);
      const source = (z * size[1] + y) * size[2] + fromX;
      out.set(voxels.subarray(source, source + count), (toZ * target[1] + toY) * target[2] + toX);
    }
  }
  return out;
}

/** {@link cropPad} of a volume: its origin follows. */
export function cropPadVolume(
  volume: CtVolume & { readonly voxelsZyx: Float32Array },
  target: Triple,
  value: number,
  flavour?: CentringFlavour,
): CtVolume & { readonly voxelsZyx: Float32Array } {
  const { sizeVoxels: size, spacingMm, axesZyx } = volume;
  let originLps = volume.originLps;
  for (const i of [0, 1, 2] as const) {
    const shift = shiftOf(size[i], target[i], flavour);
    originLps = added(originLps, scaled(axesZyx[i], -shift * spacingMm[i]));
  }
  const voxelsZyx = cropPad(volume.voxelsZyx, size, target, value, flavour);
  return { voxelsZyx, sizeVoxels: target, spacingMm, originLps, axesZyx };
}
