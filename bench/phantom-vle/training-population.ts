/**
 * The patients that phantom-vle is trained and tested on. They are drawn with the demo's bodies, protocols and findings,
 * but every finding is common, so that a few thousand phantoms hold hundreds of each. Splits have seeds of their own, and a
 * body is named by its seed: no patient is in two splits, and none is in a population of the demo or the tests.
 */
import type { FindingPlan, Role } from "../../src/phantom/cast.ts";
import type {
  PhantomAcquisition,
  PhantomRegion,
  PhantomStudy,
  Side,
} from "../../src/phantom/phantom-study.ts";
import { LOBES, studiesOf } from "../../src/phantom/population.ts";
import { acquisitionOf, type ProtocolName } from "../../src/phantom/protocols.ts";
import { type Random, randomFrom } from "../../src/phantom/random.ts";

/** Population seeds, far from the small numbers that people choose. */
export const SPLIT_SEEDS = { train: 710_001, val: 710_002, test: 710_003 } as const;
export type Split = keyof typeof SPLIT_SEEDS;

const PROTOCOLS: readonly [ProtocolName, ...ProtocolName[]] = [
  "chest-routine",
  "chest-routine",
  "chest-fine",
  "chest-enhanced",
  "chest-enhanced",
  "abdomen-routine",
  "abdomen-enhanced",
  "trunk-enhanced",
  "trunk-enhanced",
  "trunk-routine",
  "head-routine",
  "head-fine",
];
const SIDES: readonly [Side, Side] = ["left", "right"];
/** Part of the patients who have nothing. */
const NORMAL_SHARE = 0.06;

/** The study of patient `index` of a split; the same for the same index on every machine. */
export function trainingStudy(split: Split, index: number): PhantomStudy {
  const seed = SPLIT_SEEDS[split];
  const random = randomFrom(`phantom-vle/${seed}/role-${index}`);
  const two = (value: number): string => String(value).padStart(2, "0");
  const protocol = random.pick(PROTOCOLS);
  const role: Role = {
    givenName: `Training${index}`,
    sex: random.pick(["F", "M"]),
    birthDate: `${1935 + random.integer(65)}${two(1 + random.integer(12))}${two(1 + random.integer(28))}`,
    build: random.pick(["slim", "average", "stout", "tall"]),
    visits: [
      {
        date: `2024${two(1 + random.integer(12))}${two(1 + random.integer(28))}`,
        protocol,
        findings: findingsFor(random, acquisitionOf(protocol, "average").region),
      },
    ],
  };
  return studiesOf(seed, index, role)[0]!;
}

function findingsFor(random: Random, region: PhantomRegion): FindingPlan[] {
  if (random.next() < NORMAL_SHARE) return [];
  const plans: FindingPlan[] = [];
  const chance = (share: number, plan: () => FindingPlan): void => {
    if (random.next() < share) plans.push(plan());
  };
  const whole = (low: number, high: number): number => Math.round(random.range(low, high));
  if (region === "head") {
    chance(0.55, () => ({
      code: "intracranial-hemorrhage",
      side: random.pick(SIDES),
      diameterMm: whole(16, 42),
      meanHu: whole(56, 72),
    }));
    chance(0.5, () => ({ code: "hydrocephalus", ventricleScale: random.range(1.5, 2.3) }));
    return plans;
  }
  if (region !== "abdomen") plans.push(...chestFindings(random, whole));
  chance(0.4, () => ({ code: "arterial-wall-calcification", plaques: whole(6, 36) }));
  if (region !== "chest") {
    chance(0.42, () => ({
      code: "liver-lesion",
      diameterMm: whole(14, 50),
      meanHu: whole(15, 60),
    }));
    const cyst = (side: Side): FindingPlan => ({
      code: "renal-cyst",
      side,
      diameterMm: whole(20, 60),
      meanHu: whole(0, 15),
    });
    for (const side of SIDES) chance(0.26, () => cyst(side));
  }
  return plans;
}

function chestFindings(
  random: Random,
  whole: (low: number, high: number) => number,
): FindingPlan[] {
  const plans: FindingPlan[] = [];
  const chance = (share: number, plan: () => FindingPlan): void => {
    if (random.next() < share) plans.push(plan());
  };
  for (const lobe of LOBES)
    chance(0.11, () => ({
      code: "lung-nodule",
      lobe,
      diameterMm: whole(8, 28),
      meanHu: whole(15, 60),
    }));
  chance(0.3, () => ({
    code: "consolidation",
    lobe: random.pick(LOBES),
    diameterMm: whole(35, 80),
    meanHu: whole(25, 50),
  }));
  const effusion = (side: Side): FindingPlan => ({
    code: "pleural-effusion",
    side,
    volumeMl: whole(10, 120) * 10,
    meanHu: whole(2, 18),
  });
  for (const side of SIDES) chance(0.26, () => effusion(side));
  chance(0.3, () => ({ code: "emphysema", lungPercent: whole(8, 40) }));
  chance(0.3, () => ({ code: "cardiomegaly", heartScale: random.range(1.2, 1.34) }));
  chance(0.26, () => ({ code: "rib-fracture", side: random.pick(SIDES), rib: whole(4, 9) }));
  return plans;
}

/**
 * The same study on a grid of half the rows and columns: a quarter of the painting. The sharp kernel blurs least, which makes
 * up for the larger pixels. 0.55 of the noise leaves at 4 mm about what the full grid leaves: it was measured for each protocol
 * (0.51 to 0.60); it is drawn around that number so that the encoder learns no exact noise level.
 */
export function coarse(study: PhantomStudy): PhantomStudy {
  const random = randomFrom(`${study.key}/coarse`);
  const { rows, columns, pixelMm, noiseHu } = study.acquisition;
  const acquisition: PhantomAcquisition = {
    ...study.acquisition,
    rows: rows / 2,
    columns: columns / 2,
    pixelMm: pixelMm * 2,
    kernel: random.next() < 0.75 ? "sharp" : "medium",
    noiseHu: noiseHu * random.range(0.42, 0.72),
  };
  return { ...study, acquisition };
}
