/** What is to be seen on a phantom, as one JSON line. */
import type {
  PhantomFinding,
  PhantomRegion,
  PhantomStudy,
} from "../../src/phantom/phantom-study.ts";

export interface PhantomRecord {
  readonly key: string;
  readonly region: PhantomRegion;
  readonly isContrastEnhanced: boolean;
  readonly findings: readonly PhantomFinding[];
  readonly report: string;
}

export function phantomRecord(study: PhantomStudy): PhantomRecord {
  const { key, region, acquisition, findings, report } = study;
  return { key, region, isContrastEnhanced: acquisition.isContrastEnhanced, findings, report };
}
