/**
 * A small bitmap font for pictures: five by seven dots with two rows for descenders, drawn for Kindred. Each
 * glyph is a string of rows from the top, one base-32 digit a row, the highest bit on the left.
 */

// biome-ignore format: a table reads best in rows
const GLYPHS: Readonly<Record<string, string>> = {
  A: "ehhvhhh", B: "uhhuhhu", C: "ehggghe", D: "uhhhhhu", E: "vgguggv", F: "vgguggg", G: "ehgnhhf",
  H: "hhhvhhh", I: "e44444e", J: "72222ic", K: "hikokih", L: "ggggggv", M: "hrllhhh", N: "hhpljhh",
  O: "ehhhhhe", P: "uhhuggg", Q: "ehhhlid", R: "uhhukih", S: "fgge11u", T: "v444444", U: "hhhhhhe",
  V: "hhhhha4", W: "hhhllla", X: "hha4ahh", Y: "hhha444", Z: "v1248gv",
  a: "00e1fhf", b: "ggmphhu", c: "00egghe", d: "11djhhf", e: "00ehvge", f: "698s888", g: "00fhhhf1e",
  h: "ggmphhh", i: "40c444e", j: "2062222ic", k: "ggikoki", l: "c44444e", m: "00qllll", n: "00mphhh",
  o: "00ehhhe", p: "00uhhhugg", q: "00fhhhf11", r: "00mpggg", s: "00fge1u", t: "88s8896", u: "00hhhjd",
  v: "00hhha4", w: "00hhlla", x: "00ha4ah", y: "00hhhhf1e", z: "00v248v",
  0: "ehjlphe", 1: "4c4444e", 2: "eh1248v", 3: "v2421he", 4: "26aiv22", 5: "vgu11he", 6: "68guhhe",
  7: "v124888", 8: "ehhehhe", 9: "ehhf12c",
  " ": "", ".": "00000cc", ",": "00000cc48", ":": "0cc0cc0", ";": "0cc0cc48", "-": "000e000",
  "+": "044v440", "/": "01248g0", "(": "2488842", ")": "8422248", "%": "op248j3", "#": "aavavaa",
  "=": "00v0v00", _: "000000v", "'": "44", '"': "aa", "!": "4444404", "?": "eh12404", "*": "04lel40",
  "<": "248g842", ">": "8421248", "&": "cik8lid", "@": "ehnlnge", "[": "e88888e", "]": "e22222e",
  "|": "4444444", "~": "008l200", "^": "4ah", "\u00b7": "000c000", "\u00b0": "ciic000", "\u2026": "000000l",
  "\u2013": "000v000", "\u00d7": "00ha4ah",
};

const ROWS = 9;
const COLUMNS = 5;

/** Size of a character cell at scale 1, dots; the scale multiplies it. */
export const CELL = { width: COLUMNS + 1, height: ROWS + 2, capHeight: 7 } as const;

/** Width of a line of text in pixels. */
export function textWidth(text: string, scale: 1 | 2): number {
  return [...plain(text)].length * CELL.width * scale;
}

/** The text, or as much of it as fits with an ellipsis, in pixels. */
export function fitText(text: string, widthPx: number, scale: 1 | 2): string {
  const characters = [...plain(text)];
  const fits = Math.max(0, Math.floor(widthPx / (CELL.width * scale)));
  if (characters.length <= fits) return characters.join("");
  return fits <= 1
    ? characters.slice(0, fits).join("")
    : `${characters
        .slice(0, fits - 1)
        .join("")
        .trimEnd()}\u2026`;
}

/** Calls `dot` for every pixel of the text; at scale 2 corners are smoothed (Scale2x). */
export function drawText(
  text: string,
  left: number,
  top: number,
  scale: 1 | 2,
  dot: (x: number, y: number) => void,
): void {
  let x = left;
  for (const character of plain(text)) {
    const glyph = GLYPHS[character] ?? GLYPHS["?"]!;
    if (scale === 1) drawGlyph(glyph, x, top, dot);
    else drawGlyphTwice(glyph, x, top, dot);
    x += CELL.width * scale;
  }
}

/** Letters with marks lose them: the font has none. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("\u2014", "\u2013");
}

function isSet(glyph: string, column: number, row: number): boolean {
  const digit = glyph[row];
  if (digit === undefined || column < 0 || column >= COLUMNS) return false;
  return ((Number.parseInt(digit, 32) >> (COLUMNS - 1 - column)) & 1) === 1;
}

function drawGlyph(glyph: string, x: number, y: number, dot: (x: number, y: number) => void): void {
  for (let row = 0; row < ROWS; row++)
    for (let column = 0; column < COLUMNS; column++)
      if (isSet(glyph, column, row)) dot(x + column, y + row);
}

/** Each dot becomes four; a corner takes the color of its two neighbors when they agree against it. */
function drawGlyphTwice(
  glyph: string,
  x: number,
  y: number,
  dot: (x: number, y: number) => void,
): void {
  for (let row = -1; row <= ROWS; row++)
    for (let column = -1; column <= COLUMNS; column++) {
      const here = isSet(glyph, column, row);
      const up = isSet(glyph, column, row - 1);
      const down = isSet(glyph, column, row + 1);
      const left = isSet(glyph, column - 1, row);
      const right = isSet(glyph, column + 1, row);
      const corner = (a: boolean, b: boolean, c: boolean, d: boolean): boolean =>
        a === b && a !== c && b !== d ? a : here;
      const [px, py] = [x + column * 2, y + row * 2];
      if (corner(left, up, down, right)) dot(px, py);
      if (corner(up, right, left, down)) dot(px + 1, py);
      if (corner(left, down, up, right)) dot(px, py + 1);
      if (corner(down, right, left, up)) dot(px + 1, py + 1);
    }
}
