/** Transfer syntaxes whose frames are not, or may not be, what the scanner measured. PS3.5 A.4. */
const LOSSY: ReadonlySet<string> = new Set(
  // JPEG baseline, extended, and two retired ones; JPEG-LS near-lossless; JPEG 2000; JPEG XL; HTJ2K.
  ["50", "51", "53", "55", "81", "91", "93", "111", "112", "203"].map(
    (end) => `1.2.840.10008.1.2.4.${end}`,
  ),
);

/** @returns true also where the syntax allows loss and the one frame at hand may have none (.81, .91, .112, .203) */
export function isLossySyntax(transferSyntaxUid: string): boolean {
  return LOSSY.has(transferSyntaxUid);
}
