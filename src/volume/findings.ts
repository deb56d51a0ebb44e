/** Small helpers for findings. */
import type { VerdictFinding } from "./types.ts";

/** @param unit - UCUM; `1` for counts */
export function finding(
  code: string,
  value: number | null,
  unit: string,
  message: string,
): VerdictFinding {
  return { code, value: value === null ? null : rounded(value), unit, message };
}

/** To a ten-thousandth: no scanner is more exact. */
export function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

/** "1 slice", "3 slices". */
export function slicesText(count: number): string {
  return count === 1 ? "1 slice" : `${count} slices`;
}
