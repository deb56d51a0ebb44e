/**
 * Our own check of a finished document for what validators let pass and viewers or archives do not survive:
 * nameless items, groups without a region or with a shared tracking UID (both blank or mislead OHIF), values that a
 * writer cut, missing Procedure reported, missing template, a missing warning. It reads the data set as it will be
 * sent, so that faults of the writer are found too. Run on every document before it leaves.
 */
import type { DataSet, Element } from "../dicom/data-set.ts";
import { formatTag, TAG } from "../dicom/tags.ts";
import { isValidUid } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { PROCEDURES_REPORTED } from "./codes.ts";
import type { ContentItem } from "./content.ts";
import { decimalString } from "./decimal.ts";
import { WARNING } from "./wording.ts";

/** Tags of PS3.3 C.17 that no other room needs. */
const SR = {
  codeValue: 0x00080100,
  codingSchemeDesignator: 0x00080102,
  codeMeaning: 0x00080104,
  codingSchemeIdentification: 0x00080110,
  mappingResource: 0x00080105,
  referencedSeries: 0x00081115,
  referencedSopSequence: 0x00081199,
  referencedSopClassUid: 0x00081150,
  referencedSopInstanceUid: 0x00081155,
  measurementUnits: 0x004008ea,
  relationshipType: 0x0040a010,
  valueType: 0x0040a040,
  conceptName: 0x0040a043,
  continuity: 0x0040a050,
  verifyingObserver: 0x0040a073,
  uid: 0x0040a124,
  textValue: 0x0040a160,
  conceptCode: 0x0040a168,
  numericValue: 0x0040a30a,
  currentEvidence: 0x0040a375,
  completionFlag: 0x0040a491,
  verificationFlag: 0x0040a493,
  preliminaryFlag: 0x0040a496,
  contentTemplate: 0x0040a504,
  measuredValue: 0x0040a300,
  contentSequence: 0x0040a730,
  templateIdentifier: 0x0040db00,
  graphicData: 0x00700022,
  graphicType: 0x00700023,
} as const;

const MEASUREMENT_ROOT = "DCM:126000";
const ITEMS_MAX = 5_000;
const FAULTS_MAX = 20;

/** Numbers in Graphic Data by Graphic Type (PS3.3 C.18.6.1.2). */
const GRAPHIC_NUMBERS: Readonly<Record<string, (count: number) => boolean>> = {
  POINT: (count) => count === 2,
  MULTIPOINT: (count) => count >= 2 && count % 2 === 0,
  POLYLINE: (count) => count >= 4 && count % 2 === 0,
  CIRCLE: (count) => count === 4,
  ELLIPSE: (count) => count === 8,
};

/** Most bytes or characters of a value by VR (PS3.5 Table 6.2-1). */
const LENGTHS: Readonly<Record<string, number>> = {
  AE: 16,
  CS: 16,
  DS: 16,
  IS: 12,
  LO: 64,
  SH: 16,
  UI: 64,
};

/**
 * @param tree - what the document was made of; given, its values must have survived the writer
 * @throws KindredError `INTERNAL` listing the faults
 */
export function assertViewerSafe(document: DataSet, tree?: ContentItem): void {
  const faults = viewerFaults(document, tree);
  if (faults.length === 0) return;
  throw new KindredError(
    "INTERNAL",
    `A report was not sent because it would not be safe to view: ${faults.join("; ")}. Report this as a bug.`,
    { details: { faults: faults.length } },
  );
}

/** The faults found, in plain words without patient data; empty when there are none. */
export function viewerFaults(document: DataSet, tree?: ContentItem): string[] {
  const faults = [
    ...headerFaults(document),
    ...valueFaults(document),
    ...treeFaults(document),
    ...(tree === undefined ? [] : differences(document, tree, "1")),
  ];
  return faults.length > FAULTS_MAX
    ? [...faults.slice(0, FAULTS_MAX), `${faults.length - FAULTS_MAX} more`]
    : faults;
}

function headerFaults(document: DataSet): string[] {
  const expected: readonly (readonly [number, string, string])[] = [
    [TAG.Modality, "SR", "Modality"],
    [TAG.SpecificCharacterSet, "ISO_IR 192", "Specific Character Set"],
    [SR.completionFlag, "COMPLETE", "Completion Flag"],
    [SR.verificationFlag, "UNVERIFIED", "Verification Flag"],
    [SR.preliminaryFlag, "PRELIMINARY", "Preliminary Flag"],
  ];
  const faults = expected
    .filter(([tag, value]) => document.string(tag) !== value)
    .map(([, value, name]) => `${name} is not ${value}`);
  if (document.has(SR.verifyingObserver)) faults.push("a verifying observer is named");
  if (!(document.string(TAG.SeriesDescription) ?? "").startsWith(WARNING)) {
    faults.push("the series description does not begin with the warning");
  }
  const study = document.string(TAG.StudyInstanceUID) ?? "";
  const evidence = document.items(SR.currentEvidence);
  if (
    evidence.length !== 1 ||
    evidence[0]!.string(TAG.StudyInstanceUID) !== study ||
    study === ""
  ) {
    faults.push("the evidence is not of this study alone");
  }
  const named = evidenceUids(document);
  if (new Set(named).size !== named.length) faults.push("an image stands twice in the evidence");
  return faults;
}

function evidenceUids(document: DataSet): string[] {
  return document
    .items(SR.currentEvidence)
    .flatMap((study) => study.items(SR.referencedSeries))
    .flatMap((series) => series.items(SR.referencedSopSequence))
    .map((image) => image.string(SR.referencedSopInstanceUid) ?? "");
}

/** Values too long for their VR, second values, control characters, broken UIDs. */
function valueFaults(dataSet: DataSet): string[] {
  const faults: string[] = [];
  for (const element of dataSet.elements.values()) {
    const isBroken = isText(element) && !isWritable(dataSet, element);
    if (isBroken)
      faults.push(`${formatTag(element.tag)} ${element.vr} holds what its VR does not allow`);
    for (const one of element.items ?? []) faults.push(...valueFaults(one));
  }
  return faults;
}

function isText({ vr }: Element): boolean {
  return (
    Object.hasOwn(LENGTHS, vr) ||
    vr === "UT" ||
    vr === "PN" ||
    vr === "DA" ||
    vr === "TM" ||
    vr === "DT"
  );
}

function isWritable(dataSet: DataSet, { tag, vr }: Element): boolean {
  const values = dataSet.strings(tag);
  return values.every((value) => {
    if (vr === "UT") return !hasControl(value.replace(/[\r\n\t]/g, ""));
    if (hasControl(value) || values.length > 1) return false;
    if (vr === "PN") return value.split("=").every((group) => Array.from(group).length <= 64);
    if (vr === "UI") return value === "" || isValidUid(value);
    if (vr === "DS") return value.length <= 16 && value !== "" && Number.isFinite(Number(value));
    return Array.from(value).length <= (LENGTHS[vr] ?? Number.POSITIVE_INFINITY);
  });
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

interface Placed {
  readonly item: DataSet;
  /** Position in the tree as viewers number it: 1, 1.1, 1.1.2 … */
  readonly at: string;
  readonly concept: string;
}

/** Every content item with its place, parents first. */
function itemsOf(document: DataSet): Placed[] {
  const placed: Placed[] = [{ item: document, at: "1", concept: codeOf(document, SR.conceptName) }];
  for (let index = 0; index < placed.length && placed.length <= ITEMS_MAX; index++) {
    const parent = placed[index]!;
    placed.push(...childrenOf(parent.item, parent.at));
  }
  return placed;
}

function childrenOf(item: DataSet, at: string): Placed[] {
  return item.items(SR.contentSequence).map((child, index) => ({
    item: child,
    at: `${at}.${index + 1}`,
    concept: codeOf(child, SR.conceptName),
  }));
}

/** `scheme:value`, or "" unless exactly one whole code stands there. */
function codeOf(item: DataSet, sequence: number): string {
  const codes = item.items(sequence);
  const [value, scheme, meaning] = [SR.codeValue, SR.codingSchemeDesignator, SR.codeMeaning].map(
    (tag) => codes[0]?.string(tag) ?? "",
  );
  return codes.length === 1 && value !== "" && scheme !== "" && meaning !== ""
    ? `${scheme}:${value}`
    : "";
}

function treeFaults(document: DataSet): string[] {
  const placed = itemsOf(document);
  const named = new Set(evidenceUids(document));
  const faults = placed.flatMap((one) => itemFaults(one, named));
  if (placed.length > ITEMS_MAX) faults.push("the tree has too many items for a viewer");
  const template = document.items(SR.contentTemplate)[0];
  if (template?.string(SR.mappingResource) !== "DCMR" || !template.string(SR.templateIdentifier)) {
    faults.push("the root names no template");
  }
  faults.push(...schemeFaults(document, placed));
  const conclusions = placed.filter(({ concept }) => concept === "DCM:121077");
  if (!(conclusions[0]?.item.string(SR.textValue) ?? "").startsWith(WARNING)) {
    faults.push("the conclusion does not begin with the warning");
  }
  const isMeasurement = codeOf(document, SR.conceptName) === MEASUREMENT_ROOT;
  return [...faults, ...(isMeasurement ? measurementFaults(placed) : textFaults(placed))];
}

function itemFaults({ item, at, concept }: Placed, named: ReadonlySet<string>): string[] {
  const faults: string[] = [];
  const say = (fault: string): void => void faults.push(`item ${at} ${fault}`);
  const type = item.string(SR.valueType) ?? "";
  if (concept === "") say("has no whole concept name");
  if (at !== "1" && !item.string(SR.relationshipType)) say("has no relationship");
  switch (type) {
    case "CONTAINER":
      if (!item.string(SR.continuity)) say("is a container without continuity");
      if (item.items(SR.contentSequence).length === 0) say("is an empty container");
      break;
    case "TEXT":
      if (!item.string(SR.textValue)) say("is an empty text");
      break;
    case "CODE":
      if (codeOf(item, SR.conceptCode) === "") say("has no whole code");
      break;
    case "NUM":
      if (!isWholeNumber(item)) say("is a number without value or unit");
      break;
    case "UIDREF":
      if (!isValidUid(item.string(SR.uid) ?? "")) say("has no valid UID");
      break;
    case "IMAGE":
      if (!isNamedImage(item, named)) say("refers to an image that is not in the evidence");
      break;
    case "SCOORD":
      if (!isWholeGraphic(item))
        say("is a region with a wrong count of coordinates or without its image");
      break;
    case "DATE":
      break;
    default:
      say("has a value type that is not in use here");
  }
  return faults;
}

function isWholeNumber(item: DataSet): boolean {
  const values = item.items(SR.measuredValue);
  const text = values[0]?.string(SR.numericValue) ?? "";
  return (
    values.length === 1 &&
    text !== "" &&
    Number.isFinite(Number(text)) &&
    codeOf(values[0]!, SR.measurementUnits) !== ""
  );
}

function isNamedImage(item: DataSet, named: ReadonlySet<string>): boolean {
  const references = item.items(SR.referencedSopSequence);
  return (
    references.length === 1 && named.has(references[0]!.string(SR.referencedSopInstanceUid) ?? "")
  );
}

function isWholeGraphic(item: DataSet): boolean {
  const numbers = item.numbers(SR.graphicData);
  const isCounted = GRAPHIC_NUMBERS[item.string(SR.graphicType) ?? ""]?.(numbers.length) ?? false;
  const images = item
    .items(SR.contentSequence)
    .filter(
      (child) =>
        child.string(SR.valueType) === "IMAGE" &&
        child.string(SR.relationshipType) === "SELECTED FROM",
    );
  return isCounted && numbers.every(Number.isFinite) && images.length === 1;
}

/** Private codes need their scheme declared (PS3.3 C.12.1.1.1). */
function schemeFaults(document: DataSet, placed: readonly Placed[]): string[] {
  const declared = new Set(
    document
      .items(SR.codingSchemeIdentification)
      .map((scheme) => scheme.string(SR.codingSchemeDesignator)),
  );
  const used = placed.flatMap(({ item, concept }) => [concept, codeOf(item, SR.conceptCode)]);
  const schemes = new Set(used.map((code) => code.split(":")[0]!));
  return [...schemes]
    .filter((scheme) => scheme.startsWith("99") && !declared.has(scheme))
    .map((scheme) => `the private coding scheme ${scheme} is not declared`);
}

/** What root 126000 needs in OHIF: its measurement view reads groups and nothing else. */
function measurementFaults(placed: readonly Placed[]): string[] {
  const faults: string[] = [];
  const procedure = placed.find(({ concept }) => concept === "DCM:121058");
  if (procedure === undefined || !PROCEDURES_REPORTED.has(codeOf(procedure.item, SR.conceptCode))) {
    faults.push("Procedure reported is absent or not in its context group");
  }
  const groups = placed.filter(({ concept }) => concept === "DCM:125007");
  if (groups.length === 0) faults.push("there is no measurement group");
  const trackingUids = groups.map(({ item, at }) => {
    const children = childrenOf(item, at);
    const has = (concept: string): Placed[] =>
      children.filter((child) => child.concept === concept);
    const regions = children.filter((child) => child.item.string(SR.valueType) === "SCOORD");
    if (regions.length !== 1)
      faults.push(`group ${at} has ${regions.length} regions instead of one`);
    if (has("DCM:112039").length !== 1) faults.push(`group ${at} has no tracking identifier`);
    if (has("DCM:112040").length !== 1) faults.push(`group ${at} has no tracking UID`);
    if (!children.some((child) => child.item.string(SR.valueType) === "NUM"))
      faults.push(`group ${at} has no number`);
    if (has("DCM:111001").length !== 1 || has("DCM:111003").length !== 1) {
      faults.push(`group ${at} does not name its algorithm`);
    }
    return has("DCM:112040")[0]?.item.string(SR.uid) ?? at;
  });
  if (new Set(trackingUids).size !== trackingUids.length)
    faults.push("two groups share a tracking UID");
  return faults;
}

/** What other roots must not hold: OHIF writes that it is unsupported. */
function textFaults(placed: readonly Placed[]): string[] {
  return placed
    .filter(({ item }) => ["IMAGE", "SCOORD", "SCOORD3D"].includes(item.string(SR.valueType) ?? ""))
    .map(({ at }) => `item ${at} cannot be shown in a text document`);
}

/** Where the written document is not the tree it was made of. */
function differences(item: DataSet, content: ContentItem, at: string): string[] {
  const { value } = content;
  const isSame =
    item.string(SR.valueType) === value.type &&
    codeOf(item, SR.conceptName) === `${content.concept.scheme}:${content.concept.value}` &&
    item.items(SR.conceptName)[0]?.string(SR.codeMeaning) === content.concept.meaning &&
    (value.type !== "TEXT" || item.string(SR.textValue) === value.text) &&
    (value.type !== "UIDREF" || item.string(SR.uid) === value.uid) &&
    (value.type !== "NUM" ||
      item.items(SR.measuredValue)[0]?.string(SR.numericValue) === decimalString(value.number));
  const children = item.items(SR.contentSequence);
  if (!isSame || children.length !== content.children.length)
    return [`item ${at} was not written as it was built`];
  return content.children.flatMap((child, index) =>
    differences(children[index]!, child, `${at}.${index + 1}`),
  );
}
