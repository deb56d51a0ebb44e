/** Stored values → Hounsfield units. PS3.3 C.11.1.1.2 (rescale), C.7.5.1.1.2 (padding, in stored values). */
import type { SlicePlane } from "./types.ts";

export const AIR_HU = -1024;

export type StoredValues = Int16Array | Uint16Array;

/** True when every value of the series is a whole number of HU, so that 16 bits hold the volume exactly. */
export function isIntegral(slices: readonly SlicePlane[]): boolean {
  return slices.every(
    (slice) => Number.isInteger(slice.rescaleSlope) && Number.isInteger(slice.rescaleIntercept),
  );
}

/**
 * Writes one slice in HU at an offset of the target. Padding becomes air, and so does what is less than air: scanners
 * fill the corners outside their circle with −2000 and the like, whether or not they say so in Pixel Padding Value.
 *
 * @returns how many voxels that were not padding lay below −1024 HU
 * @throws RangeError when the slice does not fit the target (our mistake, not the sender's)
 */
export function toHounsfield(
  stored: StoredValues,
  slice: SlicePlane,
  target: Int16Array | Float32Array,
  offset: number,
): number {
  if (offset + stored.length > target.length)
    throw new RangeError("the slice does not fit the volume");
  const slope = slice.rescaleSlope ?? 1;
  const intercept = slice.rescaleIntercept ?? 0;
  const below =
    target instanceof Int16Array
      ? rescale16(stored, slope, intercept, target, offset)
      : rescale32(stored, slope, intercept, target, offset);
  if (slice.paddingValue === undefined) return below;
  const limit = slice.paddingRangeLimit ?? slice.paddingValue;
  const low = Math.min(slice.paddingValue, limit);
  const high = Math.max(slice.paddingValue, limit);
  return below - fillPadding(stored, low, high, target, offset, slope, intercept);
}

// Small loops of one shape each: inlined in a larger function they run several times slower.
function rescale16(
  stored: StoredValues,
  slope: number,
  intercept: number,
  target: Int16Array,
  offset: number,
): number {
  let below = 0;
  for (let i = 0; i < stored.length; i++) {
    const hu = stored[i]! * slope + intercept;
    if (hu < AIR_HU) below++;
    target[offset + i] = Math.max(AIR_HU, Math.min(32767, hu));
  }
  return below;
}

function rescale32(
  stored: StoredValues,
  slope: number,
  intercept: number,
  target: Float32Array,
  offset: number,
): number {
  let below = 0;
  for (let i = 0; i < stored.length; i++) {
    const hu = stored[i]! * slope + intercept;
    if (hu < AIR_HU) below++;
    target[offset + i] = Math.max(AIR_HU, Math.min(32767, hu));
  }
  return below;
}

/** Returns how many of the padding voxels lay below air. */
function fillPadding(
  stored: StoredValues,
  low: number,
  high: number,
  target: Int16Array | Float32Array,
  offset: number,
  slope: number,
  intercept: number,
): number {
  let below = 0;
  for (let i = 0; i < stored.length; i++) {
    const value = stored[i]!;
    if (value < low || value > high) continue;
    if (value * slope + intercept < AIR_HU) below++;
    target[offset + i] = AIR_HU;
  }
  return below;
}
