/** Who plays in the demo: ten invented patients, some of them seen twice, some alike in what they have. */
import type { Lobe, PhantomBuild, Side } from "./phantom-study.ts";
import type { ProtocolName } from "./protocols.ts";

/** A finding before its place in the body is chosen. */
export type FindingPlan =
  | {
      readonly code: "lung-nodule";
      readonly lobe: Lobe;
      readonly diameterMm: number;
      readonly meanHu: number;
    }
  | {
      readonly code: "consolidation";
      readonly lobe: Lobe;
      readonly diameterMm: number;
      readonly meanHu: number;
    }
  | { readonly code: "liver-lesion"; readonly diameterMm: number; readonly meanHu: number }
  | {
      readonly code: "pleural-effusion";
      readonly side: Side;
      readonly volumeMl: number;
      readonly meanHu: number;
    }
  | { readonly code: "emphysema"; readonly lungPercent: number }
  | { readonly code: "cardiomegaly"; readonly heartScale: number }
  | { readonly code: "arterial-wall-calcification"; readonly plaques: number }
  | {
      readonly code: "renal-cyst";
      readonly side: Side;
      readonly diameterMm: number;
      readonly meanHu: number;
    }
  | { readonly code: "rib-fracture"; readonly side: Side; readonly rib: number }
  | {
      readonly code: "intracranial-hemorrhage";
      readonly side: Side;
      readonly diameterMm: number;
      readonly meanHu: number;
    }
  | { readonly code: "hydrocephalus"; readonly ventricleScale: number };

export interface Visit {
  /** YYYYMMDD. */
  readonly date: string;
  readonly protocol: ProtocolName;
  readonly findings: readonly FindingPlan[];
}

export interface Role {
  readonly givenName: string;
  readonly sex: "F" | "M";
  readonly birthDate: string;
  readonly build: PhantomBuild;
  readonly visits: readonly Visit[];
}

// biome-ignore format: one finding a line reads best
export const CAST: readonly Role[] = [
  {
    givenName: "Ada", sex: "F", birthDate: "19621010", build: "slim",
    visits: [
      { date: "20240311", protocol: "chest-fine", findings: [
        { code: "lung-nodule", lobe: "right upper lobe", diameterMm: 11, meanHu: 30 },
      ] },
      { date: "20240916", protocol: "chest-routine", findings: [
        { code: "lung-nodule", lobe: "right upper lobe", diameterMm: 19, meanHu: 34 },
      ] },
    ],
  },
  {
    givenName: "Blaise", sex: "M", birthDate: "19490619", build: "stout",
    visits: [
      { date: "20240122", protocol: "chest-routine", findings: [
        { code: "pleural-effusion", side: "right", volumeMl: 1100, meanHu: 8 },
        { code: "cardiomegaly", heartScale: 1.28 },
        { code: "arterial-wall-calcification", plaques: 14 },
      ] },
      { date: "20240503", protocol: "chest-routine", findings: [
        { code: "pleural-effusion", side: "right", volumeMl: 260, meanHu: 9 },
        { code: "cardiomegaly", heartScale: 1.24 },
        { code: "arterial-wall-calcification", plaques: 14 },
      ] },
    ],
  },
  {
    givenName: "Marie", sex: "F", birthDate: "19571107", build: "average",
    visits: [
      { date: "20240215", protocol: "trunk-enhanced", findings: [
        { code: "liver-lesion", diameterMm: 32, meanHu: 58 },
      ] },
      { date: "20240820", protocol: "trunk-enhanced", findings: [
        { code: "liver-lesion", diameterMm: 46, meanHu: 56 },
        { code: "pleural-effusion", side: "right", volumeMl: 150, meanHu: 10 },
      ] },
    ],
  },
  {
    givenName: "Paul", sex: "M", birthDate: "19520808", build: "tall",
    visits: [
      { date: "20240408", protocol: "chest-routine", findings: [
        { code: "emphysema", lungPercent: 32 },
        { code: "lung-nodule", lobe: "left upper lobe", diameterMm: 14, meanHu: 28 },
      ] },
    ],
  },
  {
    givenName: "Leonhard", sex: "M", birthDate: "19450415", build: "stout",
    visits: [
      { date: "20240527", protocol: "abdomen-enhanced", findings: [
        { code: "renal-cyst", side: "left", diameterMm: 44, meanHu: 6 },
        { code: "arterial-wall-calcification", plaques: 30 },
      ] },
    ],
  },
  {
    givenName: "Laura", sex: "F", birthDate: "19710316", build: "average",
    visits: [
      { date: "20240604", protocol: "chest-enhanced", findings: [
        { code: "consolidation", lobe: "right lower lobe", diameterMm: 68, meanHu: 38 },
        { code: "pleural-effusion", side: "right", volumeMl: 120, meanHu: 12 },
      ] },
      { date: "20240806", protocol: "chest-routine", findings: [] },
    ],
  },
  {
    givenName: "Carl", sex: "M", birthDate: "19470430", build: "tall",
    visits: [
      { date: "20240619", protocol: "trunk-routine", findings: [
        { code: "emphysema", lungPercent: 24 },
        { code: "arterial-wall-calcification", plaques: 24 },
        { code: "rib-fracture", side: "left", rib: 7 },
      ] },
    ],
  },
  {
    givenName: "Grace", sex: "F", birthDate: "19461209", build: "average",
    visits: [
      { date: "20240702", protocol: "head-routine", findings: [{ code: "hydrocephalus", ventricleScale: 2 }] },
    ],
  },
  {
    givenName: "Ernst", sex: "M", birthDate: "19550510", build: "average",
    visits: [
      { date: "20240713", protocol: "head-fine", findings: [
        { code: "intracranial-hemorrhage", side: "right", diameterMm: 34, meanHu: 64 },
      ] },
    ],
  },
  {
    givenName: "Irene", sex: "F", birthDate: "19500912", build: "stout",
    visits: [
      { date: "20240909", protocol: "chest-routine", findings: [
        { code: "pleural-effusion", side: "right", volumeMl: 900, meanHu: 7 },
        { code: "cardiomegaly", heartScale: 1.26 },
      ] },
    ],
  },
];

/** Names for the patients drawn at random after the cast. */
// biome-ignore format: a list reads best in rows
export const MORE_NAMES: readonly [string, ...string[]] = [
  "Emmy", "Niels", "Lise", "Henri", "Rosalind", "Max", "Dorothy", "Erwin", "Hedy", "Alan", "Barbara", "Karl",
  "Rita", "Otto", "Vera", "Hans", "Maria", "Georg", "Sofia", "Felix", "Edith", "Jean", "Clara", "Victor",
];
