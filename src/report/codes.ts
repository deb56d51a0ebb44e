/**
 * Coded concepts: DICOM (DCM), SNOMED CT (SCT), LOINC (LN), UMLS, UCUM, and our own private scheme for what none of
 * them has (PS3.3 8.8, PS3.16). Meanings are exactly those of PS3.16, because validators compare them.
 */
export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

const dcm = (value: string, meaning: string): Code => ({ value, scheme: "DCM", meaning });
const sct = (value: string, meaning: string): Code => ({ value, scheme: "SCT", meaning });
const own = (value: string, meaning: string): Code => ({
  value,
  scheme: PRIVATE_SCHEME.designator,
  meaning,
});

/** Our private coding scheme; designators of private schemes begin with 99 (PS3.3 8.2). */
export const PRIVATE_SCHEME = {
  designator: "99KINDRED",
  uid: "2.25.190402471934021190472660115127348560231",
  name: "Kindred private codes",
  organization: "Kindred",
} as const;

export const CONCEPT = {
  imagingMeasurementReport: dcm("126000", "Imaging Measurement Report"),
  ctReport: { value: "18747-6", scheme: "LN", meaning: "CT Report" },
  language: dcm("121049", "Language of Content Item and Descendants"),
  observerType: dcm("121005", "Observer Type"),
  deviceObserverUid: dcm("121012", "Device Observer UID"),
  deviceObserverName: dcm("121013", "Device Observer Name"),
  deviceObserverManufacturer: dcm("121014", "Device Observer Manufacturer"),
  deviceObserverModelName: dcm("121015", "Device Observer Model Name"),
  deviceObserverSerialNumber: dcm("121016", "Device Observer Serial Number"),
  procedureReported: dcm("121058", "Procedure reported"),
  imageLibrary: dcm("111028", "Image Library"),
  imageLibraryGroup: dcm("126200", "Image Library Group"),
  modality: dcm("121139", "Modality"),
  targetRegion: dcm("123014", "Target Region"),
  studyDate: dcm("111060", "Study Date"),
  frameOfReferenceUid: dcm("112227", "Frame of Reference UID"),
  imagingMeasurements: dcm("126010", "Imaging Measurements"),
  measurementGroup: dcm("125007", "Measurement Group"),
  trackingIdentifier: dcm("112039", "Tracking Identifier"),
  trackingUniqueIdentifier: dcm("112040", "Tracking Unique Identifier"),
  finding: dcm("121071", "Finding"),
  findingSite: sct("363698007", "Finding Site"),
  algorithmName: dcm("111001", "Algorithm Name"),
  algorithmVersion: dcm("111003", "Algorithm Version"),
  algorithmParameters: dcm("111002", "Algorithm Parameters"),
  imageRegion: dcm("111030", "Image Region"),
  originalSource: dcm("111040", "Original Source"),
  qualitativeEvaluations: { value: "C0034375", scheme: "UMLS", meaning: "Qualitative Evaluations" },
  conclusions: dcm("121076", "Conclusions"),
  conclusion: dcm("121077", "Conclusion"),
  findings: dcm("121070", "Findings"),
  procedureDescriptions: dcm("121064", "Current Procedure Descriptions"),
  procedureDescription: dcm("121065", "Procedure Description"),
  comment: dcm("121106", "Comment"),
  horizontalPixelSpacing: dcm("111026", "Horizontal Pixel Spacing"),
  verticalPixelSpacing: dcm("111066", "Vertical Pixel Spacing"),
  spacingBetweenSlices: dcm("112226", "Spacing between slices"),
  gantryTilt: own("TILT", "Gantry tilt, measured"),
  imageCount: own("IMAGES", "Images received"),
  verdict: own("VERDICT", "Geometry verdict"),
  verdictFinding: own("VERDICT-FINDING", "Geometry finding"),
  otherVolumes: own("OTHER-VOLUMES", "Other volumes of the series"),
  likelihoods: own("LIKELIHOODS", "AI likelihoods, not verified"),
  volumeGeometry: own("GEOMETRY", "Volume geometry"),
  volumeMeasurements: own("VOLUME-NUMBERS", "Volume measurements"),
  similarity: own("SIMILARITY", "Similarity to other patients"),
  patientsCompared: own("COMPARED", "Patients compared (AI)"),
  similarityScore: own("SCORE", "AI similarity, not verified"),
  similarityCount: own("COUNT", "Patients counted (AI)"),
} as const satisfies Record<string, Code>;

export const CODE = {
  english: { value: "en", scheme: "RFC5646", meaning: "English" },
  device: dcm("121007", "Device"),
  computedTomography: dcm("CT", "Computed Tomography"),
  ctUnspecifiedRegion: { value: "25045-6", scheme: "LN", meaning: "CT unspecified body region" },
  processingEquipment: dcm("109102", "Processing Equipment"),
  acquisitionEquipment: dcm("109101", "Acquisition Equipment"),
  verdicts: {
    ok: own("OK", "Usable as received"),
    corrected: own("CORRECTED", "Usable after correction"),
    refused: own("REFUSED", "Not usable, nothing was computed"),
  },
} as const;

/** CID 100 values that every validator in use accepts for Procedure reported. */
export const PROCEDURES_REPORTED: ReadonlySet<string> = new Set(["LN:25045-6", "SCT:363679005"]);

const UNIT_MEANINGS: Readonly<Record<string, string>> = {
  "1": "no units",
  "%": "percent",
  mm: "millimeter",
  cm: "centimeter",
  mm2: "square millimeter",
  cm2: "square centimeter",
  mm3: "cubic millimeter",
  cm3: "cubic centimeter",
  ml: "milliliter",
  mL: "milliliter",
  deg: "degree",
  s: "second",
  "[hnsf'U]": "Hounsfield unit",
  "{score}": "score",
  "{patients}": "patients",
  "{images}": "images",
};

/** A UCUM unit as a code; the meaning falls back to the code itself. */
export function unit(ucum: string): Code {
  return { value: ucum, scheme: "UCUM", meaning: UNIT_MEANINGS[ucum] ?? ucum };
}

/** The units that stand in documents; a model may give others for its measurements. */
export function unitsWritten(): Code[] {
  return Object.keys(UNIT_MEANINGS).map(unit);
}
