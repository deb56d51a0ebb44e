/** What a model says of a volume, every part of it replaceable. */
import type { ReportFindings, ReportLikelihood } from "../../../src/report/input.ts";

export function likelihood(changes: Partial<ReportLikelihood> = {}): ReportLikelihood {
  return {
    name: "pleural effusion",
    value: 0.834,
    isLikelihood: true,
    isCalibrated: false,
    threshold: null,
    source: "zeroShot",
    sourceId: "short",
    ...changes,
  };
}

export function findings(changes: Partial<ReportFindings> = {}): ReportFindings {
  return {
    modelId: "phantom-vle",
    modelVersion: "1.2.0",
    bundleDigest: "0123456789abcdef0123",
    guard: { distance: 3.25, threshold: 12 },
    statement: null,
    problems: [],
    likelihoods: [likelihood()],
    ...changes,
  };
}
