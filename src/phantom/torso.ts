/** A whole trunk, from the first layer to the last finding. */

import { paintAbdomen } from "./abdomen.ts";
import { anatomyOf } from "./anatomy.ts";
import type { Canvas } from "./canvas.ts";
import { paintAirways, paintLungVessels } from "./lungs.ts";
import { paintMediastinum } from "./mediastinum.ts";
import { findingsOf, type PhantomStudy } from "./phantom-study.ts";
import { paintSkeleton } from "./skeleton.ts";
import { tissuesOf } from "./tissues.ts";
import {
  paintAbdominalFindings,
  paintBoneFindings,
  paintDiffuseLungFindings,
  paintFocalLungFindings,
  paintPleuralFindings,
} from "./torso-findings.ts";
import { paintTorsoWall } from "./torso-wall.ts";

export function paintTorso(canvas: Canvas, study: PhantomStudy): void {
  const { findings } = study;
  const heart = findingsOf(findings, "cardiomegaly")[0]?.heartScale ?? 1;
  const anatomy = anatomyOf(study.patient, study.ageYears, heart);
  const tissues = tissuesOf(anatomy, study.acquisition.isContrastEnhanced);
  const hasChest = canvas.zs[canvas.nz - 1]! > 60;
  const hasAbdomen = canvas.zs[0]! < 20;
  paintTorsoWall(canvas, anatomy);
  paintDiffuseLungFindings(canvas, anatomy, findings);
  paintLungVessels(canvas, anatomy, tissues.arteryHu);
  paintFocalLungFindings(canvas, anatomy, findings);
  if (hasChest) paintAirways(canvas, anatomy);
  paintPleuralFindings(canvas, findings);
  if (hasAbdomen) paintAbdomen(canvas, anatomy, tissues);
  paintMediastinum(canvas, anatomy, tissues);
  paintAbdominalFindings(canvas, anatomy, findings);
  paintSkeleton(canvas, anatomy, findingsOf(findings, "rib-fracture"));
  paintBoneFindings(canvas, anatomy, findings);
}
