import { expect } from "chai";
import {
  type FramePlane,
  readSlicePlane,
  readSlicePlanes,
} from "../../../src/dicom/slice-plane.ts";
import { KindredError } from "../../../src/kernel/errors.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";
import { CLASSIC, enhanced, type Header, headerOf } from "../../support/frames.ts";

const EXPLICIT = "1.2.840.10008.1.2.1";
const planesOf = (header: Header, syntax = EXPLICIT): readonly SlicePlane[] =>
  readSlicePlanes(headerOf(header), syntax);
const planeOf = (changes: Header, syntax = EXPLICIT): FramePlane =>
  readSlicePlane(headerOf({ ...CLASSIC, ...changes }), syntax);
const int16 = (...values: number[]) => new Uint8Array(Int16Array.from(values).buffer);

/** Text of a value → what is read of it; undefined when it is unusable. */
const POSITIONS: readonly [string, readonly number[] | undefined][] = [
  ["-10\\-20\\30", [-10, -20, 30]],
  [" -10 \\ -20\\30.50 ", [-10, -20, 30.5]],
  ["+0.0\\-0\\1e2", [0, -0, 100]],
  ["1.E+1\\.5\\-1.5E-1", [10, 0.5, -0.15]],
  ["1,5\\2\\3", undefined],
  ["1\\2", undefined],
  ["1\\2\\3\\4", undefined],
  ["1\\2\\", undefined],
  ["1\\2\\NaN", undefined],
  ["1\\2\\1e999", undefined],
  ["1\\2\\0x10", undefined],
  ["1\\2\\3mm", undefined],
  ["  ", undefined],
  ["", undefined],
];
const SLOPES: readonly [string, number | undefined][] = [
  ["1", 1],
  ["+1.0 ", 1],
  ["4.88758553e-4", 4.88758553e-4],
  ["1,0", undefined],
  ["1\\2", undefined],
  ["", undefined],
  ["-", undefined],
  ["Infinity", undefined],
];

describe("a plane of a classic CT image", () => {
  it("has what its header states", () => {
    const expected: SlicePlane = {
      sopInstanceUid: "1.2.3",
      sopClassUid: "1.2.840.10008.5.1.4.1.1.2",
      frameIndex: 0,
      rows: 4,
      columns: 5,
      positionLpsMm: [-10, -20, 30],
      orientation: [1, 0, 0, 0, 1, 0],
      pixelSpacingMm: [0.7, 0.8],
      thicknessMm: 1.25,
      imageType: ["ORIGINAL", "PRIMARY", "AXIAL"],
      samplesPerPixel: 1,
      photometricInterpretation: "MONOCHROME2",
      bitsAllocated: 16,
      bitsStored: 12,
      highBit: 11,
      isSigned: false,
      numberOfFrames: 1,
      rescaleSlope: 1,
      rescaleIntercept: -1024,
      rescaleType: "HU",
      paddingValue: undefined,
      paddingRangeLimit: undefined,
      transferSyntaxUid: EXPLICIT,
      isLossy: false,
      instanceNumber: 5,
      acquisitionNumber: 2,
      acquisitionTime: "",
      temporalPosition: undefined,
      kernel: "B40f",
      stackId: "",
      inStackPosition: undefined,
      dimensionIndexValues: [],
      isSupplementalColor: false,
      hasRealWorldValues: false,
      sourceSopInstanceUid: "",
    };
    expect(planesOf(CLASSIC)).to.deep.equal([expected]);
    expect(planeOf({})).to.deep.equal(expected);
  });

  it("has a usable position or none, however its numbers are spelled", () => {
    const read = POSITIONS.map(([text]) => planeOf({ ImagePositionPatient: text }).positionLpsMm);
    expect(read).to.deep.equal(POSITIONS.map(([, expected]) => expected));
  });

  it("has a thickness or none", () => {
    const read = ["2.5", "0", "-1", "1\\2", ""].map(
      (text) => planeOf({ SliceThickness: text }).thicknessMm,
    );
    expect(read).to.deep.equal([2.5, undefined, undefined, undefined, undefined]);
  });

  it("has a usable slope or none", () => {
    const read = SLOPES.map(([text]) => planeOf({ RescaleSlope: text }).rescaleSlope);
    expect(read).to.deep.equal(SLOPES.map(([, expected]) => expected));
  });

  it("has its padding in stored values, whatever VR and sign it came in", () => {
    const padding = (PixelRepresentation: number, value: number) => {
      const { paddingValue, paddingRangeLimit } = planeOf({
        PixelRepresentation,
        PixelPaddingValue: int16(value),
        PixelPaddingRangeLimit: int16(value),
      });
      expect(paddingRangeLimit).to.equal(paddingValue);
      return paddingValue;
    };
    expect(padding(1, -2000)).to.equal(-2000);
    expect(padding(1, 100)).to.equal(100);
    expect(padding(0, -2000)).to.equal(63536);
    // 12 bits stored: it is no value that a pixel can have, and stays what it is.
    expect(padding(0, 0x7fff)).to.equal(0x7fff);
  });

  it("is lossy by its word or by its transfer syntax", () => {
    const isLossy = (number: number | string, word: string) =>
      planeOf({ LossyImageCompression: word }, `1.2.840.10008.1.2.4.${number}`).isLossy;
    for (const number of [50, 51, 53, 55, 81, 91, 93, 112, 203])
      for (const word of ["00", "01", ""])
        expect(isLossy(number, word), `${number}`).to.equal(true);
    for (const number of [57, 70, 80, 90, 92, 110, 111, 201, 202]) {
      expect(isLossy(number, "00"), `${number}`).to.equal(false);
      expect(isLossy(number, "01"), `${number}`).to.equal(true);
    }
    expect(planeOf({ LossyImageCompression: "01" }).isLossy).to.equal(true);
  });

  it("takes date and time where Acquisition DateTime is empty", () => {
    const parts = { AcquisitionDate: "20260102", AcquisitionTime: "030405.5" };
    expect(planeOf(parts).acquisitionTime).to.equal("20260102030405.5");
    expect(planeOf({ ...parts, AcquisitionDateTime: "" }).acquisitionTime).to.equal(
      "20260102030405.5",
    );
    expect(planeOf({ ...parts, AcquisitionDateTime: "2027" }).acquisitionTime).to.equal("2027");
  });
});

describe("planes of an enhanced CT image", () => {
  it("have each their own position and what they share", () => {
    const planes = planesOf(enhanced(3));
    expect(planes.map(({ frameIndex }) => frameIndex)).to.deep.equal([0, 1, 2]);
    expect(planes.map(({ positionLpsMm }) => positionLpsMm?.[2])).to.deep.equal([0, 1.5, 3]);
    for (const plane of planes) {
      expect(plane.orientation).to.deep.equal([1, 0, 0, 0, 1, 0]);
      expect(plane.pixelSpacingMm).to.deep.equal([0.7, 0.8]);
      expect([plane.rescaleSlope, plane.rescaleIntercept]).to.deep.equal([1, -1024]);
      expect(plane.numberOfFrames).to.equal(3);
      expect(plane.inStackPosition).to.equal(plane.frameIndex + 1);
    }
  });

  it("take a macro of their own in place of the shared one, as a whole", () => {
    const planes = planesOf(
      enhanced(3, {}, (k) =>
        k === 1 ? { PixelValueTransformationSequence: [{ RescaleSlope: "2" }] } : {},
      ),
    );
    expect(planes.map(({ rescaleSlope }) => rescaleSlope)).to.deep.equal([1, 2, 1]);
    expect(planes.map(({ rescaleIntercept }) => rescaleIntercept)).to.deep.equal([
      -1024,
      undefined,
      -1024,
    ]);
  });

  it("have no position where their item is missing, or has none, or states none that is usable", () => {
    const header = enhanced(4, {}, (k) => {
      if (k === 1) return { PlanePositionSequence: [] };
      if (k === 2) return { PlanePositionSequence: [{ ImagePositionPatient: "1\\2" }] };
      return {};
    });
    const items = header.PerFrameFunctionalGroupsSequence as Header[];
    const planes = planesOf({
      ...header,
      ImagePositionPatient: "9\\9\\9",
      PerFrameFunctionalGroupsSequence: items.slice(0, 3),
    });
    expect(planes.map(({ positionLpsMm }) => positionLpsMm)).to.deep.equal([
      [-10, -20, 0],
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("have the frame's type, kernel, acquisition, time and stack, where the frame states them", () => {
    const [own, image] = planesOf(
      enhanced(
        2,
        {
          AcquisitionDateTime: "2026",
          CTImageFrameTypeSequence: [],
          PixelPresentation: "MIXED",
        },
        (k) =>
          k === 1
            ? {}
            : {
                CTImageFrameTypeSequence: [
                  {
                    FrameType: "DERIVED\\PRIMARY\\VOLUME\\MAX_IP",
                    PixelPresentation: "MONOCHROME",
                  },
                ],
                CTReconstructionSequence: [{ ConvolutionKernel: "Br64\\2" }],
                FrameContentSequence: [
                  {
                    FrameAcquisitionNumber: 9,
                    FrameAcquisitionDateTime: "20260101",
                    TemporalPositionIndex: 70000,
                    StackID: "A",
                    InStackPositionNumber: 70001,
                    DimensionIndexValues: new Uint8Array(Uint32Array.from([1, 2, 70000]).buffer),
                  },
                ],
                RealWorldValueMappingSequence: [{}],
                ConversionSourceAttributesSequence: [{ ReferencedSOPInstanceUID: "1.2.9" }],
              },
      ),
    );
    expect(own).to.deep.include({
      imageType: ["DERIVED", "PRIMARY", "VOLUME", "MAX_IP"],
      isSupplementalColor: false,
      kernel: "Br64\\2",
      acquisitionNumber: 9,
      acquisitionTime: "20260101",
      temporalPosition: 70000,
      stackId: "A",
      inStackPosition: 70001,
      dimensionIndexValues: [1, 2, 70000],
      hasRealWorldValues: true,
      sourceSopInstanceUid: "1.2.9",
    });
    expect(image).to.deep.include({
      imageType: ["ORIGINAL", "PRIMARY", "AXIAL"],
      isSupplementalColor: true,
      kernel: "B40f",
      acquisitionNumber: 2,
      acquisitionTime: "2026",
      hasRealWorldValues: false,
      sourceSopInstanceUid: "",
    });
  });

  it("have what legacy conversion could not assign, unless a macro states it", () => {
    const [unassigned, assigned] = planesOf(
      enhanced(2, {}, (k) => ({
        UnassignedPerFrameConvertedAttributesSequence: [
          { InstanceNumber: `${k + 20}`, AcquisitionNumber: "4", ConvolutionKernel: "B10f" },
        ],
        ...(k === 0
          ? {}
          : {
              CTReconstructionSequence: [{ ConvolutionKernel: "B70f" }],
              FrameContentSequence: [{ FrameAcquisitionNumber: 5 }],
            }),
      })),
    );
    expect(unassigned).to.deep.include({
      instanceNumber: 20,
      acquisitionNumber: 4,
      kernel: "B10f",
    });
    expect(assigned).to.deep.include({ instanceNumber: 21, acquisitionNumber: 5, kernel: "B70f" });
  });
});

describe("planes of an old multi-frame image", () => {
  it("have no position: one would put all frames in one place", () => {
    const planes = planesOf({ ...CLASSIC, NumberOfFrames: "3" });
    expect(planes).to.have.length(3);
    for (const { positionLpsMm, orientation } of planes) {
      expect(positionLpsMm).to.equal(undefined);
      expect(orientation).to.deep.equal([1, 0, 0, 0, 1, 0]);
    }
  });

  it("are refused above 20,000, and one where their number is none", () => {
    const count = (NumberOfFrames: string) => planesOf({ ...CLASSIC, NumberOfFrames }).length;
    expect(["0", "-5", "x", "", "1.5", "2 "].map(count)).to.deep.equal([1, 1, 1, 1, 1, 2]);
    expect(count("20000")).to.equal(20_000);
    for (const number of ["20001", "2147483647", "9007199254740991"])
      expect(() => count(number))
        .to.throw(KindredError, /at most 20000/)
        .with.property("code", "DATASET_UNREADABLE");
  });
});
