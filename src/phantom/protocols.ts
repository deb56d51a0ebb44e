/** Ways in which the phantom scanners are set; deliberately unlike each other, as in a real archive. */
import type { PhantomAcquisition, PhantomBuild, PhantomRegion } from "./phantom-study.ts";

export type ProtocolName =
  | "chest-routine"
  | "chest-fine"
  | "chest-enhanced"
  | "abdomen-routine"
  | "abdomen-enhanced"
  | "trunk-enhanced"
  | "trunk-routine"
  | "head-routine"
  | "head-fine";

type Settings = Omit<PhantomAcquisition, "pixelMm" | "rows" | "columns"> & {
  readonly region: PhantomRegion;
};

const MODEL_ONE = "Kindred Phantom 64";
const MODEL_TWO = "Kindred Phantom Force";
const unsigned = { isSigned: false, paddingValue: undefined, rescaleIntercept: -1024 } as const;
const signed = { isSigned: true, paddingValue: undefined, rescaleIntercept: 0 } as const;
const padded = { isSigned: true, paddingValue: -2000, rescaleIntercept: -1024 } as const;

// biome-ignore format: a table reads best in rows
const PROTOCOLS: Readonly<Record<ProtocolName, Settings>> = {
  "chest-routine": {
    region: "chest", sliceMm: 5, thicknessMm: 5, noiseHu: 11, kernel: "medium", kernelName: "K40m",
    modelName: MODEL_ONE, kvp: 120, tubeCurrentMa: 180, isContrastEnhanced: false, ...unsigned,
  },
  "chest-fine": {
    region: "chest", sliceMm: 2.5, thicknessMm: 2.5, noiseHu: 14, kernel: "sharp", kernelName: "K70s",
    modelName: MODEL_TWO, kvp: 100, tubeCurrentMa: 120, isContrastEnhanced: false, ...padded,
  },
  "chest-enhanced": {
    region: "chest", sliceMm: 3, thicknessMm: 4, noiseHu: 10, kernel: "soft", kernelName: "K30f",
    modelName: MODEL_TWO, kvp: 100, tubeCurrentMa: 210, isContrastEnhanced: true, ...signed,
  },
  "abdomen-routine": {
    region: "abdomen", sliceMm: 5, thicknessMm: 5, noiseHu: 10, kernel: "soft", kernelName: "K30f",
    modelName: MODEL_ONE, kvp: 120, tubeCurrentMa: 240, isContrastEnhanced: false, ...unsigned,
  },
  "abdomen-enhanced": {
    region: "abdomen", sliceMm: 3, thicknessMm: 3, noiseHu: 11, kernel: "soft", kernelName: "K30f",
    modelName: MODEL_TWO, kvp: 100, tubeCurrentMa: 260, isContrastEnhanced: true, ...signed,
  },
  "trunk-enhanced": {
    region: "chest-abdomen", sliceMm: 5, thicknessMm: 5, noiseHu: 10, kernel: "soft", kernelName: "K30f",
    modelName: MODEL_ONE, kvp: 120, tubeCurrentMa: 230, isContrastEnhanced: true, ...unsigned,
  },
  "trunk-routine": {
    region: "chest-abdomen", sliceMm: 5, thicknessMm: 6, noiseHu: 12, kernel: "medium", kernelName: "K40m",
    modelName: MODEL_TWO, kvp: 120, tubeCurrentMa: 200, isContrastEnhanced: false, ...padded,
  },
  "head-routine": {
    region: "head", sliceMm: 5, thicknessMm: 5, noiseHu: 2.6, kernel: "soft", kernelName: "H30s",
    modelName: MODEL_ONE, kvp: 120, tubeCurrentMa: 300, isContrastEnhanced: false, ...unsigned,
  },
  "head-fine": {
    region: "head", sliceMm: 3, thicknessMm: 3, noiseHu: 3.2, kernel: "soft", kernelName: "H32s",
    modelName: MODEL_TWO, kvp: 120, tubeCurrentMa: 290, isContrastEnhanced: false, ...signed,
  },
};

const MATRIX = 256;
const FIELD_MM: Readonly<Record<PhantomBuild, number>> = {
  slim: 350,
  average: 375,
  tall: 385,
  stout: 430,
};

/** The settings of a protocol for a patient of that build. */
export function acquisitionOf(
  name: ProtocolName,
  build: PhantomBuild,
): { region: PhantomRegion; acquisition: PhantomAcquisition } {
  const { region, ...settings } = PROTOCOLS[name];
  const field = region === "head" ? 235 : FIELD_MM[build];
  const pixelMm = Math.round((field / MATRIX) * 10000) / 10000;
  return { region, acquisition: { ...settings, rows: MATRIX, columns: MATRIX, pixelMm } };
}
