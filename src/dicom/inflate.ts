/**
 * Raw DEFLATE (RFC 1951) fed in pieces and decoded in pieces. A kilobyte may hold a megabyte, and whoever scans an
 * arriving deflated data set (PS3.5 A.5) has others to serve: so each step is bounded. Memory is one output buffer
 * and the input that is not decoded yet, whatever the stream claims.
 */

const WINDOW_BYTES = 32_768;
const OUTPUT_BYTES = 4 * WINDOW_BYTES;
const MATCH_BYTES_MAX = 258;
/**
 * Input kept back until more comes, so that nothing runs dry half-way: longer than the longest unit, the head of
 * a dynamic block (17 + 19 × 3 + 320 × 14 bits).
 */
const RESERVE_BYTES = 640;

// RFC 1951 3.2.5 and 3.2.7.
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
];
const LENGTH_EXTRA = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK = 256;
const CODE_BITS_MAX = 15;
/**
 * Output beyond this must stand in some proportion to the input. DEFLATE gives at most 1032 bytes for one; images
 * and masks stay far below, and what is refused here is only looked at no further.
 */
const PROPORTIONATE_BYTES = 67_108_864;
const PROPORTION_MAX = 200;
/** Codes up to this length are looked up at once; a larger table makes a hostile run of tiny blocks dear. */
const FAST_BITS = 9;

/** `cut`: the input ended early. `broken`: it is no DEFLATE. `large`: more output than allowed. */
export type InflateState = "open" | "done" | "cut" | "broken" | "large";

/** A canonical Huffman code: a table for short codes, counts and symbols in order for all. */
interface Code {
  /** Next bits of the stream → symbol × 16 + code length; 0 where the code is longer. */
  readonly fast: Uint16Array;
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

/** Why decoding stopped; thrown and caught in this file only. */
class Stop extends Error {
  readonly state: InflateState;
  constructor(state: InflateState) {
    super(state);
    this.state = state;
  }
}

export class Inflate {
  readonly #onOutput: (bytes: Uint8Array) => void;
  readonly #outputBytesMax: number;
  readonly #out = new Uint8Array(OUTPUT_BYTES);
  #outAt = 0;
  #sentAt = 0;
  #sentBytes = 0;
  #inputBytes = 0;
  #input = new Uint8Array(0);
  #inputAt = 0;
  #bits = 0;
  #bitCount = 0;
  #state: InflateState = "open";
  #isLastBlock = false;
  #literals: Code | undefined;
  #distances: Code | undefined;
  #storedBytes = 0;
  #trailingBytes = 0;
  /** A full buffer of output was handed on and there may be more. */
  #isPaused = false;

  /**
   * @param onOutput - gets slices that are valid during the call only
   * @param outputBytesMax - more than this, or out of all proportion to the input, ends in state `large`
   */
  constructor(onOutput: (bytes: Uint8Array) => void, outputBytesMax: number) {
    this.#onOutput = onOutput;
    this.#outputBytesMax = outputBytesMax;
  }

  get state(): InflateState {
    return this.#state;
  }

  /** Bytes after the end of the stream; PS3.5 A.5 allows one NUL that makes the length even. */
  get trailingBytes(): number {
    return this.#trailingBytes;
  }

  /** Takes input; it is decoded by {@link advance}. */
  push(chunk: Uint8Array): void {
    if (this.#state === "done") this.#trailingBytes += chunk.length;
    if (this.#state !== "open") return;
    this.#inputBytes += chunk.length;
    this.#append(chunk);
  }

  /**
   * Decodes the input up to the next full buffer of output: a bounded piece of work, whatever was pushed.
   *
   * @returns true when there is more to do
   */
  advance(): boolean {
    this.#run(RESERVE_BYTES);
    return this.#isPaused;
  }

  /** No more input comes: decodes what was kept back. */
  finish(): InflateState {
    do this.#run(0);
    while (this.#isPaused);
    return this.#state;
  }

  #append(chunk: Uint8Array): void {
    this.#unreadBits();
    const rest = this.#input.subarray(this.#inputAt);
    const joined = new Uint8Array(rest.length + chunk.length);
    joined.set(rest);
    joined.set(chunk, rest.length);
    this.#input = joined;
    this.#inputAt = 0;
  }

  #run(reserveBytes: number): void {
    this.#isPaused = false;
    try {
      while (
        this.#state === "open" &&
        !this.#isPaused &&
        this.#input.length - this.#inputAt >= reserveBytes
      ) {
        if (this.#storedBytes > 0) this.#copyStored();
        else if (this.#literals !== undefined) this.#copySymbols(reserveBytes);
        else if (this.#isLastBlock) this.#end();
        else this.#openBlock();
      }
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      this.#state = error.state;
    }
    if (this.#state !== "open") this.#isPaused = false;
    this.#send();
  }

  #end(): void {
    this.#unreadBits();
    this.#trailingBytes = this.#input.length - this.#inputAt;
    this.#input = new Uint8Array(0);
    this.#inputAt = 0;
    this.#state = "done";
  }

  #openBlock(): void {
    this.#isLastBlock = this.#take(1) === 1;
    const kind = this.#take(2);
    if (kind === 0) this.#openStored();
    else if (kind === 1) this.#openFixed();
    else if (kind === 2) this.#openDynamic();
    else throw new Stop("broken");
  }

  #openStored(): void {
    this.#take(this.#bitCount & 7);
    const length = this.#take(16);
    if (length !== (this.#take(16) ^ 0xffff)) throw new Stop("broken");
    this.#unreadBits();
    this.#storedBytes = length;
  }

  #copyStored(): void {
    const left = this.#input.length - this.#inputAt;
    if (left === 0) throw new Stop("cut");
    this.#makeRoom();
    const count = Math.min(this.#storedBytes, left, OUTPUT_BYTES - this.#outAt);
    this.#out.set(this.#input.subarray(this.#inputAt, this.#inputAt + count), this.#outAt);
    this.#inputAt += count;
    this.#outAt += count;
    this.#storedBytes -= count;
  }

  #openFixed(): void {
    const lengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280);
    lengths.fill(8, 280);
    this.#literals = codeOf(lengths);
    this.#distances = codeOf(new Uint8Array(32).fill(5));
  }

  #openDynamic(): void {
    const literalCount = this.#take(5) + 257;
    const distanceCount = this.#take(5) + 1;
    const orderCount = this.#take(4) + 4;
    if (literalCount > 286 || distanceCount > 30) throw new Stop("broken");
    const order = new Uint8Array(19);
    for (let i = 0; i < orderCount; i++) order[CODE_LENGTH_ORDER[i]!] = this.#take(3);
    const lengths = this.#codeLengths(codeOf(order), literalCount + distanceCount);
    if (lengths[END_OF_BLOCK] === 0) throw new Stop("broken");
    this.#literals = codeOf(lengths.subarray(0, literalCount), true);
    this.#distances = codeOf(lengths.subarray(literalCount), true);
  }

  #codeLengths(code: Code, count: number): Uint8Array {
    const lengths = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const symbol = this.#symbol(code);
      if (symbol < 16) {
        lengths[at++] = symbol;
        continue;
      }
      if (symbol === 16 && at === 0) throw new Stop("broken");
      const value = symbol === 16 ? lengths[at - 1]! : 0;
      const repeat =
        symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (at + repeat > count) throw new Stop("broken");
      lengths.fill(value, at, at + repeat);
      at += repeat;
    }
    return lengths;
  }

  #copySymbols(reserveBytes: number): void {
    const literals = this.#literals!;
    const out = this.#out;
    do {
      this.#makeRoom();
      const symbol = this.#symbol(literals);
      if (symbol < END_OF_BLOCK) {
        out[this.#outAt++] = symbol;
      } else if (symbol === END_OF_BLOCK) {
        this.#literals = undefined;
        return;
      } else {
        this.#copyMatch(symbol - 257);
      }
    } while (!this.#isPaused && this.#input.length - this.#inputAt >= reserveBytes);
  }

  #copyMatch(lengthSymbol: number): void {
    if (lengthSymbol >= LENGTH_BASE.length) throw new Stop("broken");
    const length = LENGTH_BASE[lengthSymbol]! + this.#take(LENGTH_EXTRA[lengthSymbol]!);
    const distanceSymbol = this.#symbol(this.#distances!);
    if (distanceSymbol >= DISTANCE_BASE.length) throw new Stop("broken");
    const distance = DISTANCE_BASE[distanceSymbol]! + this.#take(DISTANCE_EXTRA[distanceSymbol]!);
    if (distance > this.#outAt) throw new Stop("broken");
    const out = this.#out;
    let to = this.#outAt;
    for (const end = to + length; to < end; to++) out[to] = out[to - distance]!;
    this.#outAt = to;
  }

  #symbol(code: Code): number {
    while (this.#bitCount < CODE_BITS_MAX && this.#inputAt < this.#input.length) this.#takeByte();
    const entry = code.fast[this.#bits & ((1 << FAST_BITS) - 1)]!;
    const bits = entry & 15;
    if (bits === 0) return this.#longSymbol(code);
    if (bits > this.#bitCount) throw new Stop("cut");
    this.#bits >>>= bits;
    this.#bitCount -= bits;
    return entry >>> 4;
  }

  /** Bit by bit along the canonical order: a code's first bit is its most significant. */
  #longSymbol({ counts, symbols }: Code): number {
    let value = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      if (length > this.#bitCount) throw new Stop("cut");
      value |= (this.#bits >>> (length - 1)) & 1;
      const count = counts[length]!;
      if (value - first < count) {
        this.#bits >>>= length;
        this.#bitCount -= length;
        return symbols[index + value - first]!;
      }
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    throw new Stop("broken");
  }

  #take(count: number): number {
    while (this.#bitCount < count) {
      if (this.#inputAt >= this.#input.length) throw new Stop("cut");
      this.#takeByte();
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#bitCount -= count;
    return value;
  }

  #takeByte(): void {
    this.#bits |= this.#input[this.#inputAt++]! << this.#bitCount;
    this.#bitCount += 8;
  }

  /** Gives whole bytes of the bit buffer back to the input. */
  #unreadBits(): void {
    this.#inputAt -= this.#bitCount >>> 3;
    this.#bitCount &= 7;
    this.#bits &= (1 << this.#bitCount) - 1;
  }

  /** Room for one more match: hands output on and keeps one window of it. */
  #makeRoom(): void {
    if (this.#outAt + MATCH_BYTES_MAX <= OUTPUT_BYTES) return;
    this.#send();
    if (this.#state !== "open") throw new Stop(this.#state);
    this.#out.copyWithin(0, this.#outAt - WINDOW_BYTES, this.#outAt);
    this.#outAt = WINDOW_BYTES;
    this.#sentAt = WINDOW_BYTES;
    this.#isPaused = true;
  }

  #isOutOfProportion(): boolean {
    const inProportion = Math.max(PROPORTIONATE_BYTES, this.#inputBytes * PROPORTION_MAX);
    return this.#sentBytes > inProportion;
  }

  #send(): void {
    const count = this.#outAt - this.#sentAt;
    if (count === 0) return;
    const from = this.#sentAt;
    this.#sentAt = this.#outAt;
    this.#sentBytes += count;
    if (this.#sentBytes > this.#outputBytesMax || this.#isOutOfProportion()) this.#state = "large";
    else this.#onOutput(this.#out.subarray(from, from + count));
  }
}

/** @param isSparse - a code of one single symbol may leave bits without meaning (RFC 1951 3.2.7) */
function codeOf(lengths: Uint8Array, isSparse = false): Code {
  const counts = new Uint16Array(CODE_BITS_MAX + 1);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  checkSpace(counts, isSparse);
  const nextIndex = new Uint16Array(CODE_BITS_MAX + 2);
  const nextValue = new Uint16Array(CODE_BITS_MAX + 2);
  for (let length = 1; length <= CODE_BITS_MAX; length++) {
    nextIndex[length + 1] = nextIndex[length]! + counts[length]!;
    nextValue[length + 1] = (nextValue[length]! + counts[length]!) << 1;
  }
  const fast = new Uint16Array(1 << FAST_BITS);
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length === 0) return;
    symbols[nextIndex[length]!++] = symbol;
    const value = nextValue[length]!++;
    if (length > FAST_BITS) return;
    const step = 1 << length;
    for (let at = reversed(value, length); at < fast.length; at += step)
      fast[at] = (symbol << 4) | length;
  });
  return { fast, counts, symbols };
}

/** A code must use its space up, neither more nor less. */
function checkSpace(counts: Uint16Array, isSparse: boolean): void {
  let left = 1;
  let total = 0;
  for (let length = 1; length <= CODE_BITS_MAX; length++) {
    left = left * 2 - counts[length]!;
    total += counts[length]!;
    if (left < 0) throw new Stop("broken");
  }
  const isSingle = isSparse && total === counts[1] && total <= 1;
  if (left > 0 && !isSingle) throw new Stop("broken");
}

function reversed(value: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) result |= ((value >>> i) & 1) << (bits - 1 - i);
  return result;
}
