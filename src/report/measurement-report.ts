/**
 * The measurement document: Comprehensive 3D SR, TID 1500 (PS3.16), for viewers that draw on the images and for
 * systems that collect numbers. IHE AI Results asks for this class and root.
 *
 * Bent to what viewers do with valid objects: every group has a point on the key image (a group without one blanks
 * OHIF) and an own tracking UID (OHIF merges groups that share one); the words stand in Qualitative Evaluations,
 * where no measurement belongs.
 */

import { isValidUid } from "../dicom/uids.ts";
import { regionOf } from "./body-region.ts";
import { cleanDate, cleanLine, cleanParagraph } from "./clean-text.ts";
import { CODE, CONCEPT, type Code, PRIVATE_SCHEME, unit } from "./codes.ts";
import { type ContentItem, item } from "./content.ts";
import { roundTo } from "./decimal.ts";
import { trackingUid } from "./identity.ts";
import type { ReportInput, ReportMeasurement } from "./input.ts";
import { deviceObserver, language, procedureReported } from "./observer.ts";
import { findingLines, type ReportWords, SCORES_MAX } from "./wording.ts";

/** Measurements of one group; more are left out, a viewer shows five. */
const MEASUREMENTS_MAX = 100;
const TEXT_CHARACTERS_MAX = 10_000;

interface Group {
  readonly name: string;
  readonly finding: Code;
  readonly algorithm: readonly [name: string, version: string, ...parameters: string[]];
  readonly numbers: readonly ContentItem[];
}

export function measurementTree(input: ReportInput, words: ReportWords): ContentItem {
  const groups = groupsOf(input);
  return item(
    "CONTAINS",
    CONCEPT.imagingMeasurementReport,
    { type: "CONTAINER", template: "1500" },
    [
      language(),
      ...deviceObserver(input),
      procedureReported(),
      imageLibrary(input),
      item(
        "CONTAINS",
        CONCEPT.imagingMeasurements,
        { type: "CONTAINER" },
        groups.map((group, index) =>
          measurementGroup(input, group, anchor(input, index, groups.length)),
        ),
      ),
      qualitativeEvaluations(input, words),
    ],
  );
}

/** Only the key image: a long library pushes the results out of sight in text viewers. TID 1600. */
function imageLibrary({ study, series, keyImage }: ReportInput): ContentItem {
  const context = "HAS ACQ CONTEXT";
  const region = regionOf(series.bodyPartExamined);
  const studyDate = cleanDate(study.studyDate);
  const { sopClassUid, sopInstanceUid, frameNumber } = keyImage;
  return item("CONTAINS", CONCEPT.imageLibrary, { type: "CONTAINER" }, [
    item("CONTAINS", CONCEPT.imageLibraryGroup, { type: "CONTAINER" }, [
      item(context, CONCEPT.modality, { type: "CODE", code: CODE.computedTomography }),
      ...(region === undefined
        ? []
        : [item(context, CONCEPT.targetRegion, { type: "CODE", code: region })]),
      ...(studyDate === ""
        ? []
        : [item(context, CONCEPT.studyDate, { type: "DATE", date: studyDate })]),
      ...(isValidUid(series.frameOfReferenceUid)
        ? [
            item(context, CONCEPT.frameOfReferenceUid, {
              type: "UIDREF",
              uid: series.frameOfReferenceUid,
            }),
          ]
        : []),
      item("CONTAINS", CONCEPT.originalSource, {
        type: "IMAGE",
        image: { sopClassUid, sopInstanceUid },
        ...(frameNumber === undefined ? {} : { frameNumber }),
      }),
    ]),
  ]);
}

function groupsOf(input: ReportInput): Group[] {
  const { model, node, measurements } = input;
  const kindred = ["Kindred volume", cleanLine(node.version, 64)] as const;
  const groups: Group[] = [];
  // OHIF writes the number 0 as nothing, so a group of nothing but a zero is left to the words.
  if (model !== null && input.similar !== null && input.similar.compared > 0) {
    groups.push({
      name: "similarity",
      finding: CONCEPT.similarity,
      algorithm: [
        cleanLine(model.title, 64) || cleanLine(model.id, 64),
        cleanLine(model.version, 64),
        `model ${cleanLine(model.id, 64)}`,
        `bundle ${cleanLine(model.bundleDigest, 128)}`,
        `profile ${cleanLine(model.profile, 64)}`,
        `provider ${cleanLine(model.provider, 64)}`,
      ],
      numbers: similarityNumbers(input.similar),
    });
  }
  groups.push({
    name: "geometry",
    finding: CONCEPT.volumeGeometry,
    algorithm: kindred,
    numbers: geometryNumbers(input),
  });
  if (measurements.length > 0) {
    groups.push({
      name: "volume",
      finding: CONCEPT.volumeMeasurements,
      algorithm: kindred,
      numbers: measurements.slice(0, MEASUREMENTS_MAX).map(measured),
    });
  }
  return groups;
}

const number = (concept: Code, value: number, ucum: string): ContentItem =>
  item("CONTAINS", concept, { type: "NUM", number: value, unit: unit(ucum) });

function similarityNumbers(similar: NonNullable<ReportInput["similar"]>): ContentItem[] {
  return [
    number(CONCEPT.patientsCompared, similar.compared, "{patients}"),
    ...similar.scores
      .slice(0, SCORES_MAX)
      .map((score) => number(CONCEPT.similarityScore, roundTo(score, 4), "{score}")),
    ...(similar.counts ?? []).slice(0, MEASUREMENTS_MAX).map(({ meaning, count }) =>
      number(
        {
          ...CONCEPT.similarityCount,
          meaning: cleanLine(meaning, 64) || CONCEPT.similarityCount.meaning,
        },
        count,
        "{patients}",
      ),
    ),
  ];
}

function geometryNumbers({ series, verdict }: ReportInput): ContentItem[] {
  const { spacingMm, tiltDegrees } = verdict;
  return [
    number(CONCEPT.imageCount, series.instanceCount, "{images}"),
    ...(spacingMm === null
      ? []
      : [
          number(CONCEPT.spacingBetweenSlices, roundTo(spacingMm[0], 4), "mm"),
          number(CONCEPT.verticalPixelSpacing, roundTo(spacingMm[1], 4), "mm"),
          number(CONCEPT.horizontalPixelSpacing, roundTo(spacingMm[2], 4), "mm"),
        ]),
    ...(tiltDegrees === null || roundTo(tiltDegrees, 3) === 0
      ? []
      : [number(CONCEPT.gantryTilt, roundTo(tiltDegrees, 3), "deg")]),
  ];
}

function measured({ code, scheme, meaning, value, ucum }: ReportMeasurement): ContentItem {
  const concept = {
    value: cleanLine(code, 16),
    scheme: cleanLine(scheme ?? PRIVATE_SCHEME.designator, 16),
    meaning: cleanLine(meaning, 64),
  };
  return number(concept, value, cleanLine(ucum, 16) || "1");
}

/** TID 1501 with TID 4019 for the algorithm. */
function measurementGroup(
  input: ReportInput,
  { name, finding, algorithm, numbers }: Group,
  columnRow: readonly [number, number],
): ContentItem {
  const region = regionOf(input.series.bodyPartExamined);
  const [algorithmName, version, ...parameters] = algorithm;
  const { sopClassUid, sopInstanceUid, frameNumber } = input.keyImage;
  const text = (concept: Code, value: string): ContentItem =>
    item("HAS CONCEPT MOD", concept, { type: "TEXT", text: value });
  return item("CONTAINS", CONCEPT.measurementGroup, { type: "CONTAINER", template: "1501" }, [
    item("HAS OBS CONTEXT", CONCEPT.trackingIdentifier, {
      type: "TEXT",
      text: `Kindred ${name}, whole volume`,
    }),
    item("HAS OBS CONTEXT", CONCEPT.trackingUniqueIdentifier, {
      type: "UIDREF",
      uid: trackingUid(input, name),
    }),
    item("CONTAINS", CONCEPT.finding, { type: "CODE", code: finding }),
    ...(region === undefined
      ? []
      : [item("HAS CONCEPT MOD", CONCEPT.findingSite, { type: "CODE", code: region })]),
    text(CONCEPT.algorithmName, algorithmName),
    text(CONCEPT.algorithmVersion, version),
    ...parameters.map((parameter) => text(CONCEPT.algorithmParameters, parameter)),
    ...numbers,
    item("CONTAINS", CONCEPT.imageRegion, { type: "SCOORD", graphicType: "POINT", columnRow }, [
      item("SELECTED FROM", CONCEPT.originalSource, {
        type: "IMAGE",
        image: { sopClassUid, sopInstanceUid },
        ...(frameNumber === undefined ? {} : { frameNumber }),
      }),
    ]),
  ]);
}

/**
 * Where a whole-volume group is tied to the key image: at its left edge, one under the other. A viewer draws an
 * arrow to this point; at the middle of the image it would seem to point at a finding, and two groups at one place
 * would be written over one another. OHIF covers the top of the image with a question. `[column, row]` in pixels, corner of the first pixel at 0, 0.
 */
function anchor(
  { keyImage }: ReportInput,
  index: number,
  count: number,
): readonly [number, number] {
  const { columns, rows } = keyImage;
  return [roundTo(columns / 100, 1), roundTo(rows * (0.1 + (0.8 * index) / count), 1)];
}

/** Only CODE and TEXT: the template allows no number here. */
function qualitativeEvaluations(input: ReportInput, words: ReportWords): ContentItem {
  const text = (concept: Code, lines: readonly string[]): ContentItem =>
    item("CONTAINS", concept, { type: "TEXT", text: cleanParagraph(lines, TEXT_CHARACTERS_MAX) });
  const limits = input.model === null ? [] : words.method.lines;
  const { otherVolumes: others, likelihoods } = words;
  return item("CONTAINS", CONCEPT.qualitativeEvaluations, { type: "CONTAINER" }, [
    text(CONCEPT.conclusion, words.conclusion),
    item("CONTAINS", CONCEPT.verdict, { type: "CODE", code: CODE.verdicts[input.verdict.outcome] }),
    ...findingLines(input).map((line) => text(CONCEPT.verdictFinding, [line])),
    // In words: no code says "likelihood, not verified", and a coded finding with a low number would be read as present.
    ...(likelihoods === undefined ? [] : [text(CONCEPT.likelihoods, likelihoods.lines)]),
    ...(others === undefined ? [] : [text(CONCEPT.otherVolumes, others.lines)]),
    ...(limits.length === 0 ? [] : [text(CONCEPT.comment, limits)]),
  ]);
}
