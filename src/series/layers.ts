/**
 * Several volumes of one place in one stack: phases, reconstructions, acquisitions. A header that differs proves nothing
 * by itself: scanners number each rotation of a sequential scan as an acquisition of its own. It splits a stack only
 * where the parts lie over each other; parts that lie end to end stay together.
 */
import { byUid } from "../volume/geometry.ts";
import { SAME_POSITION_MM } from "../volume/rules.ts";
import type { SlicePlane } from "../volume/types.ts";
import { type PlacedSlice, positionsOf } from "./slice-groups.ts";

/** Volumes of one place; more is a time series of single slices. */
export const LAYERS_MAX = 64;
/** Slices nearer than this part of the usual gap cannot be neighbours of one volume. */
const NEAR_PART = 0.25;

export interface Layer {
  readonly slices: readonly PlacedSlice[];
  /** Says which one it is, e.g. "kernel B70f"; empty when there is no other. */
  readonly label: string;
  /** In what the layers differ, e.g. "kernel"; empty when there is no other. */
  readonly differsIn: string;
  /** How many volumes lie in the place of this one, itself included. */
  readonly volumes: number;
}

export interface Layers {
  readonly layers: readonly Layer[];
  /** Slices at the place of others, too few for a volume of their own. */
  readonly repeated: readonly PlacedSlice[];
}

interface Key {
  readonly name: string;
  readonly of: (plane: SlicePlane) => number | string | undefined;
}

/** Tried one after the other. */
const KEYS: readonly Key[] = [
  { name: "temporal position", of: (plane) => plane.temporalPosition },
  { name: "image type", of: (plane) => plane.imageType.slice(2).join("\\").toUpperCase() },
  { name: "kernel", of: (plane) => plane.kernel },
  { name: "acquisition", of: (plane) => plane.acquisitionNumber },
];

/** Only where slices share a position: they differ between slices of one volume as well. */
const COPY_KEYS: readonly Key[] = [
  { name: "image type", of: (plane) => plane.imageType.slice(0, 2).join("\\").toUpperCase() },
  { name: "compression", of: (plane) => (plane.isLossy ? "lossy" : "lossless") },
  { name: "storage class", of: (plane) => plane.sopClassUid },
];
const RANK_KEYS: readonly Key[] = [
  { name: "time", of: (plane) => plane.acquisitionTime || undefined },
  { name: "instance number", of: (plane) => plane.instanceNumber },
];

/** @param slices - of one group, ascending; without copies */
export function findLayers(slices: readonly PlacedSlice[], slicesMin: number): Layers {
  const whole: Layer = { slices, label: "", differsIn: "", volumes: 1 };
  const repeated: PlacedSlice[] = [];
  let layers: Layer[] = [whole];
  for (const key of KEYS) {
    layers = layers.flatMap((layer) => {
      const parts = splitWhereOver(layer.slices, key, slicesMin);
      if (parts === undefined) return [layer];
      repeated.push(...parts.repeated);
      return named(layer, parts.volumes, key);
    });
  }
  layers = layers.flatMap((layer) => splitCopies(layer, slicesMin));
  return { layers, repeated };
}

function named(
  layer: Layer,
  parts: readonly { slices: readonly PlacedSlice[]; value: string }[],
  key: Key,
): Layer[] {
  return parts.map(({ slices, value }) => ({
    slices,
    label:
      parts.length > 1
        ? [layer.label, `${key.name} ${value}`].filter(Boolean).join(", ")
        : layer.label,
    differsIn:
      parts.length > 1
        ? [layer.differsIn, key.name].filter(Boolean).join(" and ")
        : layer.differsIn,
    volumes: layer.volumes * parts.length,
  }));
}

interface Part {
  readonly value: number | string | undefined;
  readonly slices: PlacedSlice[];
}

function partsBy(slices: readonly PlacedSlice[], key: Key): Part[] {
  const parts = new Map<number | string | undefined, Part>();
  for (const slice of slices) {
    const value = key.of(slice.plane);
    const part = parts.get(value);
    if (part === undefined) parts.set(value, { value, slices: [slice] });
    else part.slices.push(slice);
  }
  return [...parts.values()];
}

/** Undefined when the parts lie end to end, or make no volumes. */
function splitWhereOver(
  slices: readonly PlacedSlice[],
  key: Key,
  slicesMin: number,
):
  | { volumes: { slices: readonly PlacedSlice[]; value: string }[]; repeated: PlacedSlice[] }
  | undefined {
  const parts = partsBy(slices, key);
  if (parts.length < 2) return undefined;
  // The largest first; of equal ones the later: what was scanned again is what shall be read.
  parts.sort(
    (a, b) =>
      b.slices.length - a.slices.length ||
      compare(b.value, a.value) ||
      byUid(a.slices[0]!.plane, b.slices[0]!.plane),
  );
  const nearMm = NEAR_PART * usualGapMm(slices);
  const found: OpenLayer[] = [];
  for (const part of parts) {
    const isLarge = part.slices.length >= slicesMin;
    let layer = found.find((one) => one.hasRoomFor(part, isLarge));
    if (layer === undefined) {
      if (found.length === LAYERS_MAX) return undefined;
      layer = openLayer(Math.max(nearMm, SAME_POSITION_MM));
      found.push(layer);
    }
    layer.add(part, isLarge);
  }
  if (found.length < 2) return undefined;
  const volumes = found.filter((layer) => layer.slices.length >= slicesMin);
  if (volumes.length === 0) return undefined;
  return {
    volumes: volumes.map((layer) => ({
      slices: layer.slices.sort((a, b) => a.depthMm - b.depthMm),
      value: layer.text(),
    })),
    repeated: found.filter((layer) => !volumes.includes(layer)).flatMap((layer) => layer.slices),
  };
}

interface OpenLayer {
  readonly slices: PlacedSlice[];
  hasRoomFor(part: Part, isLarge: boolean): boolean;
  add(part: Part, isLarge: boolean): void;
  text(): string;
}

/**
 * Large parts need their whole extent for themselves. A small one, such as a rotation or a single slice, needs room for
 * its slices only: it may fill a hole in a large one.
 */
function openLayer(nearMm: number): OpenLayer {
  const slices: PlacedSlice[] = [];
  const extents: [number, number][] = [];
  const values: (number | string | undefined)[] = [];
  const cells = new Map<number, number[]>();
  const cellOf = (depthMm: number) => Math.floor(depthMm / nearMm);
  const isNear = (depthMm: number) => {
    const cell = cellOf(depthMm);
    for (let one = cell - 1; one <= cell + 1; one++) {
      if (cells.get(one)?.some((other) => Math.abs(other - depthMm) < nearMm)) return true;
    }
    return false;
  };
  return {
    slices,
    hasRoomFor(part, isLarge) {
      if (!isLarge) return !part.slices.some((slice) => isNear(slice.depthMm));
      const [low, high] = extentOf(part);
      return extents.every(
        ([otherLow, otherHigh]) =>
          low > otherHigh + SAME_POSITION_MM || high < otherLow - SAME_POSITION_MM,
      );
    },
    add(part, isLarge) {
      if (isLarge) extents.push(extentOf(part));
      values.push(part.value);
      for (const slice of part.slices) {
        slices.push(slice);
        const cell = cellOf(slice.depthMm);
        const here = cells.get(cell);
        // One is enough to say that the cell is taken; two are kept because they may lie at its two ends.
        if (here === undefined) cells.set(cell, [slice.depthMm]);
        else if (here.length < 2) here.push(slice.depthMm);
      }
    },
    text() {
      const first = values[0] ?? "";
      return values.length > 1 ? `${first} and others` : `${first}`;
    },
  };
}

function extentOf({ slices }: Part): [number, number] {
  return [slices[0]!.depthMm, slices.at(-1)!.depthMm];
}

function usualGapMm(slices: readonly PlacedSlice[]): number {
  const places = positionsOf(slices).map(([first]) => first!.depthMm);
  const gaps = places.slice(1).map((depth, i) => depth - places[i]!);
  return gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? 0;
}

/** Every position as often as every other: what is k times there is k volumes, told apart by header or by rank. */
function splitCopies(layer: Layer, slicesMin: number): Layer[] {
  const positions = positionsOf(layer.slices);
  const count = positions[0]!.length;
  const isComplete = positions.every((one) => one.length === count);
  if (count < 2 || count > LAYERS_MAX || !isComplete || positions.length < slicesMin)
    return [layer];
  for (const key of COPY_KEYS) {
    const parts = partsBy(layer.slices, key);
    const isEach = parts.length === count && parts.every(({ slices }) => isOnceEach(slices));
    if (!isEach) continue;
    parts.sort((a, b) => compare(a.value, b.value));
    return named(
      layer,
      parts.map(({ slices, value }) => ({ slices, value: `${value}` })),
      key,
    );
  }
  for (const key of RANK_KEYS) {
    const ranked = positions.map((one) =>
      [...one].sort((a, b) => compare(key.of(a.plane), key.of(b.plane))),
    );
    const areTold = ranked.every((one) =>
      one.every((slice, rank) => {
        const value = key.of(slice.plane);
        return value !== undefined && (rank === 0 || value !== key.of(one[rank - 1]!.plane));
      }),
    );
    if (!areTold) continue;
    const parts = Array.from({ length: count }, (_, rank) => ({
      slices: ranked.map((one) => one[rank]!),
      value: `${rank + 1}`,
    }));
    return named(layer, parts, { ...key, name: `phase by ${key.name}` });
  }
  return [layer];
}

function isOnceEach(slices: readonly PlacedSlice[]): boolean {
  return positionsOf(slices).every((one) => one.length === 1);
}

/** Numbers by value, texts by their characters, nothing before anything. */
function compare(a: number | string | undefined, b: number | string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  return a < b ? -1 : 1;
}
