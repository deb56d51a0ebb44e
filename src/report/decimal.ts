/** Numbers as DICOM strings. A DS longer than 16 bytes would be cut by some writers and lose its exponent. */
import { KindredError } from "../kernel/errors.ts";

const DS_CHARACTERS_MAX = 16;

/**
 * The shortest decimal string (DS, PS3.5 6.2) that is nearest to the value within 16 characters.
 *
 * @throws KindredError INTERNAL for values that are not finite
 */
export function decimalString(value: number): string {
  if (!Number.isFinite(value)) {
    throw new KindredError("INTERNAL", "A number in a report is not finite; report this as a bug.");
  }
  const whole = String(Object.is(value, -0) ? 0 : value);
  if (whole.length <= DS_CHARACTERS_MAX) return whole;
  // Fewer and fewer digits, in whichever notation is shorter: JavaScript writes numbers below 1e21 out in full, so
  // that -950000000000000000000 alone takes 22 characters where -9.5e+20 takes 8.
  for (let digits = 16; digits > 0; digits--) {
    const rounded = Number(value.toPrecision(digits));
    if (!Number.isFinite(rounded)) continue; // the largest doubles round up to infinity
    const fitting = [String(rounded), rounded.toExponential()].find(
      (text) => text.length <= DS_CHARACTERS_MAX,
    );
    if (fitting !== undefined) return fitting;
  }
  return value.toExponential(8);
}

/** Rounded to a number of decimals, for values that are not known better. */
export function roundTo(value: number, decimals: number): number {
  const rounded = Number(value.toFixed(decimals));
  return Object.is(rounded, -0) ? 0 : rounded;
}

/** For people: fixed decimals, no trailing zeros beyond the first. */
export function readable(value: number, decimals: number): string {
  return String(roundTo(value, decimals));
}

/** 12345 → `12,345`. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(?:\d{3})+$)/g, ",");
}
