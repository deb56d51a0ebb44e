/**
 * The same work as plane-kernel.ts in WebAssembly SIMD (kernel.wat). Here is the layout of its memory: regions one
 * after another, each with room for the vectors that start inside and end outside of it.
 */
import { KindredError } from "../kernel/errors.ts";
import type { AxisWeights } from "./axis-weights.ts";
import type { StoredValues } from "./intensity.ts";
import { KERNEL_BASE64 } from "./kernel-module.ts";
import type { Conversion, MixKernel, PlaneKernel } from "./plane-kernel.ts";

const PAGE_BYTES = 65_536;
/** What a loop of the kernel may touch past the end of a region. */
const SLACK_BYTES = 128;
const MEMORY_BYTES_MAX = 4_294_901_760;

interface KernelExports {
  convert(...values: number[]): void;
  reduce(...values: number[]): void;
  mix(dst: number, src: number, end: number, weight: number): void;
}

let compiled: WebAssembly.Module | null | undefined;

/** Null where the engine has no WebAssembly SIMD; every Node that we support has. */
function kernelModule(): WebAssembly.Module | null {
  if (compiled === undefined) {
    const bytes = Buffer.from(KERNEL_BASE64, "base64");
    compiled = WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
  }
  return compiled;
}

class Arena {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  #used = SLACK_BYTES;

  /** @throws KindredError `NOT_A_VOLUME` when there is no such memory */
  reserve(bytes: number): number {
    const at = Math.ceil(this.#used / SLACK_BYTES) * SLACK_BYTES;
    const used = at + bytes + SLACK_BYTES;
    const missing = used - this.memory.buffer.byteLength;
    if (missing > 0) this.#grow(used, Math.ceil(missing / PAGE_BYTES));
    this.#used = used;
    return at;
  }

  #grow(bytes: number, pages: number): void {
    try {
      if (bytes > MEMORY_BYTES_MAX) throw new RangeError("beyond 32-bit offsets");
      this.memory.grow(pages);
    } catch (cause) {
      throw new KindredError("NOT_A_VOLUME", "There is no memory for a volume of this size", {
        cause,
      });
    }
  }

  instantiate(module: WebAssembly.Module): KernelExports {
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    return instance.exports as unknown as KernelExports;
  }
}

/** Where the weights of one axis stand in the memory. */
interface Table {
  readonly start: number;
  readonly startEnd: number;
  readonly weight: number;
  /** Weights of one output. */
  readonly tapBytes: number;
}

/** Tables that are kept in memory: those of a stack without shifts are used for every slice. */
const TABLES_MAX = 64;

/**
 * @returns null where the engine has no WebAssembly SIMD
 * @throws KindredError `NOT_A_VOLUME` when there is no memory for it
 */
export function createWasmPlaneKernel(rows: number, columns: number): PlaneKernel | null {
  const module = kernelModule();
  if (module === null) return null;
  const arena = new Arena();
  const count = rows * columns;
  const stored = arena.reserve(count * 2);
  const values = arena.reserve(count * 4);
  const line = arena.reserve(columns * 4);
  const { convert, reduce } = arena.instantiate(module);
  const rowsOf = rowTables(arena, columns * 4);
  const columnsOf = columnTables(arena);
  let out = { at: 0, length: -1 };
  return {
    convert(from, conversion) {
      const isSigned = from instanceof Int16Array;
      new Int16Array(arena.memory.buffer, stored, count).set(asSigned(from));
      const toggle = isSigned ? 0 : 0x8000;
      const [low, high] = paddingOf(conversion, isSigned ? -32768 : 0);
      convert(
        ...[stored, stored + count * 2, values, toggle, isSigned ? 0 : 32768],
        ...[conversion.multiply, conversion.add, conversion.low, conversion.high],
        ...[low - (isSigned ? 0 : 32768), high - (isSigned ? 0 : 32768)],
      );
    },
    reduce(y, x, to) {
      const outColumns = x.start.length;
      const down = rowsOf(y);
      const along = columnsOf(x);
      if (to.length > out.length) out = { at: arena.reserve(to.length * 4), length: to.length };
      reduce(
        ...[values, columns * 4, line],
        ...[down.start, down.startEnd, down.weight, down.tapBytes],
        ...[along.start, along.startEnd, along.weight, along.tapBytes * 4],
        ...[out.at, outColumns * 4],
      );
      to.set(new Float32Array(arena.memory.buffer, out.at, to.length));
    },
  };
}

function asSigned(stored: StoredValues): Int16Array {
  if (stored instanceof Int16Array) return stored;
  return new Int16Array(stored.buffer, stored.byteOffset, stored.length);
}

/** Padding bounds within what 16 bits hold; empty when they lie outside it. */
function paddingOf(conversion: Conversion, least: number): [number, number] {
  const low = Math.max(Math.ceil(conversion.paddingLow), least);
  const high = Math.min(Math.floor(conversion.paddingHigh), least + 65535);
  return low <= high ? [low, high] : [least + 65535, least];
}

/** Writes weights into the memory once; the least recently made make room when there are many. */
function tableSpace(
  arena: Arena,
  of: (w: AxisWeights) => { outputs: number; taps: number },
  write: (w: AxisWeights, starts: Int32Array, weights: Float32Array) => void,
): (w: AxisWeights) => Table {
  const tables = new Map<AxisWeights, Table>();
  /** Room of tables that were given up, by size. */
  const free = new Map<string, Table[]>();
  return (w) => {
    const known = tables.get(w);
    if (known !== undefined) return known;
    const [oldest] = tables;
    if (oldest !== undefined && tables.size >= TABLES_MAX) {
      tables.delete(oldest[0]);
      const { outputs, taps } = of(oldest[0]);
      const size = `${outputs} ${taps}`;
      free.set(size, [...(free.get(size) ?? []), oldest[1]]);
    }
    const { outputs, taps } = of(w);
    const reused = free.get(`${outputs} ${taps}`)?.pop();
    const start = reused?.start ?? arena.reserve(outputs * 4);
    const weight = reused?.weight ?? arena.reserve(outputs * taps * 4);
    write(
      w,
      new Int32Array(arena.memory.buffer, start, outputs).fill(0),
      new Float32Array(arena.memory.buffer, weight, outputs * taps).fill(0),
    );
    const table = { start, startEnd: start + outputs * 4, weight, tapBytes: taps * 4 };
    tables.set(w, table);
    return table;
  };
}

/** For the pass down the rows: offsets of rows, weights as they are. */
function rowTables(arena: Arena, stride: number) {
  return tableSpace(
    arena,
    (w) => ({ outputs: w.start.length, taps: w.taps }),
    (w, starts, weights) => {
      starts.set(w.start.map((from) => from * stride));
      weights.set(w.weight);
    },
  );
}

/** For the pass along a row: outputs and taps in fours, the weights of four outputs together. */
function columnTables(arena: Arena) {
  const ofFours = (count: number) => Math.ceil(count / 4) * 4;
  return tableSpace(
    arena,
    (w) => ({ outputs: ofFours(w.start.length), taps: ofFours(w.taps) }),
    (w, starts, weights) => {
      const taps = ofFours(w.taps);
      for (let o = 0; o < w.start.length; o++) {
        starts[o] = w.start[o]! * 4;
        const group = (o >> 2) * taps * 4 + (o & 3) * 4;
        for (let t = 0; t < w.taps; t++)
          weights[group + (t >> 2) * 16 + (t & 3)] = w.weight[o * w.taps + t]!;
      }
    },
  );
}

/**
 * @returns null where the engine has no WebAssembly SIMD
 * @throws KindredError `NOT_A_VOLUME` when there is no memory for it
 */
export function createWasmMixKernel(planes: number, planeLength: number): MixKernel | null {
  const module = kernelModule();
  if (module === null) return null;
  const arena = new Arena();
  // Its room past the end stays zero, so that a plane adds nothing to the one after it.
  const taken = arena.reserve(planeLength * 4);
  const at = arena.reserve(planes * planeLength * 4);
  const { mix } = arena.instantiate(module);
  const plane = new Float32Array(arena.memory.buffer, taken, planeLength);
  return {
    voxels: new Float32Array(arena.memory.buffer, at, planes * planeLength),
    take: (from) => plane.set(from),
    add: (z, weight) => mix(at + z * planeLength * 4, taken, taken + planeLength * 4, weight),
  };
}
