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
  /** Of one output, or of four outputs along a row. */
  readonly weightBytes: number;
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
  const space = createTableSpace(arena);
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
      const down = space.rows(y, columns * 4);
      const along = space.columns(x);
      if (to.length > out.length) out = { at: arena.reserve(to.length * 4), length: to.length };
      reduce(
        ...[values, columns * 4, line],
        ...[down.start, down.startEnd, down.weight, down.weightBytes],
        ...[along.start, along.startEnd, along.weight, along.weightBytes],
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
function createTableSpace(arena: Arena) {
  const tables = new Map<AxisWeights, Table>();
  const free = new Map<string, Table[]>();
  const shapes = new Map<AxisWeights, string>();
  const keep = (w: AxisWeights, shape: string, weightCount: number, outputs: number): Table => {
    const table = free.get(shape)?.pop() ?? tableOf(arena, weightCount, outputs);
    tables.set(w, table);
    shapes.set(w, shape);
    return table;
  };
  const makeRoom = () => {
    const [oldest] = tables.keys();
    if (tables.size < TABLES_MAX || oldest === undefined) return;
    const shape = shapes.get(oldest)!;
    free.set(shape, [...(free.get(shape) ?? []), tables.get(oldest)!]);
    tables.delete(oldest);
    shapes.delete(oldest);
  };
  return {
    rows(w: AxisWeights, stride: number): Table {
      const known = tables.get(w);
      if (known !== undefined) return known;
      makeRoom();
      const outputs = w.start.length;
      const table = keep(w, `rows ${outputs} ${w.taps}`, outputs * w.taps, outputs);
      const made = { ...table, startEnd: table.start + outputs * 4, weightBytes: w.taps * 4 };
      const starts = new Int32Array(arena.memory.buffer, table.start, outputs);
      for (let o = 0; o < outputs; o++) starts[o] = w.start[o]! * stride;
      new Float32Array(arena.memory.buffer, table.weight, w.weight.length).set(w.weight);
      tables.set(w, made);
      return made;
    },
    columns(w: AxisWeights): Table {
      const known = tables.get(w);
      if (known !== undefined) return known;
      makeRoom();
      const outputs = Math.ceil(w.start.length / 4) * 4;
      const taps = Math.ceil(w.taps / 4) * 4;
      const table = keep(w, `columns ${outputs} ${taps}`, outputs * taps, outputs);
      const made = { ...table, startEnd: table.start + outputs * 4, weightBytes: taps * 16 };
      const starts = new Int32Array(arena.memory.buffer, table.start, outputs).fill(0);
      const weights = new Float32Array(arena.memory.buffer, table.weight, outputs * taps).fill(0);
      for (let o = 0; o < w.start.length; o++) {
        starts[o] = w.start[o]! * 4;
        const group = (o >> 2) * taps * 4 + (o & 3) * 4;
        for (let t = 0; t < w.taps; t++)
          weights[group + (t >> 2) * 16 + (t & 3)] = w.weight[o * w.taps + t]!;
      }
      tables.set(w, made);
      return made;
    },
  };
}

function tableOf(arena: Arena, weightCount: number, outputs: number): Table {
  const start = arena.reserve(outputs * 4);
  const weight = arena.reserve(weightCount * 4);
  return { start, startEnd: start, weight, weightBytes: 0 };
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
