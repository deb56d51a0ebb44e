/** The body of one synthetic patient: how it differs from the reference adult. Drawn once, equal in follow-ups. */

import type { Point } from "./canvas.ts";
import { type NoiseField, noiseField } from "./noise-field.ts";
import type { PhantomBuild, PhantomPatient } from "./phantom-study.ts";
import { type Random, randomFrom } from "./random.ts";
import type { SliceShape } from "./torso-shape.ts";

export interface Anatomy {
  readonly patient: PhantomPatient;
  readonly ageYears: number;
  readonly scale: Point;
  /** Thickness of fat under the skin at the flanks of the abdomen, mm. */
  readonly fatMm: number;
  /** Added to the half width and half depth of the abdominal cavity, mm. */
  readonly bellyMm: number;
  /** Factors on the width and depth of the rib cage. */
  readonly cageWidth: number;
  readonly cageDepth: number;
  /** Height of the right and left dome of the diaphragm, mm. */
  readonly domesMm: readonly [number, number];
  readonly heartScale: number;
  readonly aortaScale: number;
  readonly boneScale: number;
  readonly trabecularHu: number;
  readonly corticalHu: number;
  readonly lungHu: number;
  readonly liverHu: number;
  readonly scoliosisMm: number;
  readonly breastMm: number;
  readonly noise: NoiseField;
  /** Levels of the trunk already worked out, by whole millimetres; see shapeNear in torso-shape.ts. */
  readonly shapes: Map<number, SliceShape>;
  /** Independent stream for one part of the body, e.g. `vessels`. */
  random(part: string): Random;
}

interface BuildNumbers {
  readonly scale: Point;
  readonly fatMm: number;
  readonly bellyMm: number;
  readonly cage: readonly [number, number];
}

const BUILDS: Readonly<Record<PhantomBuild, BuildNumbers>> = {
  slim: { scale: [0.96, 0.94, 0.98], fatMm: 7, bellyMm: -6, cage: [0.97, 0.94] },
  average: { scale: [1, 1, 1], fatMm: 15, bellyMm: 2, cage: [1, 1] },
  stout: { scale: [1.02, 1.04, 0.97], fatMm: 29, bellyMm: 19, cage: [1.04, 1.09] },
  tall: { scale: [1.03, 1.03, 1.09], fatMm: 10, bellyMm: -1, cage: [1, 0.99] },
};

/** @param heartScale - 1 is normal; from about 1.2 the heart counts as enlarged. */
export function anatomyOf(patient: PhantomPatient, ageYears: number, heartScale: number): Anatomy {
  const random = randomFrom(`${patient.bodyKey}/anatomy`);
  const build = BUILDS[patient.build];
  const isFemale = patient.sex === "F";
  const sexScale = isFemale ? 0.94 : 1.02;
  const vary = (value: number, deviation: number): number => value * random.normal(1, deviation);
  const aging = Math.max(0, ageYears - 30);
  return {
    patient,
    ageYears,
    scale: [
      vary(build.scale[0] * sexScale, 0.018),
      vary(build.scale[1] * sexScale, 0.02),
      vary(build.scale[2] * sexScale, 0.02),
    ],
    fatMm: vary(build.fatMm, 0.12) + (isFemale ? 3 : 0),
    bellyMm: build.bellyMm + random.normal(0, 2),
    cageWidth: vary(build.cage[0], 0.012),
    cageDepth: vary(build.cage[1], 0.018),
    domesMm: [random.normal(2, 5), random.normal(-13, 5)],
    heartScale: vary(heartScale, 0.015),
    aortaScale: (0.92 + aging * 0.0035) * random.normal(1, 0.03),
    boneScale: vary(isFemale ? 0.92 : 1.02, 0.02),
    trabecularHu: Math.max(70, 240 - aging * 2.4 + random.normal(0, 15)),
    corticalHu: Math.max(480, 820 - aging * 3 + random.normal(0, 40)),
    lungHu: -858 - aging * 0.2 + random.normal(0, 9),
    liverHu: (patient.build === "stout" ? 42 : 57) + random.normal(0, 4),
    scoliosisMm: random.normal(0, 3),
    breastMm: isFemale ? 26 + build.fatMm * 0.7 + random.normal(0, 3) : 0,
    noise: noiseField(randomFrom(`${patient.bodyKey}/texture`)),
    shapes: new Map(),
    random: (part) => randomFrom(`${patient.bodyKey}/${part}`),
  };
}
