/**
 * Bytes → data set. PS3.5 7.1 (elements), 7.5 (sequences), Annex A (transfer syntaxes). Every length is checked
 * against what is there before anything is allocated; nesting and the number of elements are bounded.
 */
import { inflateRawSync } from "node:zlib";
import { KindredError } from "../kernel/errors.ts";
import { SEQUENCE_DEPTH_MAX } from "../kernel/limits.ts";
import { DataSet, type Element } from "./data-set.ts";
import {
  DELIMITER_GROUP,
  formatTag,
  ITEM,
  ITEM_END,
  isPixelData,
  SEQUENCE_END,
  TAG,
  vrOf,
} from "./tags.ts";
import { TRANSFER_SYNTAXES } from "./uids.ts";
import { factsOf, isLongVr, vrAt } from "./vr.ts";

export interface DecodeOptions {
  /** One that is not known is read as explicit VR little endian: all encapsulated ones are (PS3.5 A.4). */
  readonly transferSyntaxUid: string;
  /** Stop before this tag at the top level. */
  readonly untilTag?: number;
  /** What is kept of the top level; the rest is walked and checked all the same. Everything when not given. */
  readonly tags?: ReadonlySet<number>;
  /** Sequences within sequences; 0 allows none. */
  readonly depthMax?: number;
  /**
   * Elements and items to read, nested ones included; there reading stops and what the top level has is given. For
   * headers, of which only the beginning is of use; without it too many are an error.
   */
  readonly elementsMax?: number;
  /** Elements and items above which the data set is refused; a million when not given. */
  readonly elementsAllowed?: number;
  /**
   * Longer values are left empty and the others are copied, so that the bytes decoded from can be let go. Without
   * it values are views of those bytes.
   */
  readonly keepValueBytesMax?: number;
}

const UNDEFINED_LENGTH = 0xffffffff;
const NO_TAG = 0x1_0000_0000;
/** Elements and items of one data set; real ones stay below, and each costs us more memory than its eight bytes. */
const ELEMENTS_MAX = 1_000_000;
/** A deflated data set of more is not inflated in memory. */
const INFLATED_BYTES_MAX = 1_073_741_824;
const EMPTY = new Uint8Array(0);

/**
 * Decodes a data set (without file meta). Values of big-endian data sets come out little endian; a deflated one is
 * inflated first. A tag that comes twice in one data set counts where it came first.
 *
 * @throws KindredError `DATASET_UNREADABLE` naming the element that does not fit
 */
export function decodeDataSet(bytes: Uint8Array, options: DecodeOptions): DataSet {
  const syntax = TRANSFER_SYNTAXES.get(options.transferSyntaxUid);
  const body = syntax?.isDeflated === true ? inflated(bytes) : bytes;
  const encoding = {
    isExplicit: syntax?.isExplicit ?? true,
    isLittle: syntax?.isLittleEndian ?? true,
  };
  return new Reader(body, encoding, options).dataSet({
    end: body.length,
    isOpenEnded: false,
    depth: 0,
    isSigned: false,
    untilTag: options.untilTag ?? NO_TAG,
  });
}

function inflated(bytes: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX });
  } catch (cause) {
    throw new KindredError("DATASET_UNREADABLE", "The deflated data set cannot be inflated", {
      cause,
    });
  }
}

interface Encoding {
  readonly isExplicit: boolean;
  readonly isLittle: boolean;
}

/** UN of undefined length is an implicit VR little endian sequence in any transfer syntax. PS3.5 6.2.2 note 2. */
const WITHIN_UNKNOWN: Encoding = { isExplicit: false, isLittle: true };

/** Where a run of elements or items ends, and what holds in it. */
interface Scope {
  readonly end: number;
  /** The length was undefined: a delimiter must come before `end`. */
  readonly isOpenEnded: boolean;
  readonly depth: number;
  /** Pixel Representation in force. */
  readonly isSigned: boolean;
  readonly untilTag: number;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #depthMax: number;
  readonly #keepValueBytesMax: number | undefined;
  readonly #tags: ReadonlySet<number> | undefined;
  #encoding: Encoding;
  #at = 0;
  #count = 0;
  readonly #elementsMax: number;
  readonly #elementsAllowed: number;

  constructor(bytes: Uint8Array, encoding: Encoding, options: DecodeOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#encoding = encoding;
    this.#depthMax = options.depthMax ?? SEQUENCE_DEPTH_MAX;
    this.#keepValueBytesMax = options.keepValueBytesMax;
    this.#tags = options.tags;
    this.#elementsMax = options.elementsMax ?? Number.POSITIVE_INFINITY;
    this.#elementsAllowed = Math.min(options.elementsAllowed ?? ELEMENTS_MAX, ELEMENTS_MAX);
  }

  dataSet(scope: Scope): DataSet {
    const { end, isOpenEnded, depth, untilTag } = scope;
    if (depth > this.#depthMax) throw unreadable("sequences are nested too deeply");
    const dataSet = new DataSet();
    const tags = depth === 0 ? this.#tags : undefined;
    let { isSigned } = scope;
    while (this.#at < end) {
      const start = this.#at;
      const tag = this.#tag(end);
      if (isOpenEnded && tag === ITEM_END) {
        this.#u32(end);
        return dataSet;
      }
      if (tag >>> 16 === DELIMITER_GROUP)
        throw unreadable(`${formatTag(tag)} stands where an element must`);
      if (tag >= untilTag) {
        this.#at = start;
        return dataSet;
      }
      const isKept = tags === undefined || tags.has(tag) || tag === TAG.PixelRepresentation;
      const element = this.#element(tag, end, depth, isSigned, isKept);
      if (this.#count > this.#elementsMax) return dataSet;
      if (element === undefined || !isKept) continue;
      if (!dataSet.has(tag)) dataSet.set(element);
      if (tag === TAG.PixelRepresentation) isSigned = element.value[0] === 1;
    }
    if (isOpenEnded) throw unreadable("an item of undefined length has no end");
    return dataSet;
  }

  /** Reads one element; undefined when it has a value that is not to be kept. */
  #element(
    tag: number,
    end: number,
    depth: number,
    isSigned: boolean,
    isKept: boolean,
  ): Element | undefined {
    this.#countOne();
    const vr = this.#encoding.isExplicit ? this.#vr(tag, end) : vrOf(tag, isSigned);
    const length = this.#length(vr, end);
    if (length === UNDEFINED_LENGTH) return this.#openEnded(tag, vr, { end, depth, isSigned });
    if (length > end - this.#at) throw unreadable(`${formatTag(tag)} is longer than what is left`);
    const at = this.#at;
    if (vr === "SQ") {
      const items = this.#items({ end: at + length, isOpenEnded: false, depth, isSigned });
      return { tag, vr, value: EMPTY, items };
    }
    this.#at = at + length;
    if (!isKept) return undefined;
    const value = length === 0 ? EMPTY : this.#bytes.subarray(at, at + length);
    return { tag, vr, value: this.#kept(this.#encoding.isLittle ? value : swapped(value, vr)) };
  }

  #vr(tag: number, end: number): string {
    this.#need(2, end);
    const vr = vrAt(this.#bytes, this.#at);
    if (vr === undefined) throw unreadable(`${formatTag(tag)} has no valid VR`);
    this.#at += 2;
    return vr;
  }

  #length(vr: string, end: number): number {
    if (!this.#encoding.isExplicit) return this.#u32(end);
    if (!isLongVr(vr)) return this.#u16(end);
    this.#u16(end);
    return this.#u32(end);
  }

  #openEnded(tag: number, vr: string, scope: Omit<Scope, "isOpenEnded" | "untilTag">): Element {
    if (isPixelData(tag)) {
      const value = this.#kept(this.#fragments(scope.end));
      return { tag, vr: "OB", value, isEncapsulated: true };
    }
    const outside = this.#encoding;
    if (vr === "UN") this.#encoding = WITHIN_UNKNOWN;
    const items = this.#items({ ...scope, isOpenEnded: true });
    this.#encoding = outside;
    return { tag, vr: "SQ", value: EMPTY, items };
  }

  #items(scope: Omit<Scope, "untilTag">): DataSet[] {
    const { end, isOpenEnded } = scope;
    const items: DataSet[] = [];
    while (this.#at < end) {
      if (this.#count > this.#elementsMax) return items;
      const tag = this.#tag(end);
      const length = this.#u32(end);
      if (isOpenEnded && tag === SEQUENCE_END) return items;
      if (tag !== ITEM) throw unreadable(`${formatTag(tag)} stands where an item must`);
      this.#countOne();
      const isItemOpenEnded = length === UNDEFINED_LENGTH;
      if (!isItemOpenEnded && length > end - this.#at)
        throw unreadable("an item is longer than its sequence");
      items.push(
        this.dataSet({
          end: isItemOpenEnded ? end : this.#at + length,
          isOpenEnded: isItemOpenEnded,
          depth: scope.depth + 1,
          isSigned: scope.isSigned,
          untilTag: NO_TAG,
        }),
      );
    }
    if (isOpenEnded) throw unreadable("a sequence of undefined length has no end");
    return items;
  }

  /** Encapsulated Pixel Data: item by item to its delimiter; the value is the whole run. PS3.5 A.4. */
  #fragments(end: number): Uint8Array {
    const start = this.#at;
    while (this.#at < end) {
      const tag = this.#tag(end);
      const length = this.#u32(end);
      if (tag === SEQUENCE_END) return this.#bytes.subarray(start, this.#at);
      if (tag !== ITEM || length > end - this.#at)
        throw unreadable("a fragment of Pixel Data does not fit");
      this.#at += length;
    }
    throw unreadable("encapsulated Pixel Data has no end");
  }

  #kept(value: Uint8Array): Uint8Array {
    if (this.#keepValueBytesMax === undefined) return value;
    return value.length > this.#keepValueBytesMax ? EMPTY : Uint8Array.from(value);
  }

  #countOne(): void {
    this.#count++;
    if (this.#count > this.#elementsAllowed)
      throw unreadable(`it has more than ${this.#elementsAllowed} elements`);
  }

  #tag(end: number): number {
    this.#need(4, end);
    const { isLittle } = this.#encoding;
    const group = this.#view.getUint16(this.#at, isLittle);
    const element = this.#view.getUint16(this.#at + 2, isLittle);
    this.#at += 4;
    return group * 0x10000 + element;
  }

  #u16(end: number): number {
    this.#need(2, end);
    const value = this.#view.getUint16(this.#at, this.#encoding.isLittle);
    this.#at += 2;
    return value;
  }

  #u32(end: number): number {
    this.#need(4, end);
    const value = this.#view.getUint32(this.#at, this.#encoding.isLittle);
    this.#at += 4;
    return value;
  }

  #need(count: number, end: number): void {
    if (end - this.#at < count) throw unreadable("it ends inside an element");
  }
}

/** A little-endian copy of a big-endian value. PS3.5 7.3. */
export function swapped(value: Uint8Array, vr: string): Uint8Array {
  const { width } = factsOf(vr);
  if (width === 1) return value;
  const copy = Buffer.from(value);
  const whole = copy.subarray(0, copy.length - (copy.length % width));
  if (width === 2) whole.swap16();
  else if (width === 4) whole.swap32();
  else whole.swap64();
  return copy;
}

function unreadable(why: string): KindredError {
  return new KindredError("DATASET_UNREADABLE", `The data set cannot be read: ${why}`);
}
