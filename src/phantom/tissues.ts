/** Hounsfield units of the tissues that depend on contrast medium and on the patient. */
import type { Anatomy } from "./anatomy.ts";

export interface Tissues {
  readonly arteryHu: number;
  readonly veinHu: number;
  readonly heartBloodHu: number;
  readonly myocardiumHu: number;
  readonly liverHu: number;
  readonly liverVesselHu: number;
  readonly spleenHu: number;
  readonly kidneyCortexHu: number;
  readonly kidneyMedullaHu: number;
  readonly pancreasHu: number;
  readonly bowelWallHu: number;
}

/** Unenhanced, or about 70 s after injection (portal venous phase). */
export function tissuesOf(anatomy: Anatomy, isContrastEnhanced: boolean): Tissues {
  if (!isContrastEnhanced)
    return {
      arteryHu: 42,
      veinHu: 41,
      heartBloodHu: 40,
      myocardiumHu: 48,
      liverHu: anatomy.liverHu,
      liverVesselHu: 40,
      spleenHu: 49,
      kidneyCortexHu: 34,
      kidneyMedullaHu: 30,
      pancreasHu: 38,
      bowelWallHu: 40,
    };
  return {
    arteryHu: 168,
    veinHu: 152,
    heartBloodHu: 160,
    myocardiumHu: 108,
    liverHu: anatomy.liverHu + 52,
    liverVesselHu: 158,
    spleenHu: 124,
    kidneyCortexHu: 182,
    kidneyMedullaHu: 150,
    pancreasHu: 96,
    bowelWallHu: 84,
  };
}
