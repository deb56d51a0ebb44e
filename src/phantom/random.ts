/**
 * Repeatable randomness for the phantom: a named stream gives the same numbers on every machine. The generator
 * is sfc32 (Chris Doty-Humphrey, PractRand), seeded by hashing the name with FNV-1a and run in.
 */

/** A stream of repeatable random numbers. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in [low, high). */
  range(low: number, high: number): number;
  /** Gaussian, cut at three standard deviations so that no patient becomes a monster. */
  normal(mean: number, deviation: number): number;
  /** Whole number in [0, count). */
  integer(count: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
}

/** @param name - names the stream; other names give independent streams. */
export function randomFrom(name: string): Random {
  const next = sfc32(hash(name, 0x811c9dc5), hash(name, 0x9e3779b9), hash(name, 0x85ebca6b));
  const normal = (mean: number, deviation: number): number => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const value = radius * Math.cos(2 * Math.PI * next());
    return mean + deviation * Math.max(-3, Math.min(3, value));
  };
  return {
    next,
    normal,
    range: (low, high) => low + (high - low) * next(),
    integer: (count) => Math.floor(next() * count),
    pick: (list) => list[Math.floor(next() * list.length)] ?? list[0],
  };
}

function hash(name: string, basis: number): number {
  let value = basis;
  for (let i = 0; i < name.length; i++) {
    value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
    value ^= value >>> 15;
  }
  return value >>> 0;
}

function sfc32(seedA: number, seedB: number, seedC: number): () => number {
  let a = seedA | 0;
  let b = seedB | 0;
  let c = seedC | 0;
  let counter = 1;
  const step = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let i = 0; i < 16; i++) step();
  return step;
}
