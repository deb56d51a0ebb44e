/** Value representations (PS3.5 6.2) as far as reading and writing bytes needs them. */

export interface VrFacts {
  /** Bytes of one value that the byte order turns round; 1 where it does not matter. PS3.5 7.3. */
  readonly width: 1 | 2 | 4 | 8;
  /** Its length takes 16 bits in explicit VR. PS3.5 7.1.2. */
  readonly isShort: boolean;
  /** The byte that makes an odd value even. PS3.5 6.2. */
  readonly padding: number;
}

const NUL = 0x00;
const SPACE = 0x20;

const text = (isShort: boolean): VrFacts => ({ width: 1, isShort, padding: SPACE });
const binary = (width: VrFacts["width"], isShort: boolean): VrFacts => ({
  width,
  isShort,
  padding: NUL,
});

/** A VR that is not listed: a later edition's has a 32-bit length (PS3.5 7.1.2), and its bytes are left alone. */
const UNKNOWN = binary(1, false);

const FACTS: ReadonlyMap<string, VrFacts> = new Map([
  ...["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM"].map(
    (vr) => [vr, text(true)] as const,
  ),
  ...["UC", "UR", "UT"].map((vr) => [vr, text(false)] as const),
  ["UI", binary(1, true)],
  ["AT", binary(2, true)],
  ["SS", binary(2, true)],
  ["US", binary(2, true)],
  ["FL", binary(4, true)],
  ["SL", binary(4, true)],
  ["UL", binary(4, true)],
  ["FD", binary(8, true)],
  ["OB", binary(1, false)],
  ["OW", binary(2, false)],
  ["OF", binary(4, false)],
  ["OL", binary(4, false)],
  ["OD", binary(8, false)],
  ["OV", binary(8, false)],
  ["SV", binary(8, false)],
  ["UV", binary(8, false)],
  ["SQ", binary(1, false)],
  ["UN", binary(1, false)],
]);

/** Two capital letters: a VR, perhaps of an edition that is not known here. */
export function isVr(vr: string): boolean {
  return FACTS.has(vr) || /^[A-Z]{2}$/.test(vr);
}

/** The head of an element takes 12 bytes in explicit VR instead of 8. */
export function isLongVr(vr: string): boolean {
  return !factsOf(vr).isShort;
}

export function factsOf(vr: string): VrFacts {
  return FACTS.get(vr) ?? UNKNOWN;
}

const BY_CODE: ReadonlyMap<number, string> = new Map(
  [...FACTS.keys()].map((vr) => [vr.charCodeAt(0) * 256 + vr.charCodeAt(1), vr]),
);

/** The VR that two bytes name; undefined when they name none. The known ones are found without making a text of them. */
export function vrAt(bytes: Uint8Array, at: number): string | undefined {
  const known = BY_CODE.get(bytes[at]! * 256 + bytes[at + 1]!);
  if (known !== undefined) return known;
  const vr = String.fromCharCode(bytes[at]!, bytes[at + 1]!);
  return isVr(vr) ? vr : undefined;
}
