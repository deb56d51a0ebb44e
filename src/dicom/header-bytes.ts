/** Bytes of a header as they arrive, up to a limit, however small the pieces; and where they can be cut. */

const FIRST_BYTES = 16_384;

export class HeaderBytes {
  readonly #bytesMax: number;
  #bytes = Buffer.alloc(0);
  #length = 0;
  /** Last place between two elements that is within the limit. */
  #boundary = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  append(part: Uint8Array): void {
    const kept = part.subarray(0, this.#bytesMax - this.#length);
    if (kept.length === 0) return;
    this.#reserve(this.#length + kept.length);
    this.#bytes.set(kept, this.#length);
    this.#length += kept.length;
  }

  /** Notes a place between two elements, counted from the start of the data set. */
  mark(offset: number): void {
    if (offset <= this.#bytesMax) this.#boundary = offset;
  }

  /** The bytes up to `end`; up to the last place between two elements when not all of them were kept. */
  until(end: number): Buffer {
    return this.#bytes.subarray(0, end <= this.#length ? end : this.#boundary);
  }

  /** Grows by doubling: one buffer for each piece would let tiny pieces cost many times their size. */
  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const doubled = Math.max(bytes, FIRST_BYTES, this.#bytes.length * 2);
    const grown = Buffer.allocUnsafe(Math.min(doubled, this.#bytesMax));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
