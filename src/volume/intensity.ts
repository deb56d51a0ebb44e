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
 * Writes one slice in HU at an offset of the target; padding becomes air; everything else is clamped to 16 bits.
 *
 * @throws RangeError when the slice does not fit the target (our mistake, not the sender's)
 */
export function toHounsfield(
  stored: StoredValues,
  slice: SlicePlane,
  target: Int16Array | Float32Array,
  offset: number,
): void {
  if (offset + stored.length > target.length)
    throw new RangeError("the slice does not fit the volume");
  const slope = slice.rescaleSlope ?? 1;
  const intercept = slice.rescaleIntercept ?? 0;
  if (target instanceof Int16Array) rescale16(stored, slope, intercept, target, offset);
  else rescale32(stored, slope, intercept, target, offset);
  if (slice.paddingValue !== undefined) {
    const limit = slice.paddingRangeLimit ?? slice.paddingValue;
    fillPadding(
      stored,
      Math.min(slice.paddingValue, limit),
      Math.max(slice.paddingValue, limit),
      target,
      offset,
    );
  }
}

// Small loops of one shape each: inlined in a larger function they run several times slower.
function rescale16(
  stored: StoredValues,
  slope: number,
  intercept: number,
  target: Int16Array,
  offset: number,
): void {
  for (let i = 0; i < stored.length; i++) {
    const hu = stored[i]! * slope + intercept;
    target[offset + i] = Math.max(-32768, Math.min(32767, hu));
  }
}

function rescale32(
  stored: StoredValues,
  slope: number,
  intercept: number,
  target: Float32Array,
  offset: number,
): void {
  for (let i = 0; i < stored.length; i++) {
    const hu = stored[i]! * slope + intercept;
    target[offset + i] = Math.max(-32768, Math.min(32767, hu));
  }
}

function fillPadding(
  stored: StoredValues,
  low: number,
  high: number,
  target: Int16Array | Float32Array,
  offset: number,
): void {
  for (let i = 0; i < stored.length; i++) {
    const value = stored[i]!;
    if (value >= low && value <= high) target[offset + i] = AIR_HU;
  }
}
