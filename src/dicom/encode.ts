/** Data set → bytes: ascending tags, defined lengths, even values. PS3.5 7.1, 7.5, A.1, A.2, A.4, A.5. */
import { deflateRawSync } from "node:zlib";
import { KindredError } from "../kernel/errors.ts";
import type { DataSet, Element } from "./data-set.ts";
import { formatTag, ITEM } from "./tags.ts";
import { TRANSFER_SYNTAXES } from "./uids.ts";
import { factsOf, isLongVr } from "./vr.ts";

/** Longest even value whose length fits 16 bits. */
const SHORT_LENGTH_MAX = 0xfffe;
const LENGTH_MAX = 0xfffffffe;
const UNDEFINED_LENGTH = 0xffffffff;
const ITEM_HEAD_BYTES = 8;

/**
 * Encodes in any little-endian transfer syntax. Pixel Data are written as they are: compressed ones stay a run of
 * fragments, and nothing is compressed here.
 *
 * @throws KindredError `INTERNAL` for big endian, and for a value longer than a length field can say
 */
export function encodeDataSet(dataSet: DataSet, transferSyntaxUid: string): Buffer {
  const syntax = TRANSFER_SYNTAXES.get(transferSyntaxUid);
  if (syntax?.isLittleEndian === false)
    throw new KindredError("INTERNAL", "Data sets are not written in big endian");
  const body = new Writer(syntax?.isExplicit ?? true).write(dataSet);
  if (syntax?.isDeflated !== true) return body;
  const deflated = deflateRawSync(body);
  return deflated.length % 2 === 0 ? deflated : Buffer.concat([deflated, Buffer.of(0)]);
}

/** Measures everything, then writes it into one buffer. */
class Writer {
  readonly #isExplicit: boolean;
  /** Lengths of sequences and items, in the order in which they begin. */
  readonly #lengths: number[] = [];
  #nextLength = 0;
  #bytes = Buffer.alloc(0);
  #at = 0;

  constructor(isExplicit: boolean) {
    this.#isExplicit = isExplicit;
  }

  write(dataSet: DataSet): Buffer {
    this.#bytes = Buffer.allocUnsafe(this.#measure(dataSet));
    this.#elements(dataSet);
    return this.#bytes;
  }

  #measure(dataSet: DataSet): number {
    let bytes = 0;
    for (const element of sorted(dataSet)) {
      const value = element.vr === "SQ" ? this.#measureItems(element) : evenLength(element);
      bytes += this.#headBytes(vrOf(element, this.#isExplicit)) + value;
    }
    return bytes;
  }

  #measureItems(element: Element): number {
    const slot = this.#lengths.push(0) - 1;
    let bytes = 0;
    for (const item of element.items ?? []) {
      const itemSlot = this.#lengths.push(0) - 1;
      const length = checked(this.#measure(item), element);
      this.#lengths[itemSlot] = length;
      bytes += ITEM_HEAD_BYTES + length;
    }
    this.#lengths[slot] = checked(bytes, element);
    return bytes;
  }

  #headBytes(vr: string): number {
    return this.#isExplicit && isLongVr(vr) ? 12 : 8;
  }

  #elements(dataSet: DataSet): void {
    for (const element of sorted(dataSet)) {
      const vr = vrOf(element, this.#isExplicit);
      if (element.vr === "SQ") {
        this.#head(element.tag, vr, this.#lengths[this.#nextLength++]!);
        for (const item of element.items ?? []) {
          this.#tag(ITEM);
          this.#at = this.#bytes.writeUInt32LE(this.#lengths[this.#nextLength++]!, this.#at);
          this.#elements(item);
        }
        continue;
      }
      const length = evenLength(element);
      this.#head(element.tag, vr, element.isEncapsulated === true ? UNDEFINED_LENGTH : length);
      this.#bytes.set(element.value, this.#at);
      this.#at += element.value.length;
      if (length > element.value.length) this.#bytes[this.#at++] = factsOf(element.vr).padding;
    }
  }

  #head(tag: number, vr: string, length: number): void {
    this.#tag(tag);
    if (!this.#isExplicit) {
      this.#at = this.#bytes.writeUInt32LE(length, this.#at);
      return;
    }
    this.#bytes[this.#at++] = vr.charCodeAt(0);
    this.#bytes[this.#at++] = vr.charCodeAt(1);
    if (!isLongVr(vr)) {
      this.#at = this.#bytes.writeUInt16LE(length, this.#at);
      return;
    }
    this.#at = this.#bytes.writeUInt16LE(0, this.#at);
    this.#at = this.#bytes.writeUInt32LE(length, this.#at);
  }

  #tag(tag: number): void {
    this.#at = this.#bytes.writeUInt16LE(tag >>> 16, this.#at);
    this.#at = this.#bytes.writeUInt16LE(tag & 0xffff, this.#at);
  }
}

function sorted(dataSet: DataSet): Element[] {
  return [...dataSet.elements.values()].sort((a, b) => a.tag - b.tag);
}

/** A value too long for its VR's 16-bit length goes out as UN, as PS3.5 6.2.2 note 1 says. */
function vrOf({ vr, value, isEncapsulated }: Element, isExplicit: boolean): string {
  if (isEncapsulated === true) return "OB";
  return isExplicit && value.length > SHORT_LENGTH_MAX && factsOf(vr).isShort ? "UN" : vr;
}

/** Fragments are written as they are; they end with a delimiter. */
function evenLength(element: Element): number {
  const { length } = element.value;
  return element.isEncapsulated === true ? length : checked(length + (length % 2), element);
}

function checked(length: number, element: Element): number {
  if (length <= LENGTH_MAX) return length;
  throw new KindredError("INTERNAL", `${formatTag(element.tag)} is too long for a data set`);
}
