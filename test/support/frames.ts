/** Headers of CT images, classic and enhanced, for tests. */
import { DataSet } from "../../src/dicom/data-set.ts";
import { TAG, vrOf } from "../../src/dicom/tags.ts";

type Keyword = keyof typeof TAG;
/** Keyword → text, US, raw bytes, or items. */
export type Header = Readonly<Partial<Record<Keyword, string | number | Uint8Array | Header[]>>>;

export function headerOf(values: Header): DataSet {
  const dataSet = new DataSet();
  for (const [keyword, value] of Object.entries(values)) {
    const tag = TAG[keyword as Keyword];
    if (typeof value === "string") dataSet.setString(tag, vrOf(tag), value);
    else if (typeof value === "number") dataSet.setBytes(tag, vrOf(tag), binary(tag, value));
    else if (value instanceof Uint8Array) dataSet.setBytes(tag, vrOf(tag), value);
    else dataSet.setItems(tag, value!.map(headerOf));
  }
  return dataSet;
}

function binary(tag: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(vrOf(tag) === "UL" ? 4 : 2);
  if (bytes.length === 4) bytes.writeUInt32LE(value);
  else bytes.writeUInt16LE(value & 0xffff);
  return bytes;
}

export const CLASSIC: Header = {
  ImageType: "ORIGINAL\\PRIMARY\\AXIAL",
  SOPClassUID: "1.2.840.10008.5.1.4.1.1.2",
  SOPInstanceUID: "1.2.3",
  ConvolutionKernel: "B40f",
  AcquisitionNumber: "2",
  InstanceNumber: "5",
  ImagePositionPatient: "-10\\-20\\30",
  ImageOrientationPatient: "1\\0\\0\\0\\1\\0",
  SamplesPerPixel: 1,
  PhotometricInterpretation: "MONOCHROME2",
  Rows: 4,
  Columns: 5,
  PixelSpacing: "0.7\\0.8",
  SliceThickness: "1.25",
  BitsAllocated: 16,
  BitsStored: 12,
  HighBit: 11,
  PixelRepresentation: 0,
  RescaleIntercept: "-1024",
  RescaleSlope: "1",
  RescaleType: "HU",
};

const {
  ImagePositionPatient: _p,
  ImageOrientationPatient: _o,
  PixelSpacing: _s,
  SliceThickness: _t,
  ...IMAGE
} = CLASSIC;

/** An enhanced CT of so many frames, 1.5 mm apart; `perFrame` adds to or takes from the items. */
export function enhanced(
  frames: number,
  changes: Header = {},
  perFrame: (k: number) => Header | undefined = () => ({}),
): Header {
  const { RescaleIntercept: _i, RescaleSlope: _r, RescaleType: _t, ...image } = IMAGE;
  return {
    ...image,
    SOPClassUID: "1.2.840.10008.5.1.4.1.1.2.1",
    NumberOfFrames: String(frames),
    SharedFunctionalGroupsSequence: [
      {
        PixelMeasuresSequence: [{ PixelSpacing: "0.7\\0.8", SliceThickness: "1.25" }],
        PlaneOrientationSequence: [{ ImageOrientationPatient: "1\\0\\0\\0\\1\\0" }],
        PixelValueTransformationSequence: [
          { RescaleSlope: "1", RescaleIntercept: "-1024", RescaleType: "HU" },
        ],
      },
    ],
    PerFrameFunctionalGroupsSequence: Array.from({ length: frames }, (_, k) => ({
      FrameContentSequence: [
        { StackID: "1", InStackPositionNumber: k + 1, TemporalPositionIndex: 1 },
      ],
      PlanePositionSequence: [{ ImagePositionPatient: `-10\\-20\\${k * 1.5}` }],
      ...perFrame(k),
    })),
    ...changes,
  };
}
