/**
 * A data set in memory: elements by tag, values as the raw little-endian bytes they came in. Text is decoded when
 * it is asked for, by the Specific Character Set of the data set it stands in. PS3.5 6 and 7.
 */
import { bytesText, decodeText } from "./character-set.ts";
import { TAG } from "./tags.ts";

export interface Element {
  readonly tag: number;
  readonly vr: string;
  /** Raw bytes, little endian; empty for SQ. */
  readonly value: Uint8Array;
  /** The value is the run of items of compressed Pixel Data, offset table and delimiter included (PS3.5 A.4). */
  readonly isEncapsulated?: boolean;
  readonly items?: readonly DataSet[];
}

/** VRs whose text is affected by Specific Character Set. PS3.5 6.1.2.3. */
const CHARACTER_VRS = new Set(["LO", "LT", "PN", "SH", "ST", "UC", "UT"]);
/** VRs that hold one text, in which a backslash is a character. */
const SINGLE_TEXT_VRS = new Set(["LT", "ST", "UT", "UR"]);
const BINARY: Readonly<
  Record<string, { bytes: number; read: (view: DataView, at: number) => number }>
> = {
  US: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  SS: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  UL: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  SL: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  FL: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  FD: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  UV: { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  SV: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
};

export class DataSet {
  readonly #elements = new Map<number, Element>();
  /** The data set that this one is an item of. */
  #enclosing: DataSet | undefined;
  /** The terms that an element named, while it is still the one that stands here. */
  #terms: { readonly of: Element; readonly values: readonly string[] } | undefined;

  constructor(elements: Iterable<Element> = []) {
    for (const element of elements) this.set(element);
  }

  get elements(): ReadonlyMap<number, Element> {
    return this.#elements;
  }

  has(tag: number): boolean {
    return this.#elements.has(tag);
  }

  get(tag: number): Element | undefined {
    return this.#elements.get(tag);
  }

  /** Values of Specific Character Set in force here: an item that names none has the enclosing one's. PS3.3 C.12.1.1.2. */
  characterSets(): readonly string[] {
    const element = this.#elements.get(TAG.SpecificCharacterSet);
    if (element === undefined) return this.#enclosing?.characterSets() ?? [];
    if (this.#terms?.of !== element) {
      const values = bytesText(element.value).split("\\");
      this.#terms = { of: element, values: values.map((term) => term.trim()) };
    }
    return this.#terms.values;
  }

  /** The first value as text; undefined when absent, "" when empty. */
  string(tag: number): string | undefined {
    const element = this.#elements.get(tag);
    if (element === undefined) return undefined;
    const text = this.#text(element);
    if (SINGLE_TEXT_VRS.has(element.vr)) return withoutEnd(text);
    const end = text.indexOf("\\");
    return withoutPadding(end < 0 ? text : text.slice(0, end));
  }

  /** All values as text; empty when absent. */
  strings(tag: number): string[] {
    const element = this.#elements.get(tag);
    return element === undefined ? [] : this.#values(element);
  }

  /** The first value as a whole number; undefined when absent, empty or not one. */
  integer(tag: number): number | undefined {
    const value = this.number(tag);
    return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
  }

  number(tag: number): number | undefined {
    const element = this.#elements.get(tag);
    if (element?.vr === "US" && element.value.length >= 2)
      return element.value[0]! + element.value[1]! * 256;
    const value = this.numbers(tag)[0];
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  }

  /** All values as numbers; NaN where a value is not one. */
  numbers(tag: number): number[] {
    const element = this.#elements.get(tag);
    if (element === undefined || element.value.length === 0) return [];
    const { value } = element;
    // UN may hold anything; two bytes are read as US, which is what a binary attribute in implicit VR is.
    const binary =
      BINARY[element.vr] ?? (element.vr === "UN" && value.length === 2 ? BINARY.US : undefined);
    if (binary !== undefined) {
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      return Array.from({ length: Math.floor(value.length / binary.bytes) }, (_, index) =>
        binary.read(view, index * binary.bytes),
      );
    }
    return bytesText(value)
      .split("\\")
      .map((text) =>
        /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[\s\0]*$/.test(text)
          ? Number.parseFloat(text)
          : Number.NaN,
      );
  }

  items(tag: number): readonly DataSet[] {
    return this.#elements.get(tag)?.items ?? [];
  }

  /** Sets text as UTF-8, padded to even length; the caller sets Specific Character Set to ISO_IR 192. */
  setString(tag: number, vr: string, value: string | readonly string[]): this {
    const text = typeof value === "string" ? value : value.join("\\");
    const bytes = Buffer.from(text, "utf8");
    const padding = vr === "UI" ? 0 : 0x20;
    const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(padding)]);
    return this.setBytes(tag, vr, even);
  }

  setBytes(tag: number, vr: string, value: Uint8Array): this {
    return this.set({ tag, vr, value });
  }

  setItems(tag: number, items: readonly DataSet[]): this {
    return this.set({ tag, vr: "SQ", value: new Uint8Array(0), items });
  }

  delete(tag: number): this {
    this.#elements.delete(tag);
    return this;
  }

  /** Sets an element as it is, in place of one with its tag. */
  set(element: Element): this {
    this.#elements.set(element.tag, element);
    for (const item of element.items ?? []) item.#enclosing = this;
    return this;
  }

  #values(element: Element): string[] {
    const text = this.#text(element);
    if (SINGLE_TEXT_VRS.has(element.vr)) return [withoutEnd(text)];
    return text.split("\\").map(withoutPadding);
  }

  #text({ vr, value }: Element): string {
    if (value.length === 0) return "";
    return CHARACTER_VRS.has(vr) || vr === "UN"
      ? decodeText(value, this.characterSets(), vr)
      : bytesText(value);
  }
}

/** A text that is one value: white space at its end is padding. */
function withoutEnd(text: string): string {
  return text.replace(/[\s\0]+$/, "");
}

/** One of several values, without spaces before it, and without spaces and NULs behind it. */
function withoutPadding(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && value.charCodeAt(start) === SPACE) start++;
  while (end > start && isPadding(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

const SPACE = 0x20;

function isPadding(code: number): boolean {
  return code === SPACE || code === 0;
}
