/**
 * Chosen elements of a header, read window by window. For files on disk: it passes what it does not need by its length
 * alone, so that a private block of a gigabyte costs nothing and a fault within a sequence nobody asks for does no
 * harm. (`decode.ts` reads and checks everything.) PS3.5 7.1, 7.5, 6.2.2.
 */
import { KindredError } from "../kernel/errors.ts";
import { SEQUENCE_DEPTH_MAX } from "../kernel/limits.ts";
import { DataSet, type Element } from "./data-set.ts";
import { swapped } from "./decode.ts";
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
import { isLongVr, vrAt } from "./vr.ts";

export interface SkimOptions {
  readonly isExplicit: boolean;
  readonly isLittleEndian: boolean;
  /** What is kept, at the top level and within the sequences that are kept, of which there is one within another at most. */
  readonly tags: ReadonlySet<number>;
  /** A sequence whose items are handed over one by one; all others keep their first item only. */
  readonly itemsOf?: number;
  /**
   * Gets the items of {@link itemsOf}, from index 0 again when the sequence is walked again in a larger window. They hold
   * when the header has the sequence at the end.
   */
  readonly onItem?: (item: DataSet, index: number) => void;
}

/**
 * Where a window was left: `more` continues at offset `at` of it, which may lie behind its end, and needs `bytes` from
 * there; `pixels` gives the first byte of the value of (any) Pixel Data, and undefined for an undefined length.
 */
export type SkimHalt =
  | { readonly state: "more"; readonly at: number; readonly bytes: number }
  | {
      readonly state: "pixels";
      readonly tag: number;
      readonly at: number;
      readonly length: number | undefined;
    }
  | { readonly state: "end" };

const UNDEFINED_LENGTH = 0xffffffff;
/** Longer values are left out: nothing that is asked for is as long. */
const VALUE_BYTES_MAX = 1_024;
/** Elements and items of all windows together; 20,000 frames of a wordy scanner have a million. */
const ELEMENTS_MAX = 4_000_000;
/** Sequences within sequences that are kept: a macro within functional groups. */
const KEPT_DEPTH_MAX = 1;
/** Items of one sequence that are handed over. */
const ITEMS_MAX = 20_000;
/** An explicit VR head with a long length. */
const HEAD_BYTES = 12;
const EMPTY = new Uint8Array(0);
const NO_ITEMS: readonly DataSet[] = [];

interface Encoding {
  readonly isExplicit: boolean;
  readonly isLittleEndian: boolean;
}

/** UN holds a sequence as implicit VR little endian in any transfer syntax. PS3.5 6.2.2 note 2. */
const IMPLICIT_LITTLE: Encoding = { isExplicit: false, isLittleEndian: true };
const EXPLICIT_LITTLE: Encoding = { isExplicit: true, isLittleEndian: true };

/** More bytes are needed; thrown and caught in this file only. */
class Cut extends Error {
  /** Offset in the window up to which it must reach. */
  readonly end: number;
  constructor(end: number) {
    super("cut");
    this.end = end;
  }
}

interface Scope {
  readonly end: number;
  readonly depth: number;
  readonly isKept: boolean;
}

interface OpenScope extends Scope {
  /** The length was undefined: a delimiter must come before `end`. */
  readonly isOpenEnded: boolean;
}

export class HeaderSkim {
  readonly header = new DataSet();
  readonly #options: SkimOptions;
  #encoding: Encoding;
  #bytes: Uint8Array = EMPTY;
  #isLast = false;
  #at = 0;
  #count = 0;
  #isBegun = false;

  constructor(options: SkimOptions) {
    this.#options = options;
    this.#encoding = options;
  }

  /**
   * Walks a window that begins between two elements of the top level. What is kept are views of it.
   *
   * @param isLast - nothing follows the window
   * @throws KindredError `DATASET_UNREADABLE` naming the element behind which nothing can be read
   */
  walk(bytes: Uint8Array, isLast: boolean): SkimHalt {
    this.#bytes = bytes;
    this.#isLast = isLast;
    this.#at = 0;
    if (!this.#isBegun) this.#encoding = this.#seen(bytes.length, true);
    this.#isBegun = true;
    const outside = this.#encoding;
    while (this.#at < bytes.length) {
      const start = this.#at;
      try {
        const halt = this.#topElement(bytes.length);
        if (halt !== undefined) return halt;
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
        this.#encoding = outside;
        return { state: "more", at: start, bytes: error.end - start };
      }
    }
    if (!isLast) return { state: "more", at: this.#at, bytes: HEAD_BYTES };
    if (this.#at > bytes.length) throw unreadable("it ends inside an element");
    return { state: "end" };
  }

  #topElement(end: number): SkimHalt | undefined {
    const tag = this.#tag(end);
    if (tag >>> 16 === DELIMITER_GROUP) {
      this.#stray(tag, end);
      return undefined;
    }
    if (tag > TAG.PixelData) return { state: "end" };
    if (isPixelData(tag)) {
      const length = this.#length(this.#vr(tag, end), end);
      return {
        state: "pixels",
        tag,
        at: this.#at,
        length: length === UNDEFINED_LENGTH ? undefined : length,
      };
    }
    // Of a tag that comes twice the first counts.
    const isFirst = !this.header.has(tag);
    try {
      const element = this.#element(tag, { end, depth: 0, isKept: isFirst });
      if (isFirst && element !== undefined) this.header.set(element);
    } catch (error) {
      // Items that were handed over.
      if (isFirst) this.header.delete(tag);
      throw error;
    }
    return undefined;
  }

  /** What a sequence with too short a length leaves at the top level: items are passed, delimiters too. */
  #stray(tag: number, end: number): void {
    const length = this.#u32(end);
    if (tag !== ITEM) return;
    if (length === UNDEFINED_LENGTH)
      this.#item({ end, depth: 1, isKept: false, isOpenEnded: true });
    else this.#at += length;
  }

  /** Undefined for one that is passed. */
  #element(tag: number, scope: Scope): Element | undefined {
    this.#countOne();
    const { end, depth } = scope;
    const stated = this.#vr(tag, end);
    const length = this.#length(stated, end);
    const isKept = scope.isKept && this.#options.tags.has(tag);
    const isSequenceKept = isKept && depth <= KEPT_DEPTH_MAX;
    if (length === UNDEFINED_LENGTH)
      return this.#openEnded(tag, stated, { end, depth, isKept: isSequenceKept });
    const at = this.#at;
    const vr = stated === "UN" && isKept ? vrOf(tag) : stated;
    if (!isKept || (vr === "SQ" && !isSequenceKept)) {
      // At the top level it may well end behind the window.
      if (depth > 0) this.#need(length, end);
      this.#at = at + length;
      return undefined;
    }
    if (vr === "SQ") {
      this.#need(length, end);
      const items = this.#closedItems(tag, stated, { end: at + length, depth, isKept });
      this.#at = at + length;
      return items === undefined ? undefined : { tag, vr, value: EMPTY, items };
    }
    if (length > VALUE_BYTES_MAX && depth === 0) {
      this.#at = at + length;
      return undefined;
    }
    this.#need(length, end);
    this.#at = at + length;
    if (length > VALUE_BYTES_MAX) return undefined;
    const value = this.#bytes.subarray(at, at + length);
    return { tag, vr, value: this.#encoding.isLittleEndian ? value : swapped(value, stated) };
  }

  /** The length says where it ends: with a fault within it is undefined, and reading goes on behind it. */
  #closedItems(tag: number, statedVr: string, scope: Scope): readonly DataSet[] | undefined {
    const outside = this.#encoding;
    const isLast = this.#isLast;
    if (statedVr === "UN") this.#encoding = IMPLICIT_LITTLE;
    // All of it is here.
    this.#isLast = true;
    try {
      return this.#items(tag, { ...scope, isOpenEnded: false });
    } catch (error) {
      // Within an item it may be what a frame states in place of the shared: then nothing of the whole is believed.
      const isLost = scope.depth > 0 || this.#count > ELEMENTS_MAX;
      if (isLost || !(error instanceof KindredError)) throw error;
      this.header.delete(tag);
      return undefined;
    } finally {
      this.#encoding = outside;
      this.#isLast = isLast;
    }
  }

  #openEnded(tag: number, vr: string, scope: Scope): Element | undefined {
    const outside = this.#encoding;
    if (vr === "UN") this.#encoding = IMPLICIT_LITTLE;
    const items = this.#items(tag, { ...scope, isOpenEnded: true });
    this.#encoding = outside;
    return scope.isKept ? { tag, vr: "SQ", value: EMPTY, items } : undefined;
  }

  #items(tag: number, scope: OpenScope): readonly DataSet[] {
    const { end, isOpenEnded, isKept } = scope;
    const isHandedOver = isKept && scope.depth === 0 && tag === this.#options.itemsOf;
    let first: DataSet | undefined;
    for (let index = 0; isOpenEnded || this.#at < end; index++) {
      const itemTag = this.#tag(end);
      const length = this.#u32(end);
      if (isOpenEnded && itemTag === SEQUENCE_END) break;
      if (itemTag !== ITEM) throw unreadable(`${formatTag(itemTag)} stands where an item must`);
      this.#countOne();
      const isItemKept = isKept && (isHandedOver ? index < ITEMS_MAX : index === 0);
      const item = this.#boundedItem(length, { ...scope, isKept: isItemKept });
      if (isHandedOver && isItemKept) this.#handOver(tag, item, index);
      else if (index === 0) first = item;
    }
    return first === undefined || !isKept ? NO_ITEMS : [first];
  }

  #boundedItem(length: number, scope: OpenScope): DataSet {
    const isOpenEnded = length === UNDEFINED_LENGTH;
    if (!isOpenEnded) this.#need(length, scope.end);
    const end = isOpenEnded ? scope.end : this.#at + length;
    if (!isOpenEnded && !scope.isKept) {
      this.#at = end;
      return new DataSet();
    }
    return this.#item({ end, isOpenEnded, depth: scope.depth + 1, isKept: scope.isKept });
  }

  #item(scope: OpenScope): DataSet {
    const { end, isOpenEnded } = scope;
    if (scope.depth > SEQUENCE_DEPTH_MAX) throw unreadable("sequences are nested too deeply");
    const item = new DataSet();
    const outside = this.#encoding;
    if (this.#at < end) this.#encoding = this.#seen(end, false);
    while (isOpenEnded || this.#at < end) {
      const tag = this.#tag(end);
      if (isOpenEnded && tag === ITEM_END) {
        this.#u32(end);
        break;
      }
      if (tag >>> 16 === DELIMITER_GROUP)
        throw unreadable(`${formatTag(tag)} stands where an element must`);
      const element = this.#element(tag, scope);
      if (element !== undefined && !item.has(tag)) item.set(element);
    }
    this.#encoding = outside;
    return item;
  }

  /** Within the header while it is looked at: its text is then read by the header's character set. */
  #handOver(tag: number, item: DataSet, index: number): void {
    this.header.set({ tag, vr: "SQ", value: EMPTY, items: [item] });
    this.#options.onItem?.(item, index);
  }

  /**
   * The encoding that is seen: some write implicit VR, in an item or altogether, though the transfer syntax is an explicit
   * one; no VR stands there then. Explicit VR where it should be implicit is believed of a whole header only, whose first
   * element has no length that looks like a VR.
   */
  #seen(end: number, isTop: boolean): Encoding {
    const encoding = this.#encoding;
    if (!encoding.isLittleEndian || end - this.#at < 8) return encoding;
    const group = this.#bytes[this.#at]! + this.#bytes[this.#at + 1]! * 256;
    if (group === DELIMITER_GROUP) return encoding;
    if (vrAt(this.#bytes, this.#at + 4) === undefined) return IMPLICIT_LITTLE;
    return isTop ? EXPLICIT_LITTLE : encoding;
  }

  #vr(tag: number, end: number): string {
    if (!this.#encoding.isExplicit) return vrOf(tag);
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

  #countOne(): void {
    this.#count++;
    if (this.#count > ELEMENTS_MAX) throw unreadable(`it has more than ${ELEMENTS_MAX} elements`);
  }

  #tag(end: number): number {
    const group = this.#u16(end);
    return group * 0x10000 + this.#u16(end);
  }

  #u16(end: number): number {
    this.#need(2, end);
    const [a, b] = [this.#bytes[this.#at]!, this.#bytes[this.#at + 1]!];
    this.#at += 2;
    return this.#encoding.isLittleEndian ? a + b * 256 : a * 256 + b;
  }

  #u32(end: number): number {
    const first = this.#u16(end);
    const second = this.#u16(end);
    return this.#encoding.isLittleEndian ? first + second * 0x10000 : first * 0x10000 + second;
  }

  #need(count: number, end: number): void {
    if (end - this.#at >= count) return;
    if (end === this.#bytes.length && !this.#isLast) throw new Cut(this.#at + count);
    throw unreadable("it ends inside an element");
  }
}

function unreadable(why: string): KindredError {
  return new KindredError("DATASET_UNREADABLE", `The header cannot be read: ${why}`);
}
