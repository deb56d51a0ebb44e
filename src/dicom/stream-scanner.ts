/**
 * Walks a data set while it arrives, in any chunking, and tells at the end whether it is whole. Values are skipped
 * by a counter; only the header (what comes before Pixel Data) is kept, up to a limit. PS3.5 7.1, 7.5, A.4, A.5.
 *
 * A sequence of defined length is skipped as one value: its length says where it ends, so its inside cannot make
 * the data set incomplete.
 */
import { setImmediate } from "node:timers/promises";
import { HEADER_BYTES_MAX, SEQUENCE_DEPTH_MAX } from "../kernel/limits.ts";
import { HeaderBytes } from "./header-bytes.ts";
import { Inflate } from "./inflate.ts";
import {
  DELIMITER_GROUP,
  formatTag,
  ITEM,
  ITEM_END,
  isPixelData,
  PIXEL_GROUP,
  SEQUENCE_END,
} from "./tags.ts";
import { TRANSFER_SYNTAXES } from "./uids.ts";
import { isLongVr, isVr, vrAt } from "./vr.ts";

export interface ScanOptions {
  readonly transferSyntaxUid: string;
  readonly headerBytesMax?: number;
  readonly depthMax?: number;
}

export interface ScanResult {
  /**
   * - `complete`: every element ends where it says.
   * - `truncated`: the bytes end inside an element, an item or a sequence of undefined length.
   * - `unparsed`: from some point on the bytes are no elements, so whether they are whole cannot be said.
   */
  readonly state: "complete" | "truncated" | "unparsed";
  /**
   * Whole elements of the top level before group 7FE0 (also where Pixel Data are absent), inflated where the data
   * set is deflated. It ends early, but always between two elements, at the limit and where the data set is faulty.
   */
  readonly header: Buffer;
  /** Nothing of the header was left out. */
  readonly isHeaderComplete: boolean;
  /** First byte of the value (or of the first item) of Pixel Data, from the start of the (inflated) data set. */
  readonly pixelDataOffset: number | undefined;
  /** Length of Pixel Data; undefined when there are none and when they are encapsulated. */
  readonly pixelDataBytes: number | undefined;
  /** Bytes pushed. */
  readonly sizeBytes: number;
  /** What is wrong, for an operator; absent when complete. */
  readonly reason?: string;
}

const UNDEFINED_LENGTH = 0xffffffff;
/** A deflated data set of more is not looked at further. */
const INFLATED_BYTES_MAX = 1_073_741_824;

/** How elements are written; changes inside UN of undefined length. PS3.5 6.2.2 note 2. */
interface Encoding {
  readonly isExplicit: boolean;
  readonly isLittle: boolean;
}

const WITHIN_UNKNOWN: Encoding = { isExplicit: false, isLittle: true };

/** Something of undefined length that is open, and how its content is written. */
interface Frame {
  readonly holds: "elements" | "items" | "fragments";
  readonly encoding: Encoding;
}

export class StreamScanner {
  readonly #encoding: Encoding;
  readonly #framesMax: number;
  readonly #header: HeaderBytes;
  readonly #inflate: Inflate | undefined;
  readonly #frames: Frame[] = [];
  /** Up to 12 bytes of an element head; a chunk may end anywhere in it. */
  readonly #head = Buffer.alloc(12);
  #headBytes = 0;
  #skipBytes = 0;
  /** Bytes walked, inflated ones when deflated. */
  #walkedBytes = 0;
  #pushedBytes = 0;
  /** Where the last element of the top level began, or where the last one ended. */
  #boundary = 0;
  #headerEnd: number | undefined;
  #pixelDataOffset: number | undefined;
  #pixelDataBytes: number | undefined;
  #fault: string | undefined;

  constructor(options: ScanOptions) {
    const syntax = TRANSFER_SYNTAXES.get(options.transferSyntaxUid);
    this.#encoding = {
      isExplicit: syntax?.isExplicit ?? true,
      isLittle: syntax?.isLittleEndian ?? true,
    };
    // A level of nesting is a sequence and an item.
    this.#framesMax = 2 * (options.depthMax ?? SEQUENCE_DEPTH_MAX);
    this.#header = new HeaderBytes(options.headerBytesMax ?? HEADER_BYTES_MAX);
    if (syntax?.isDeflated === true)
      this.#inflate = new Inflate((bytes) => this.#walk(bytes), INFLATED_BYTES_MAX);
  }

  /**
   * Takes the next bytes. Those of a deflated data set may be a thousandfold: they are walked in turns, so that
   * others are served meanwhile; the promise must settle before the next push.
   */
  push(chunk: Uint8Array): Promise<void> | undefined {
    this.#pushedBytes += chunk.length;
    if (this.#fault !== undefined) return undefined;
    if (this.#inflate !== undefined) return this.#pushDeflated(this.#inflate, chunk);
    this.#walk(chunk);
    return undefined;
  }

  async #pushDeflated(inflate: Inflate, chunk: Uint8Array): Promise<void> {
    inflate.push(chunk);
    while (inflate.advance() && this.#fault === undefined) await setImmediate();
  }

  /** All elements before the pixel data, as soon as those have begun. */
  get headerBeforePixels(): Buffer | undefined {
    if (this.#headerEnd === undefined) return undefined;
    const header = this.#header.until(this.#headerEnd);
    return header.length === this.#headerEnd ? header : undefined;
  }

  finish(): ScanResult {
    const openReason = this.#inflateReason() ?? this.#openReason();
    const state =
      this.#fault !== undefined ? "unparsed" : openReason !== undefined ? "truncated" : "complete";
    if (state === "complete") this.#mark(this.#walkedBytes);
    const reason = this.#fault ?? openReason;
    const end = this.#headerEnd ?? this.#boundary;
    const header = this.#header.until(end);
    return {
      state,
      header,
      isHeaderComplete:
        header.length === end && (this.#headerEnd !== undefined || state === "complete"),
      pixelDataOffset: this.#pixelDataOffset,
      pixelDataBytes: this.#pixelDataBytes,
      sizeBytes: this.#pushedBytes,
      ...(reason === undefined ? {} : { reason }),
    };
  }

  /** Ends the inflating; a reason when the deflated stream ended early. */
  #inflateReason(): string | undefined {
    // After a fault the rest is not even inflated.
    if (this.#inflate === undefined || this.#fault !== undefined) return undefined;
    const state = this.#inflate.finish();
    if (state === "cut") return "the deflated data set ends early";
    if (state === "broken") this.#fault ??= "the deflated data set cannot be inflated";
    if (state === "large") this.#fault ??= "the deflated data set is too large to be looked at";
    if (this.#inflate.trailingBytes > 1) this.#fault ??= "bytes follow the deflated data set";
    return undefined;
  }

  #openReason(): string | undefined {
    if (this.#skipBytes > 0) return `${this.#skipBytes} bytes of a value are missing`;
    if (this.#headBytes > 0) return "it ends inside the head of an element";
    return this.#frames.length > 0 ? "a sequence or item has no end" : undefined;
  }

  #walk(chunk: Uint8Array): void {
    const isKept = this.#headerEnd === undefined;
    let at = 0;
    let keptEnd = chunk.length;
    while (at < chunk.length && this.#fault === undefined) {
      if (this.#skipBytes > 0) {
        const step = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= step;
        at += step;
      } else {
        const next = this.#passElement(chunk, at);
        at = next > at ? next : this.#takeHead(chunk, at);
        if (isKept && this.#headerEnd !== undefined) keptEnd = Math.min(keptEnd, at);
      }
    }
    if (isKept) this.#header.append(chunk.subarray(0, keptEnd));
    this.#walkedBytes += chunk.length;
  }

  /**
   * The short way for what most heads are: one of the top level before the pixels, whole in this chunk, with a known VR and a
   * length. Returns the position behind it; `at` when it is anything else.
   */
  #passElement(chunk: Uint8Array, at: number): number {
    if (this.#headBytes > 0 || this.#frames.length > 0 || chunk.length - at < 12) return at;
    if (!this.#encoding.isExplicit || !this.#encoding.isLittle) return at;
    const vr = chunk[at]! + chunk[at + 1]! * 256 < PIXEL_GROUP ? vrAt(chunk, at + 4) : undefined;
    if (vr === undefined) return at;
    const low = isLongVr(vr) ? at + 8 : at + 6;
    let length = chunk[low]! + chunk[low + 1]! * 256;
    if (low === at + 8) length += chunk[low + 2]! * 0x10000 + chunk[low + 3]! * 0x1000000;
    if (length === UNDEFINED_LENGTH) return at;
    this.#mark(this.#walkedBytes + at);
    this.#skipBytes = length;
    return low === at + 8 ? at + 12 : at + 8;
  }

  /** Takes bytes into the element head until it is whole, then acts on it; returns the new position. */
  #takeHead(chunk: Uint8Array, from: number): number {
    let at = from;
    if (this.#headBytes === 0 && this.#frames.length === 0) this.#mark(this.#walkedBytes + at);
    // A million empty elements are a million heads: the common one is copied without a view of its own.
    if (this.#headBytes === 0 && chunk.length - at >= this.#head.length) {
      for (let i = 0; i < this.#head.length; i++) this.#head[i] = chunk[at + i]!;
      this.#headBytes = 6;
      this.#headBytes = this.#headWanted();
      at += this.#headBytes;
    }
    for (let wanted = this.#headWanted(); this.#headBytes < wanted; wanted = this.#headWanted()) {
      if (at >= chunk.length) return at;
      const step = Math.min(wanted - this.#headBytes, chunk.length - at);
      this.#head.set(chunk.subarray(at, at + step), this.#headBytes);
      this.#headBytes += step;
      at += step;
    }
    this.#act(this.#walkedBytes + at);
    this.#headBytes = 0;
    return at;
  }

  /** 6 bytes tell the kind of element; then it is 8, or 12 for explicit VRs with a long length. */
  #headWanted(): number {
    if (this.#headBytes < 6) return 6;
    return this.#isExplicitHead() && isLongVr(this.#vr()) && isVr(this.#vr()) ? 12 : 8;
  }

  #current(): Encoding {
    return this.#frames.at(-1)?.encoding ?? this.#encoding;
  }

  #isExplicitHead(): boolean {
    return this.#current().isExplicit && this.#tag() >>> 16 !== DELIMITER_GROUP;
  }

  #tag(): number {
    const { isLittle } = this.#current();
    const group = isLittle ? this.#head.readUInt16LE(0) : this.#head.readUInt16BE(0);
    return group * 0x10000 + (isLittle ? this.#head.readUInt16LE(2) : this.#head.readUInt16BE(2));
  }

  #vr(): string {
    return String.fromCharCode(this.#head[4]!, this.#head[5]!);
  }

  #length(): number {
    const { isLittle } = this.#current();
    if (this.#isExplicitHead() && this.#headBytes === 8)
      return isLittle ? this.#head.readUInt16LE(6) : this.#head.readUInt16BE(6);
    const at = this.#headBytes - 4;
    return isLittle ? this.#head.readUInt32LE(at) : this.#head.readUInt32BE(at);
  }

  /** @param valueOffset - of the first byte after the head */
  #act(valueOffset: number): void {
    const tag = this.#tag();
    const length = this.#length();
    const frame = this.#frames.at(-1);
    if (frame === undefined || frame.holds === "elements")
      this.#actOnElement(tag, length, valueOffset);
    else this.#actOnItem(frame, tag, length);
  }

  #actOnItem(frame: Frame, tag: number, length: number): void {
    if (tag === SEQUENCE_END) this.#frames.pop();
    else if (tag !== ITEM) this.#fault = `${formatTag(tag)} stands where an item must`;
    else if (length !== UNDEFINED_LENGTH) this.#skipBytes = length;
    else if (frame.holds === "items") this.#open({ holds: "elements", encoding: frame.encoding });
    else this.#fault = "a fragment of Pixel Data has no length";
  }

  #actOnElement(tag: number, length: number, valueOffset: number): void {
    const isTop = this.#frames.length === 0;
    if (tag === ITEM_END && !isTop) {
      this.#frames.pop();
      return;
    }
    const isExplicit = this.#isExplicitHead();
    const vr = isExplicit ? this.#vr() : "";
    if (tag >>> 16 === DELIMITER_GROUP || (isExplicit && !isVr(vr))) {
      this.#fault = `${formatTag(tag)} is no element of this transfer syntax`;
      return;
    }
    if (isTop && tag >>> 16 >= PIXEL_GROUP) this.#meetPixelGroup(tag, length, valueOffset);
    if (length !== UNDEFINED_LENGTH) this.#skipBytes = length;
    else if (isPixelData(tag)) this.#open({ holds: "fragments", encoding: this.#current() });
    else this.#open({ holds: "items", encoding: vr === "UN" ? WITHIN_UNKNOWN : this.#current() });
  }

  #meetPixelGroup(tag: number, length: number, valueOffset: number): void {
    this.#headerEnd ??= valueOffset - this.#headBytes;
    if (!isPixelData(tag) || this.#pixelDataOffset !== undefined) return;
    this.#pixelDataOffset = valueOffset;
    this.#pixelDataBytes = length === UNDEFINED_LENGTH ? undefined : length;
  }

  #open(frame: Frame): void {
    if (this.#frames.length >= this.#framesMax) this.#fault = "sequences are nested too deeply";
    else this.#frames.push(frame);
  }

  /** All before `offset` are whole elements of the top level. */
  #mark(offset: number): void {
    this.#boundary = offset;
    if (this.#headerEnd === undefined) this.#header.mark(offset);
  }
}
