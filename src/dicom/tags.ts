/** Tags by keyword (PS3.6), as unsigned 32-bit numbers: group × 65536 + element. */
import { entryOf, tagOfKeyword } from "./dictionary.ts";

export const TAG = {
  TransferSyntaxUID: 0x00020010,
  SpecificCharacterSet: 0x00080005,
  ImageType: 0x00080008,
  SOPClassUID: 0x00080016,
  SOPInstanceUID: 0x00080018,
  StudyDate: 0x00080020,
  SeriesDate: 0x00080021,
  AcquisitionDate: 0x00080022,
  ContentDate: 0x00080023,
  AcquisitionDateTime: 0x0008002a,
  StudyTime: 0x00080030,
  SeriesTime: 0x00080031,
  AcquisitionTime: 0x00080032,
  ContentTime: 0x00080033,
  AccessionNumber: 0x00080050,
  IssuerOfAccessionNumberSequence: 0x00080051,
  QueryRetrieveLevel: 0x00080052,
  QueryRetrieveView: 0x00080053,
  RetrieveAETitle: 0x00080054,
  InstanceAvailability: 0x00080056,
  FailedSOPInstanceUIDList: 0x00080058,
  Modality: 0x00080060,
  ModalitiesInStudy: 0x00080061,
  SOPClassesInStudy: 0x00080062,
  Manufacturer: 0x00080070,
  InstitutionName: 0x00080080,
  ReferringPhysicianName: 0x00080090,
  CodeValue: 0x00080100,
  CodingSchemeDesignator: 0x00080102,
  CodingSchemeVersion: 0x00080103,
  CodeMeaning: 0x00080104,
  TimezoneOffsetFromUTC: 0x00080201,
  StationName: 0x00081010,
  StudyDescription: 0x00081030,
  ProcedureCodeSequence: 0x00081032,
  SeriesDescription: 0x0008103e,
  InstitutionalDepartmentName: 0x00081040,
  PerformingPhysicianName: 0x00081050,
  NameOfPhysiciansReadingStudy: 0x00081060,
  OperatorsName: 0x00081070,
  AdmittingDiagnosesDescription: 0x00081080,
  ManufacturerModelName: 0x00081090,
  ReferencedSOPClassUID: 0x00081150,
  ReferencedSOPInstanceUID: 0x00081155,
  TransactionUID: 0x00081195,
  FailureReason: 0x00081197,
  FailedSOPSequence: 0x00081198,
  ReferencedSOPSequence: 0x00081199,
  FrameType: 0x00089007,
  PixelPresentation: 0x00089205,
  PatientName: 0x00100010,
  PatientID: 0x00100020,
  IssuerOfPatientID: 0x00100021,
  TypeOfPatientID: 0x00100022,
  PatientBirthDate: 0x00100030,
  PatientBirthTime: 0x00100032,
  PatientSex: 0x00100040,
  OtherPatientIDs: 0x00101000,
  OtherPatientNames: 0x00101001,
  OtherPatientIDsSequence: 0x00101002,
  PatientAge: 0x00101010,
  EthnicGroup: 0x00102160,
  PatientComments: 0x00104000,
  BodyPartExamined: 0x00180015,
  SliceThickness: 0x00180050,
  ProtocolName: 0x00181030,
  ConvolutionKernel: 0x00181210,
  PatientPosition: 0x00185100,
  FrameAcquisitionDateTime: 0x00189074,
  CTReconstructionSequence: 0x00189314,
  CTImageFrameTypeSequence: 0x00189329,
  StudyInstanceUID: 0x0020000d,
  SeriesInstanceUID: 0x0020000e,
  StudyID: 0x00200010,
  SeriesNumber: 0x00200011,
  AcquisitionNumber: 0x00200012,
  InstanceNumber: 0x00200013,
  ImagePositionPatient: 0x00200032,
  ImageOrientationPatient: 0x00200037,
  FrameOfReferenceUID: 0x00200052,
  Laterality: 0x00200060,
  TemporalPositionIdentifier: 0x00200100,
  NumberOfPatientRelatedStudies: 0x00201200,
  NumberOfPatientRelatedSeries: 0x00201202,
  NumberOfPatientRelatedInstances: 0x00201204,
  NumberOfStudyRelatedSeries: 0x00201206,
  NumberOfStudyRelatedInstances: 0x00201208,
  NumberOfSeriesRelatedInstances: 0x00201209,
  StackID: 0x00209056,
  InStackPositionNumber: 0x00209057,
  FrameContentSequence: 0x00209111,
  PlanePositionSequence: 0x00209113,
  PlaneOrientationSequence: 0x00209116,
  TemporalPositionIndex: 0x00209128,
  FrameAcquisitionNumber: 0x00209156,
  DimensionIndexValues: 0x00209157,
  UnassignedSharedConvertedAttributesSequence: 0x00209170,
  UnassignedPerFrameConvertedAttributesSequence: 0x00209171,
  ConversionSourceAttributesSequence: 0x00209172,
  SamplesPerPixel: 0x00280002,
  PhotometricInterpretation: 0x00280004,
  NumberOfFrames: 0x00280008,
  Rows: 0x00280010,
  Columns: 0x00280011,
  PixelSpacing: 0x00280030,
  BitsAllocated: 0x00280100,
  BitsStored: 0x00280101,
  HighBit: 0x00280102,
  PixelRepresentation: 0x00280103,
  PixelPaddingValue: 0x00280120,
  PixelPaddingRangeLimit: 0x00280121,
  RescaleIntercept: 0x00281052,
  RescaleSlope: 0x00281053,
  RescaleType: 0x00281054,
  LossyImageCompression: 0x00282110,
  PixelMeasuresSequence: 0x00289110,
  PixelValueTransformationSequence: 0x00289145,
  RequestedProcedureDescription: 0x00321060,
  RequestedProcedureCodeSequence: 0x00321064,
  StudyComments: 0x00324000,
  ScheduledProcedureStepDescription: 0x00400007,
  ScheduledProtocolCodeSequence: 0x00400008,
  ScheduledProcedureStepID: 0x00400009,
  LocalNamespaceEntityID: 0x00400031,
  UniversalEntityID: 0x00400032,
  UniversalEntityIDType: 0x00400033,
  PerformedProcedureStepStartDate: 0x00400244,
  PerformedProcedureStepStartTime: 0x00400245,
  PerformedProcedureStepID: 0x00400253,
  PerformedProcedureStepDescription: 0x00400254,
  RequestAttributesSequence: 0x00400275,
  RequestedProcedureID: 0x00401001,
  RealWorldValueMappingSequence: 0x00409096,
  ConceptNameCodeSequence: 0x0040a043,
  CompletionFlag: 0x0040a491,
  VerificationFlag: 0x0040a493,
  SharedFunctionalGroupsSequence: 0x52009229,
  PerFrameFunctionalGroupsSequence: 0x52009230,
  PixelData: 0x7fe00010,
} as const;

/**
 * VRs of the tags above, so that whoever needs no others need not load the dictionary; a test holds them against it. US or SS,
 * and OB or OW, are decided in {@link vrOf}.
 */
const TAGS_OF_VR: Readonly<Record<string, string>> = {
  AE: "RetrieveAETitle",
  AS: "PatientAge",
  CS: "SpecificCharacterSet ImageType QueryRetrieveLevel QueryRetrieveView InstanceAvailability Modality ModalitiesInStudy TypeOfPatientID PatientSex BodyPartExamined PatientPosition Laterality PhotometricInterpretation UniversalEntityIDType CompletionFlag VerificationFlag FrameType PixelPresentation LossyImageCompression",
  DA: "StudyDate SeriesDate AcquisitionDate ContentDate PatientBirthDate PerformedProcedureStepStartDate",
  DS: "ImagePositionPatient ImageOrientationPatient PixelSpacing RescaleIntercept RescaleSlope SliceThickness",
  DT: "AcquisitionDateTime FrameAcquisitionDateTime",
  IS: "SeriesNumber AcquisitionNumber InstanceNumber NumberOfPatientRelatedStudies NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances NumberOfSeriesRelatedInstances NumberOfFrames TemporalPositionIdentifier",
  LO: "Manufacturer InstitutionName CodeMeaning StudyDescription SeriesDescription InstitutionalDepartmentName AdmittingDiagnosesDescription ManufacturerModelName PatientID IssuerOfPatientID OtherPatientIDs ProtocolName RescaleType RequestedProcedureDescription ScheduledProcedureStepDescription PerformedProcedureStepDescription",
  LT: "PatientComments StudyComments",
  PN: "ReferringPhysicianName PerformingPhysicianName NameOfPhysiciansReadingStudy OperatorsName PatientName OtherPatientNames",
  SH: "AccessionNumber CodeValue CodingSchemeDesignator CodingSchemeVersion TimezoneOffsetFromUTC StationName EthnicGroup StudyID ScheduledProcedureStepID PerformedProcedureStepID RequestedProcedureID ConvolutionKernel StackID",
  SQ: "IssuerOfAccessionNumberSequence ProcedureCodeSequence OtherPatientIDsSequence RequestedProcedureCodeSequence ScheduledProtocolCodeSequence RequestAttributesSequence ConceptNameCodeSequence CTReconstructionSequence CTImageFrameTypeSequence FrameContentSequence PlanePositionSequence PlaneOrientationSequence UnassignedSharedConvertedAttributesSequence UnassignedPerFrameConvertedAttributesSequence ConversionSourceAttributesSequence PixelMeasuresSequence PixelValueTransformationSequence RealWorldValueMappingSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence",
  TM: "StudyTime SeriesTime AcquisitionTime ContentTime PatientBirthTime PerformedProcedureStepStartTime",
  UI: "TransferSyntaxUID SOPClassUID SOPInstanceUID SOPClassesInStudy StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID ReferencedSOPInstanceUID",
  UL: "InStackPositionNumber TemporalPositionIndex DimensionIndexValues",
  US: "SamplesPerPixel Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation FrameAcquisitionNumber",
  UT: "LocalNamespaceEntityID UniversalEntityID",
};
const VR_OF_TAG: ReadonlyMap<number, string> = new Map(
  Object.entries(TAGS_OF_VR).flatMap(([vr, keywords]) =>
    keywords.split(" ").map((keyword) => [TAG[keyword as keyof typeof TAG], vr] as const),
  ),
);

/** Item (FFFE,E000), Item Delimitation and Sequence Delimitation. PS3.5 7.5. */
export const ITEM = 0xfffee000;
export const ITEM_END = 0xfffee00d;
export const SEQUENCE_END = 0xfffee0dd;
/** The group of items and their delimiters: they have no VR in any transfer syntax. */
export const DELIMITER_GROUP = 0xfffe;
/** The group of Pixel Data; what comes before it is the header. */
export const PIXEL_GROUP = 0x7fe0;

/** Float, Double Float or (integer) Pixel Data. PS3.3 C.7.6.24, C.7.6.25, C.7.6.3. */
export function isPixelData(tag: number): boolean {
  return tag === 0x7fe00008 || tag === 0x7fe00009 || tag === TAG.PixelData;
}

export function tagOf(keyword: string): number | undefined {
  return tagOfKeyword(keyword);
}

/** The keyword of a tag, or its `(gggg,eeee)` form. */
export function keywordOf(tag: number): string {
  return entryOf(tag)?.name ?? formatTag(tag);
}

export function formatTag(tag: number): string {
  const hex = tag.toString(16).toUpperCase().padStart(8, "0");
  return `(${hex.slice(0, 4)},${hex.slice(4)})`;
}

/**
 * VR for implicit VR data sets: the dictionary's, with the rules of PS3.5 A.1 and C for the rest.
 *
 * @param isSigned - Pixel Representation in force, which decides between US and SS
 */
export function vrOf(tag: number, isSigned = false): string {
  const group = tag >>> 16;
  const element = tag & 0xffff;
  if (element === 0) return "UL";
  // A command set is read by its own table (PS3.7 E.1); the dictionary is not loaded for every message.
  if (group === 0) return "UN";
  if (group % 2 === 1) return element >= 0x10 && element <= 0xff ? "LO" : "UN";
  if (tag === TAG.PixelData) return "OW";
  const vr = VR_OF_TAG.get(tag) ?? entryOf(tag)?.vr;
  if (vr === undefined) return "UN";
  // dcmjs writes `ox` for OB or OW and `xs` for US or SS.
  if (vr === "ox") return "OW";
  if (vr === "xs") return isSigned ? "SS" : "US";
  return /^[A-Z]{2}$/.test(vr) ? vr : "UN";
}
