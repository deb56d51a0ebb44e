/**
 * Character sets of PS3.3 C.12.1.1.2: single-byte ISO 8859 sets, the multi-byte sets without code extensions, and
 * ISO 2022 escapes (PS3.5 6.1.2.5). Decoding never throws: bytes that mean nothing become U+FFFD.
 */

/** Encoding label of a defined term without code extensions. */
const PLAIN: Readonly<Record<string, string>> = {
  "": "latin1",
  "ISO_IR 6": "latin1",
  "ISO_IR 100": "windows-1252",
  "ISO_IR 101": "iso-8859-2",
  "ISO_IR 109": "iso-8859-3",
  "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5",
  "ISO_IR 127": "iso-8859-6",
  "ISO_IR 126": "iso-8859-7",
  "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "windows-1254",
  "ISO_IR 203": "iso-8859-15",
  "ISO_IR 166": "windows-874",
  "ISO_IR 13": "shift_jis",
  "ISO_IR 192": "utf-8",
  GB18030: "gb18030",
  GBK: "gbk",
};

/** What follows an escape sequence: how to decode the run up to the next escape. */
const ESCAPES: readonly {
  readonly sequence: string;
  /** Its defined term. PS3.3 Tables C.12-3, C.12-4. */
  readonly term: string;
  readonly decode: (bytes: Buffer) => string;
}[] = [
  { sequence: "\x1b(B", term: "ISO 2022 IR 6", decode: (bytes) => bytes.toString("latin1") },
  { sequence: "\x1b(J", term: "ISO 2022 IR 13", decode: (bytes) => label("shift_jis", bytes) },
  { sequence: "\x1b)I", term: "ISO 2022 IR 13", decode: (bytes) => label("shift_jis", bytes) },
  { sequence: "\x1b-A", term: "ISO 2022 IR 100", decode: (bytes) => label("windows-1252", bytes) },
  { sequence: "\x1b-B", term: "ISO 2022 IR 101", decode: (bytes) => label("iso-8859-2", bytes) },
  { sequence: "\x1b-C", term: "ISO 2022 IR 109", decode: (bytes) => label("iso-8859-3", bytes) },
  { sequence: "\x1b-D", term: "ISO 2022 IR 110", decode: (bytes) => label("iso-8859-4", bytes) },
  { sequence: "\x1b-L", term: "ISO 2022 IR 144", decode: (bytes) => label("iso-8859-5", bytes) },
  { sequence: "\x1b-G", term: "ISO 2022 IR 127", decode: (bytes) => label("iso-8859-6", bytes) },
  { sequence: "\x1b-F", term: "ISO 2022 IR 126", decode: (bytes) => label("iso-8859-7", bytes) },
  { sequence: "\x1b-H", term: "ISO 2022 IR 138", decode: (bytes) => label("iso-8859-8", bytes) },
  { sequence: "\x1b-M", term: "ISO 2022 IR 148", decode: (bytes) => label("windows-1254", bytes) },
  { sequence: "\x1b-T", term: "ISO 2022 IR 166", decode: (bytes) => label("windows-874", bytes) },
  // JIS X 0208 and 0212: seven-bit pairs, which EUC-JP holds with the high bits set (0212 after 8F).
  {
    sequence: "\x1b$B",
    term: "ISO 2022 IR 87",
    decode: (bytes) => label("euc-jp", Buffer.from(bytes.map((byte) => byte | 0x80))),
  },
  {
    sequence: "\x1b$@",
    term: "ISO 2022 IR 87",
    decode: (bytes) => label("euc-jp", Buffer.from(bytes.map((byte) => byte | 0x80))),
  },
  {
    sequence: "\x1b$(D",
    term: "ISO 2022 IR 159",
    decode: (bytes) => label("euc-jp", pairsAfter8f(bytes)),
  },
  // KS X 1001 and GB 2312 in G1: their bytes have the high bit set already.
  { sequence: "\x1b$)C", term: "ISO 2022 IR 149", decode: (bytes) => label("euc-kr", bytes) },
  { sequence: "\x1b$)A", term: "ISO 2022 IR 58", decode: (bytes) => label("gb18030", bytes) },
];

/** Defined terms that are decoded: without code extensions, then with. Anything else is read as Latin-1. */
export function knownCharacterSets(): { readonly plain: string[]; readonly extended: string[] } {
  return {
    plain: Object.keys(PLAIN).filter((term) => term !== ""),
    extended: [...new Set(ESCAPES.map(({ term }) => term))],
  };
}

/**
 * Text of a value.
 *
 * @param characterSets - the values of Specific Character Set; empty means the default repertoire
 */
export function decodeText(
  bytes: Uint8Array,
  characterSets: readonly string[],
  _vr: string,
): string {
  // Plain ASCII is the same in every one of them.
  if (isPlain(bytes)) return bytesText(bytes);
  const buffer = bufferOf(bytes);
  const first = (characterSets[0] ?? "").replace(/^ISO 2022 IR /, "ISO_IR ");
  const initial = PLAIN[first] ?? "latin1";
  if (!buffer.includes(0x1b)) return label(initial, buffer);
  return decodeEscaped(buffer, initial);
}

function decodeEscaped(buffer: Buffer, initial: string): string {
  let text = "";
  let decode = (bytes: Buffer) => label(initial, bytes);
  let start = 0;
  let at = buffer.indexOf(0x1b);
  while (at >= 0) {
    text += decodeRun(buffer.subarray(start, at), decode, initial);
    const found = ESCAPES.find(
      ({ sequence }) => buffer.toString("latin1", at, at + sequence.length) === sequence,
    );
    // G1 sets change only the upper half, so ASCII in the run stays ASCII in their encodings too.
    if (found !== undefined) decode = found.decode;
    start = at + (found?.sequence.length ?? 1);
    at = buffer.indexOf(0x1b, start);
  }
  return text + decodeRun(buffer.subarray(start), decode, initial);
}

/** Delimiters (CR LF TAB FF, backslash, ^ and =) reset to the first character set. PS3.5 6.1.2.5.3. */
function decodeRun(run: Buffer, decode: (bytes: Buffer) => string, initial: string): string {
  const reset = run.findIndex(
    (byte) => byte === 0x5c || byte === 0x5e || byte === 0x3d || byte === 0x0d || byte === 0x0a,
  );
  const isPairs =
    run.length > 0 &&
    run.every((byte) => byte < 0x80) &&
    decode(Buffer.from([0x30, 0x21])).length === 1;
  if (reset < 0 || isPairs) return decode(run);
  return decode(run.subarray(0, reset)) + label(initial, run.subarray(reset));
}

function pairsAfter8f(bytes: Buffer): Buffer {
  const out: number[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2)
    out.push(0x8f, bytes[at]! | 0x80, bytes[at + 1]! | 0x80);
  return Buffer.from(out);
}

/** Bytes as Latin-1, whatever character set they are in. */
export function bytesText(bytes: Uint8Array): string {
  return bufferOf(bytes).toString("latin1");
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Only ASCII, and no escape. */
function isPlain(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte >= 0x80 || byte === 0x1b) return false;
  return true;
}

function label(encoding: string, bytes: Buffer): string {
  return encoding === "latin1" ? bytes.toString("latin1") : new TextDecoder(encoding).decode(bytes);
}
