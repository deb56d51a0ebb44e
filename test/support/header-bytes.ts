/**
 * Bytes of a header in every manner of writing, by the letter of PS3.5 7.1 and 7.5: also those that our own encoder never
 * writes (big endian, undefined lengths).
 */
import type { DataSet, Element } from "../../src/dicom/data-set.ts";
import { encodeFileMeta } from "../../src/dicom/part10.ts";

export interface Manner {
  readonly isExplicit: boolean;
  readonly isLittle: boolean;
  /** Sequences and items have undefined lengths and delimiters. */
  readonly isOpenEnded: boolean;
}

export const MANNERS: readonly (Manner & { readonly syntax: string })[] = [
  { syntax: "1.2.840.10008.1.2", isExplicit: false, isLittle: true },
  { syntax: "1.2.840.10008.1.2.1", isExplicit: true, isLittle: true },
  { syntax: "1.2.840.10008.1.2.2", isExplicit: true, isLittle: false },
].flatMap((manner) => [
  { ...manner, isOpenEnded: false },
  { ...manner, isOpenEnded: true },
]);

const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"]);
const WIDTHS: Readonly<Record<string, number>> = { US: 2, SS: 2, OW: 2, UL: 4, SL: 4, FD: 8 };

export function headerBytes(dataSet: DataSet, manner: Manner): Buffer {
  const elements = [...dataSet.elements.values()].sort((a, b) => a.tag - b.tag);
  return Buffer.concat(elements.map((element) => elementBytes(element, manner)));
}

export function elementBytes(element: Element, manner: Manner): Buffer {
  const { tag, vr } = element;
  const value =
    vr === "SQ"
      ? Buffer.concat((element.items ?? []).map((item) => itemBytes(item, manner)))
      : valueBytes(element, manner);
  const isOpen = vr === "SQ" && manner.isOpenEnded;
  const length = isOpen ? 0xffffffff : value.length;
  const end = isOpen ? [head(0xfffee0dd, 0, manner)] : [];
  if (!manner.isExplicit) return Buffer.concat([head(tag, length, manner), value, ...end]);
  const vrBytes = Buffer.from(vr, "latin1");
  const lengthBytes = LONG.has(vr)
    ? Buffer.concat([Buffer.alloc(2), number(length, 4, manner)])
    : number(length, 2, manner);
  return Buffer.concat([tagBytes(tag, manner), vrBytes, lengthBytes, value, ...end]);
}

export function itemBytes(item: DataSet, manner: Manner): Buffer {
  const value = headerBytes(item, manner);
  if (!manner.isOpenEnded) return Buffer.concat([head(0xfffee000, value.length, manner), value]);
  return Buffer.concat([head(0xfffee000, 0xffffffff, manner), value, head(0xfffee00d, 0, manner)]);
}

/** Tag and a length of 32 bits. */
export function head(tag: number, length: number, manner: Manner): Buffer {
  return Buffer.concat([tagBytes(tag, manner), number(length, 4, manner)]);
}

/** A file: file meta information and data set. */
export function fileBytes(dataSet: Uint8Array, transferSyntaxUid: string): Buffer {
  const uids = { sopClassUid: "1.2.840.10008.5.1.4.1.1.2.1", sopInstanceUid: "1.2.3" };
  return Buffer.concat([encodeFileMeta({ ...uids, transferSyntaxUid }), dataSet]);
}

function tagBytes(tag: number, manner: Manner): Buffer {
  return Buffer.concat([number(tag >>> 16, 2, manner), number(tag & 0xffff, 2, manner)]);
}

function number(value: number, bytes: number, { isLittle }: Manner): Buffer {
  const result = Buffer.alloc(bytes);
  if (isLittle) result.writeUIntLE(value, 0, bytes);
  else result.writeUIntBE(value, 0, bytes);
  return result;
}

function valueBytes({ vr, value }: Element, { isLittle }: Manner): Buffer {
  const bytes = Buffer.from(value);
  const width = isLittle ? 1 : (WIDTHS[vr] ?? 1);
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
  return bytes;
}
