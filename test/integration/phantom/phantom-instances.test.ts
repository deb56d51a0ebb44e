import { createHash } from "node:crypto";
import { expect } from "chai";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { readInstanceHeader } from "../../../src/dicom/instance-header.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { decodeNativePixels } from "../../../src/dicom/pixel-data.ts";
import { readSlicePlane } from "../../../src/dicom/slice-plane.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { isValidUid, SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { type PhantomInstance, phantomInstances } from "../../../src/phantom/phantom-instances.ts";
import type { PhantomStudy } from "../../../src/phantom/phantom-study.ts";
import { phantomVolume } from "../../../src/phantom/phantom-volume.ts";
import { population } from "../../../src/phantom/population.ts";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { examineSlices } from "../../../src/volume/geometry.ts";

const PIXEL_DATA = 0x7fe00010;

function small(study: PhantomStudy): PhantomStudy {
  const { acquisition } = study;
  const acquisitionSmall = { ...acquisition, rows: 96, columns: 96, sliceMm: 10, thicknessMm: 10 };
  return { ...study, acquisition: { ...acquisitionSmall, pixelMm: 4.5 } };
}

const studies = population(1).map(small);

function open(instance: PhantomInstance) {
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(instance.bytes);
  const dataSet = decodeDataSet(instance.bytes.subarray(dataSetOffset), { transferSyntaxUid });
  return { dataSet, plane: readSlicePlane(dataSet, transferSyntaxUid), dataSetOffset };
}

function digestOf(study: PhantomStudy): string {
  const hash = createHash("sha256");
  for (const { bytes } of phantomInstances(study)) hash.update(bytes);
  return hash.digest("hex");
}

describe("phantom instances", () => {
  it("are the same bytes every time", () => {
    expect(digestOf(studies[0]!)).to.equal(digestOf(studies[0]!));
    expect(digestOf(studies[0]!)).not.to.equal(digestOf(studies[1]!));
  });

  it("become the painted volume again, voxel for voxel, in every way of storing", () => {
    const ways = new Map(
      studies.map((study) => {
        const { isSigned, rescaleIntercept, paddingValue } = study.acquisition;
        return [[isSigned, rescaleIntercept, paddingValue].join(), study] as const;
      }),
    );
    expect(ways.size).to.equal(3);
    for (const study of ways.values()) {
      const painted = phantomVolume(study);
      const opened = [...phantomInstances(study, painted)].map(open);
      const slices = opened.map(({ plane }) => plane);
      const { verdict, order, geometry } = examineSlices(slices, { slicesMin: 8 });
      expect(verdict.outcome).to.equal("ok");
      const isPadded = study.acquisition.paddingValue !== undefined;
      expect(verdict.findings.map(({ code }) => code)).to.deep.equal(isPadded ? ["PADDING"] : []);
      const builder = createVolumeBuilder(geometry!, order, slices);
      opened.forEach(({ dataSet, plane }, index) => {
        builder.addSlice(index, decodeNativePixels(dataSet.get(PIXEL_DATA)!.value, plane));
      });
      const volume = builder.finish();
      expect(volume.voxelsZyx.every((hu, i) => hu === painted.voxelsZyx[i])).to.equal(true);
      expect(volume.sizeVoxels).to.deep.equal(painted.sizeVoxels);
      expect(volume.axesZyx).to.deep.equal(painted.axesZyx);
      volume.originLps.forEach((mm, axis) => {
        expect(mm).to.be.closeTo(painted.originLps[axis]!, 1e-9);
      });
      volume.spacingMm.forEach((mm, axis) => {
        expect(mm).to.be.closeTo(painted.spacingMm[axis]!, 1e-6);
      });
    }
  });

  it("carry valid UIDs, unique over the population, equal in file meta and data set", () => {
    const seen = new Set<string>();
    for (const study of studies.slice(0, 6)) {
      for (const instance of phantomInstances(study)) {
        const { dataSet, dataSetOffset } = open(instance);
        const header = readInstanceHeader(dataSet);
        expect(dataSetOffset).to.equal(instance.dataSetOffset);
        expect(header.sopInstanceUid).to.equal(instance.sopInstanceUid);
        expect(header.studyInstanceUid).to.equal(study.studyInstanceUid);
        expect(header.seriesInstanceUid).to.equal(study.seriesInstanceUid);
        expect(header.sopClassUid).to.equal(SOP_CLASS.ctImageStorage);
        expect(instance.transferSyntaxUid).to.equal(UID.explicitVrLittleEndian);
        expect(isValidUid(instance.sopInstanceUid)).to.equal(true);
        expect(seen.has(instance.sopInstanceUid)).to.equal(false);
        seen.add(instance.sopInstanceUid);
      }
    }
  });

  it("name the patient and say in plain words that nobody is behind it", () => {
    const [first] = phantomInstances(studies[0]!);
    const { dataSet } = open(first!);
    const header = readInstanceHeader(dataSet);
    expect(header.patientName).to.equal("Phantom^Ada");
    expect(header.patientId).to.equal("KP-0001");
    expect(dataSet.string(0x00080080)).to.equal("Kindred synthetic");
    expect(dataSet.string(0x00104000)).to.match(/^Synthetic/);
    expect(dataSet.strings(0x00080008)).to.deep.equal(["ORIGINAL", "PRIMARY", "AXIAL"]);
    expect(dataSet.string(TAG.SpecificCharacterSet)).to.equal("ISO_IR 192");
  });
});
