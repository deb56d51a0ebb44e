/** The radiologist's paragraph for a synthetic study, written from its ground truth and nothing else. */
import { findingsOf, type PhantomFinding, type PhantomRegion } from "./phantom-study.ts";

export interface ReportInput {
  readonly region: PhantomRegion;
  readonly isContrastEnhanced: boolean;
  readonly findings: readonly PhantomFinding[];
  readonly prior:
    | { readonly date: string; readonly findings: readonly PhantomFinding[] }
    | undefined;
}

const REGION_WORDS: Readonly<Record<PhantomRegion, string>> = {
  chest: "chest",
  abdomen: "abdomen",
  "chest-abdomen": "chest and abdomen",
  head: "head",
};

/** One paragraph in English. */
export function reportText(input: ReportInput): string {
  const contrast = input.isContrastEnhanced ? "with" : "without";
  const sentences = [`CT of the ${REGION_WORDS[input.region]} ${contrast} intravenous contrast.`];
  if (input.prior !== undefined)
    sentences.push(`Compared with the study of ${isoDate(input.prior.date)}.`);
  sentences.push(...input.findings.map(sentenceOf));
  sentences.push(...changesSince(input), ...normalSentences(input));
  const impression = input.findings.map(shortName);
  sentences.push(
    impression.length === 0
      ? "Impression: no abnormality."
      : `Impression: ${impression.join(", ")}.`,
  );
  return sentences.join(" ");
}

function isoDate(date: string): string {
  return `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
}

function sentenceOf(finding: PhantomFinding): string {
  switch (finding.code) {
    case "lung-nodule":
      return `Solid nodule of ${finding.diameterMm} mm in the ${finding.lobe}.`;
    case "pleural-effusion":
      return `${sizeWord(finding.volumeMl)} ${finding.side} pleural effusion of about ${finding.volumeMl} mL with passive atelectasis.`;
    case "emphysema":
      return `Centrilobular emphysema, most in the upper lobes, involving about ${finding.lungPercent} percent of the lungs.`;
    case "consolidation":
      return `Consolidation of ${finding.diameterMm} mm with ground-glass margin in the ${finding.lobe}.`;
    case "cardiomegaly":
      return "The heart is enlarged.";
    case "arterial-wall-calcification":
      return `${finding.plaques > 20 ? "Extensive" : "Scattered"} calcified plaques of the aorta.`;
    case "liver-lesion":
      return `Hypodense lesion of ${finding.diameterMm} mm in the right lobe of the liver.`;
    case "renal-cyst":
      return `Simple cyst of ${finding.diameterMm} mm of the ${finding.side} kidney.`;
    case "rib-fracture":
      return `Displaced fracture of the ${ordinal(finding.rib)} rib on the ${finding.side}.`;
    case "intracranial-hemorrhage":
      return `Hyperdense hemorrhage of ${finding.diameterMm} mm in the ${finding.side} basal ganglia with a rim of edema.`;
    case "hydrocephalus":
      return "The lateral and third ventricles are widened, the sulci narrow.";
  }
}

function shortName(finding: PhantomFinding): string {
  switch (finding.code) {
    case "lung-nodule":
      return `nodule of the ${finding.lobe}`;
    case "pleural-effusion":
      return `${finding.side} pleural effusion`;
    case "emphysema":
      return "emphysema";
    case "consolidation":
      return `consolidation of the ${finding.lobe}`;
    case "cardiomegaly":
      return "cardiomegaly";
    case "arterial-wall-calcification":
      return "aortic atherosclerosis";
    case "liver-lesion":
      return "liver lesion";
    case "renal-cyst":
      return `${finding.side} renal cyst`;
    case "rib-fracture":
      return `fracture of the ${finding.side} ${ordinal(finding.rib)} rib`;
    case "intracranial-hemorrhage":
      return `${finding.side} intracerebral hemorrhage`;
    case "hydrocephalus":
      return "hydrocephalus";
  }
}

/** Growth, shrinkage, new and gone, by code. */
function changesSince({ findings, prior }: ReportInput): string[] {
  if (prior === undefined) return [];
  const sentences: string[] = [];
  for (const now of findings) {
    const then = prior.findings.find((finding) => finding.code === now.code);
    const [size, before] = [sizeOf(now), then === undefined ? undefined : sizeOf(then)];
    if (then === undefined) sentences.push(`New: ${shortName(now)}.`);
    else if (size !== undefined && before !== undefined && size.value !== before.value) {
      const verb = size.value > before.value ? "increased" : "decreased";
      sentences.push(
        `The ${shortName(now)} has ${verb} from ${before.value} to ${size.value} ${size.unit}.`,
      );
    }
  }
  for (const then of prior.findings)
    if (!findings.some((finding) => finding.code === then.code))
      sentences.push(`The ${shortName(then)} has resolved.`);
  return sentences;
}

function sizeOf(finding: PhantomFinding): { value: number; unit: string } | undefined {
  if ("diameterMm" in finding) return { value: finding.diameterMm, unit: "mm" };
  if ("volumeMl" in finding) return { value: finding.volumeMl, unit: "mL" };
  return undefined;
}

function normalSentences({ region, findings }: ReportInput): string[] {
  const has = (code: PhantomFinding["code"]): boolean => findingsOf(findings, code).length > 0;
  const sentences: string[] = [];
  if (region === "head") {
    if (!has("intracranial-hemorrhage")) sentences.push("No hemorrhage.");
    if (!has("hydrocephalus")) sentences.push("Ventricles of normal width.");
    return sentences;
  }
  if (region !== "abdomen") {
    if (!has("lung-nodule") && !has("consolidation")) sentences.push("No nodule or consolidation.");
    if (!has("pleural-effusion")) sentences.push("No pleural effusion.");
    if (!has("cardiomegaly")) sentences.push("Heart of normal size.");
  }
  if (region !== "chest") {
    if (!has("liver-lesion")) sentences.push("No focal lesion of the liver.");
    if (!has("renal-cyst")) sentences.push("Kidneys unremarkable.");
  }
  return sentences;
}

function sizeWord(volumeMl: number): string {
  return volumeMl >= 700 ? "Large" : volumeMl >= 300 ? "Moderate" : "Small";
}

function ordinal(n: number): string {
  return `${n}${n === 1 ? "st" : n === 2 ? "nd" : n === 3 ? "rd" : "th"}`;
}
