/** A small population of synthetic CT studies with ground truth, the same for the same seed on every machine. */
import { uidFromName } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { placeInLiver } from "./abdomen.ts";
import { anatomyOf } from "./anatomy.ts";
import { CAST, type FindingPlan, MORE_NAMES, type Role, type Visit } from "./cast.ts";
import { placeInLobe } from "./lungs.ts";
import type {
  Lobe,
  PhantomFinding,
  PhantomPatient,
  PhantomRegion,
  PhantomStudy,
} from "./phantom-study.ts";
import { acquisitionOf, type ProtocolName } from "./protocols.ts";
import { type Random, randomFrom } from "./random.ts";
import { reportText } from "./report-text.ts";

const SIZE_DEFAULT = 14;
const SIZE_MAX = 100_000;

/**
 * The first `size` studies of the population of `seed`. The first fourteen follow a script (ten patients, four of
 * them with a follow-up); further ones are drawn at random. A larger population begins with the smaller one.
 *
 * @throws KindredError `BAD_REQUEST` when `size` is not a whole number from 0 to 100,000
 */
export function population(seed: number, size: number = SIZE_DEFAULT): readonly PhantomStudy[] {
  if (!Number.isInteger(size) || size < 0 || size > SIZE_MAX) {
    throw new KindredError("BAD_REQUEST", `Ask for 0 to ${SIZE_MAX} phantom studies`);
  }
  const studies: PhantomStudy[] = [];
  for (let index = 0; studies.length < size; index++) {
    const role = CAST[index] ?? randomRole(seed, index);
    studies.push(...studiesOf(seed, index, role));
  }
  return studies.slice(0, size);
}

/**
 * The studies of one patient, one a visit, earliest first.
 *
 * @param seed - of the population; with the index it names the patient's body
 * @param index - place of the patient in the population, from 0
 */
export function studiesOf(seed: number, index: number, role: Role): PhantomStudy[] {
  const id = `KP-${String(index + 1).padStart(4, "0")}`;
  const patient: PhantomPatient = {
    name: `Phantom^${role.givenName}`,
    id,
    sex: role.sex,
    birthDate: role.birthDate,
    build: role.build,
    bodyKey: `kindred-phantom/${seed}/${id}`,
  };
  const studies: PhantomStudy[] = [];
  for (const visit of role.visits) studies.push(studyOf(patient, visit, studies));
  return studies;
}

function studyOf(
  patient: PhantomPatient,
  visit: Visit,
  earlier: readonly PhantomStudy[],
): PhantomStudy {
  const number = earlier.length + 1;
  const key = `${patient.bodyKey}/study-${number}`;
  const { region, acquisition } = acquisitionOf(visit.protocol, patient.build);
  const ageYears = yearsBetween(patient.birthDate, visit.date);
  const findings = placeFindings(patient, ageYears, visit.findings);
  const prior = earlier.at(-1);
  const random = randomFrom(`${key}/admin`);
  const two = (value: number): string => String(value).padStart(2, "0");
  return {
    key,
    patient,
    ageYears,
    studyInstanceUid: uidFromName(key),
    seriesInstanceUid: uidFromName(`${key}/series-2`),
    frameOfReferenceUid: uidFromName(`${key}/frame`),
    studyDate: visit.date,
    studyTime: `${two(8 + random.integer(10))}${two(random.integer(60))}${two(random.integer(60))}`,
    accessionNumber: `A${patient.id.slice(3)}${number}${String(random.integer(10000)).padStart(4, "0")}`,
    studyId: `${patient.id.slice(3)}-${number}`,
    studyDescription: `CT ${REGION_TITLES[region]}`,
    seriesDescription: `${REGION_TITLES[region]} ${acquisition.sliceMm} mm ${acquisition.kernelName}`,
    seriesNumber: 2,
    region,
    acquisition,
    findings,
    report: reportText({
      region,
      isContrastEnhanced: acquisition.isContrastEnhanced,
      findings,
      prior: prior === undefined ? undefined : { date: prior.studyDate, findings: prior.findings },
    }),
  };
}

const REGION_TITLES: Readonly<Record<PhantomRegion, string>> = {
  chest: "Chest",
  abdomen: "Abdomen",
  "chest-abdomen": "Chest and abdomen",
  head: "Head",
};

/** Gives focal findings their place. The stream is the patient's, so a follow-up finds the same spot. */
function placeFindings(
  patient: PhantomPatient,
  ageYears: number,
  plans: readonly FindingPlan[],
): PhantomFinding[] {
  const anatomy = anatomyOf(patient, ageYears, 1.3);
  return plans.map((plan): PhantomFinding => {
    switch (plan.code) {
      case "lung-nodule": {
        const center = placeInLobe(anatomy, anatomy.random(`nodule-${plan.lobe}`), plan.lobe, 16);
        return { ...plan, side: sideOf(plan.lobe), center };
      }
      case "consolidation": {
        const center = placeInLobe(anatomy, anatomy.random(`dense-${plan.lobe}`), plan.lobe, 24);
        return { ...plan, side: sideOf(plan.lobe), center };
      }
      case "liver-lesion":
        return { ...plan, center: placeInLiver(anatomy, anatomy.random("liver-lesion"), 26) };
      default:
        return plan;
    }
  });
}

function sideOf(lobe: Lobe): "left" | "right" {
  return lobe.startsWith("left") ? "left" : "right";
}

function yearsBetween(birth: string, date: string): number {
  const years = Number(date.slice(0, 4)) - Number(birth.slice(0, 4));
  return date.slice(4) < birth.slice(4) ? years - 1 : years;
}

const PROTOCOL_NAMES: readonly [ProtocolName, ...ProtocolName[]] = [
  "chest-routine",
  "chest-fine",
  "chest-enhanced",
  "abdomen-routine",
  "abdomen-enhanced",
  "trunk-enhanced",
  "trunk-routine",
  "head-routine",
  "head-fine",
];
/** All five. */
export const LOBES: readonly [Lobe, ...Lobe[]] = [
  "right upper lobe",
  "right middle lobe",
  "right lower lobe",
  "left upper lobe",
  "left lower lobe",
];

/** A patient drawn at random: one study, each finding with its own chance. */
function randomRole(seed: number, index: number): Role {
  const random = randomFrom(`kindred-phantom/${seed}/role-${index}`);
  const two = (value: number): string => String(value).padStart(2, "0");
  const protocol = random.pick(PROTOCOL_NAMES);
  const birthYear = 1935 + random.integer(65);
  return {
    givenName: `${random.pick(MORE_NAMES)}${index}`,
    sex: random.pick(["F", "M"]),
    birthDate: `${birthYear}${two(1 + random.integer(12))}${two(1 + random.integer(28))}`,
    build: random.pick(["slim", "average", "stout", "tall"]),
    visits: [
      {
        date: `2024${two(1 + random.integer(12))}${two(1 + random.integer(28))}`,
        protocol,
        findings: randomFindings(random, acquisitionOf(protocol, "average").region),
      },
    ],
  };
}

function randomFindings(random: Random, region: PhantomRegion): FindingPlan[] {
  const plans: FindingPlan[] = [];
  const chance = (share: number, plan: () => FindingPlan): void => {
    if (random.next() < share) plans.push(plan());
  };
  const side = (): "left" | "right" => random.pick(["left", "right"]);
  const whole = (low: number, high: number): number => Math.round(random.range(low, high));
  if (region === "head") {
    chance(0.35, () => ({
      code: "intracranial-hemorrhage",
      side: side(),
      diameterMm: whole(16, 42),
      meanHu: whole(56, 72),
    }));
    chance(0.35, () => ({ code: "hydrocephalus", ventricleScale: random.range(1.5, 2.3) }));
    return plans;
  }
  if (region !== "abdomen") {
    chance(0.3, () => ({
      code: "lung-nodule",
      lobe: random.pick(LOBES),
      diameterMm: whole(8, 28),
      meanHu: whole(15, 60),
    }));
    chance(0.22, () => ({
      code: "consolidation",
      lobe: random.pick(LOBES),
      diameterMm: whole(35, 80),
      meanHu: whole(25, 50),
    }));
    chance(0.22, () => ({
      code: "pleural-effusion",
      side: "right",
      volumeMl: whole(10, 130) * 10,
      meanHu: whole(2, 18),
    }));
    chance(0.18, () => ({
      code: "pleural-effusion",
      side: "left",
      volumeMl: whole(10, 110) * 10,
      meanHu: whole(2, 18),
    }));
    chance(0.22, () => ({ code: "emphysema", lungPercent: whole(8, 40) }));
    chance(0.22, () => ({ code: "cardiomegaly", heartScale: random.range(1.2, 1.34) }));
    chance(0.1, () => ({ code: "rib-fracture", side: side(), rib: whole(4, 9) }));
  }
  chance(0.35, () => ({ code: "arterial-wall-calcification", plaques: whole(6, 36) }));
  if (region !== "chest") {
    chance(0.3, () => ({ code: "liver-lesion", diameterMm: whole(14, 50), meanHu: whole(15, 60) }));
    chance(0.3, () => ({
      code: "renal-cyst",
      side: side(),
      diameterMm: whole(20, 60),
      meanHu: whole(0, 15),
    }));
  }
  return plans;
}
