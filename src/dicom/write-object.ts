/** Objects that we build (reports): naturalized attributes → a Part 10 file, through dcmjs. */
import dcmjs from "dcmjs";
import { KindredError } from "../kernel/errors.ts";
import { encodeFileMeta } from "./part10.ts";
import { tagOf } from "./tags.ts";
import { UID } from "./uids.ts";

const { DicomDict, DicomMetaDictionary } = dcmjs.data;

/**
 * Writes an object in explicit VR little endian, always in ISO_IR 192.
 *
 * @param naturalized - keywords to values; sequences as arrays of plain objects
 * @throws KindredError `INTERNAL` for an unknown keyword or a decimal string that dcmjs would cut
 */
export function writeObject(
  naturalized: Readonly<Record<string, unknown>>,
  options: { sopClassUid: string; sopInstanceUid: string },
): Buffer {
  check(naturalized, "");
  const whole = {
    ...naturalized,
    SpecificCharacterSet: "ISO_IR 192",
    SOPClassUID: options.sopClassUid,
    SOPInstanceUID: options.sopInstanceUid,
  };
  const dict = new DicomDict({
    "00020010": { vr: "UI", Value: [UID.explicitVrLittleEndian] },
  });
  dict.dict = DicomMetaDictionary.denaturalizeDataset(whole);
  const file = Buffer.from(dict.write() as ArrayBuffer);
  // dcmjs writes its own implementation UID; the file meta is ours, the data set is its.
  const body = file.subarray(dataSetOffset(file));
  return Buffer.concat([
    encodeFileMeta({ ...options, transferSyntaxUid: UID.explicitVrLittleEndian }),
    body,
  ]);
}

function dataSetOffset(file: Buffer): number {
  // (0002,0000) File Meta Information Group Length: UL, 4 bytes of value.
  return 132 + 12 + file.readUInt32LE(132 + 8);
}

const DS_CHARACTERS_MAX = 16;

/** dcmjs drops unknown keywords and cuts long DS values in silence: both are our mistakes, said aloud. */
function check(node: Readonly<Record<string, unknown>>, path: string): void {
  for (const [keyword, value] of Object.entries(node)) {
    if (keyword.startsWith("_")) continue;
    const tag = tagOf(keyword);
    if (tag === undefined)
      throw new KindredError("INTERNAL", `${path}${keyword} is no keyword of the dictionary`);
    const values = Array.isArray(value) ? value : [value];
    for (const one of values) {
      if (
        typeof one === "object" &&
        one !== null &&
        !(one instanceof ArrayBuffer) &&
        !ArrayBuffer.isView(one)
      ) {
        check(one as Record<string, unknown>, `${path}${keyword}.`);
      } else if (DS_KEYWORDS.has(keyword) && String(one).length > DS_CHARACTERS_MAX) {
        throw new KindredError(
          "INTERNAL",
          `${path}${keyword} is longer than a decimal string may be`,
        );
      }
    }
  }
}

const DS_KEYWORDS = new Set([
  "NumericValue",
  "SliceThickness",
  "PixelSpacing",
  "PatientSize",
  "PatientWeight",
]);
