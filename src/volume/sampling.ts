/**
 * Where the samples of a resampled grid lie. A model was trained on the output of somebody's resampler, and they do not
 * agree on how many samples there are, where the first one is, and what lies outside: docs/volumes.md has the table.
 */
import { KindredError } from "../kernel/errors.ts";

export type Triple = readonly [number, number, number];

/**
 * `torch`: interpolate with half-pixel centers; `area`: interpolate(mode="area"), to a size only; `monai`: Spacing;
 * `torchio`: Resample; `simpleitk`: origin kept.
 */
export type ResampleFlavour = "torch" | "area" | "monai" | "torchio" | "simpleitk";
/** How `samples · spacing / new spacing` becomes a number of samples. */
export type SizeRule = "round" | "floor" | "ceil";

/** One of `spacingMm` and `sizeVoxels`, `[slices, rows, columns]`. */
export interface Resampling {
  readonly spacingMm?: Triple | undefined;
  readonly sizeVoxels?: Triple | undefined;
  /** Widen the triangle filter when shrinking; only torch has it. */
  readonly antialias: boolean;
  /** Default: torch. */
  readonly flavour?: ResampleFlavour | undefined;
  /** Default: the flavour's own. */
  readonly sizeRule?: SizeRule | undefined;
  /** Only torch: steps of exactly the spacing, or those that fill the axis with its whole number of samples. Default: spacing. */
  readonly stepFrom?: "spacing" | "size" | undefined;
  /** Value outside the scan, of torchio and simpleitk. Default: 0, as theirs. */
  readonly outsideValue?: number | undefined;
}

export interface AxisSampling {
  readonly inputs: number;
  readonly outputs: number;
  /** Input steps an output step. */
  readonly scale: number;
  /** Input position of output 0. */
  readonly first: number;
  readonly spacingMm: number;
}

/** Voxels of a resampled or padded volume; more is a wrong profile, not a scan. */
const VOXELS_MAX = 2_147_483_648;

/**
 * @returns the sampling of each axis
 * @throws KindredError `NOT_A_VOLUME` when the result would be empty or absurdly large
 */
export function samplingOf(
  grid: { readonly sizeVoxels: Triple; readonly spacingMm: Triple },
  to: Resampling,
): readonly [AxisSampling, AxisSampling, AxisSampling] {
  const axes = [0, 1, 2].map((i) =>
    axisOf(grid.sizeVoxels[i]!, grid.spacingMm[i]!, to.sizeVoxels?.[i], to.spacingMm?.[i], to),
  ) as [AxisSampling, AxisSampling, AxisSampling];
  checkSize([axes[0].outputs, axes[1].outputs, axes[2].outputs]);
  return axes;
}

function axisOf(
  inputs: number,
  spacingMm: number,
  size: number | undefined,
  wantedMm: number | undefined,
  to: Resampling,
): AxisSampling {
  const flavour = to.flavour ?? "torch";
  const outputs = size ?? outputsOf(inputs, spacingMm, wantedMm!, flavour, to.sizeRule);
  const isStretched = wantedMm === undefined || (flavour === "torch" && to.stepFrom === "size");
  const scale = isStretched ? inputs / outputs : wantedMm / spacingMm;
  const newMm = isStretched ? (inputs * spacingMm) / outputs : wantedMm;
  return {
    inputs,
    outputs,
    scale,
    first: firstOf(flavour, inputs, outputs, scale),
    spacingMm: newMm,
  };
}

function outputsOf(
  inputs: number,
  spacingMm: number,
  wantedMm: number,
  flavour: ResampleFlavour,
  rule: SizeRule | undefined,
): number {
  const exact = (inputs * spacingMm) / wantedMm;
  // From first to last voxel center, and numpy rounds halves to even.
  if (flavour === "monai") return roundHalfEven(((inputs - 1) * spacingMm) / wantedMm + 1);
  // TorchIO keeps a single slice single.
  if (flavour === "torchio" && inputs === 1) return 1;
  const own = { torch: "round", area: "round", torchio: "floor", simpleitk: "ceil" } as const;
  return Math.max(1, Math[rule ?? own[flavour]](exact));
}

function firstOf(flavour: ResampleFlavour, inputs: number, outputs: number, scale: number): number {
  if (flavour === "torch" || flavour === "area") return 0.5 * scale - 0.5;
  if (flavour === "torchio") return (inputs - 1) / 2 - ((outputs - 1) / 2) * scale;
  return 0;
}

function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  if (value - low === 0.5) return low % 2 === 0 ? low : low + 1;
  return Math.round(value);
}

/** Outputs of an axis that look more than half a voxel outside it, where the flavour has a value for these. */
export function outsideOf(axis: AxisSampling, to: Resampling): number[] {
  if (to.flavour !== "torchio" && to.flavour !== "simpleitk") return [];
  const outside: number[] = [];
  for (let o = 0; o < axis.outputs; o++) {
    const at = axis.first + o * axis.scale;
    if (at < -0.5 || at >= axis.inputs - 0.5) outside.push(o);
  }
  return outside;
}

/** @throws KindredError `NOT_A_VOLUME` */
export function checkSize(size: Triple): void {
  const isWholeSize = size.every((side) => Number.isInteger(side) && side >= 1);
  if (isWholeSize && size[0] * size[1] * size[2] <= VOXELS_MAX) return;
  const message = "A resampled volume would be empty or too large; check the sizes of the profile";
  throw new KindredError("NOT_A_VOLUME", message);
}
