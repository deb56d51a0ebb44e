/** The beginning of a deflated data set, inflated as far as it is read. PS3.5 A.5. */
import { Inflate } from "./inflate.ts";

/** Compressed bytes of one read. */
const INPUT_BYTES = 65_536;
/** More is not inflated: it ends there. */
const INFLATED_BYTES_MAX = 268_435_456;

export class InflatedBytes {
  readonly #readInput: (at: number, count: number) => Promise<Uint8Array>;
  readonly #inflate = new Inflate((bytes) => this.#keep(bytes), INFLATED_BYTES_MAX);
  /** Inflated bytes from {@link #keptAt} to {@link #inflatedBytes}. */
  #kept: Uint8Array[] = [];
  #keptAt = 0;
  #inflatedBytes = 0;
  #inputAt = 0;
  #isEnded = false;

  /** @param readInput - gives deflated bytes, fewer at their end */
  constructor(readInput: (at: number, count: number) => Promise<Uint8Array>) {
    this.#readInput = readInput;
  }

  /** The deflated stream was inflated to its end, and was not broken. */
  get isWhole(): boolean {
    return this.#inflate.state === "done";
  }

  /** Inflated so far; all when a read gave fewer bytes than asked for. */
  async sizeBytes(): Promise<number> {
    return this.#inflatedBytes;
  }

  /**
   * The bytes from `at`, which must not lie before that of the call before; fewer at the end, which is also where the
   * deflated stream is broken.
   */
  async read(at: number, count: number): Promise<Uint8Array> {
    this.#letGo(at);
    while (this.#inflatedBytes < at + count && !this.#isEnded) await this.#more();
    this.#letGo(at);
    const bytes = this.#kept.length === 1 ? this.#kept[0]! : Buffer.concat(this.#kept);
    this.#kept = [bytes];
    return bytes.subarray(0, count);
  }

  async #more(): Promise<void> {
    if (this.#inflate.advance()) return;
    const input = await this.#readInput(this.#inputAt, INPUT_BYTES);
    this.#inputAt += input.length;
    if (input.length > 0) this.#inflate.push(input);
    else this.#inflate.finish();
    this.#isEnded = this.#inflate.state !== "open";
  }

  #keep(bytes: Uint8Array): void {
    this.#inflatedBytes += bytes.length;
    this.#kept.push(Uint8Array.from(bytes));
  }

  #letGo(at: number): void {
    while (this.#kept.length > 0 && this.#keptAt < at) {
      const [first] = this.#kept;
      const passed = Math.min(first!.length, at - this.#keptAt);
      this.#keptAt += passed;
      if (passed === first!.length) this.#kept.shift();
      else this.#kept[0] = first!.subarray(passed);
    }
  }
}
