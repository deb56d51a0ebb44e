import { createHash } from "node:crypto";
import { expect } from "chai";
import { LABEL } from "../../../src/phantom/labels.ts";
import { findingsOf, type PhantomStudy } from "../../../src/phantom/phantom-study.ts";
import {
  labelRegion,
  type PhantomVolume,
  phantomVolume,
} from "../../../src/phantom/phantom-volume.ts";
import { population } from "../../../src/phantom/population.ts";

const studies = population(1);

/** The study at half the resolution in the plane and 5 mm slices: four times faster, good for large things. */
function coarse(study: PhantomStudy): PhantomStudy {
  const { acquisition } = study;
  return {
    ...study,
    acquisition: {
      ...acquisition,
      rows: acquisition.rows / 2,
      columns: acquisition.columns / 2,
      pixelMm: acquisition.pixelMm * 2,
      sliceMm: Math.max(5, acquisition.sliceMm),
    },
  };
}

const study = (id: string, visit = 1): PhantomStudy =>
  studies.filter((one) => one.patient.id === id)[visit - 1]!;

function medianHu(volume: PhantomVolume, label: number): number {
  const values = Array.from(volume.voxelsZyx.filter((_, i) => volume.labelsZyx[i] === label));
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function digest(volume: PhantomVolume): string {
  const { buffer, byteOffset, byteLength } = volume.voxelsZyx;
  return createHash("sha256")
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .update(volume.labelsZyx)
    .digest("hex");
}

describe("phantom volume", () => {
  it("is the same voxel for voxel when painted again", () => {
    for (const id of ["KP-0001", "KP-0008"]) {
      const one = coarse(study(id));
      expect(digest(phantomVolume(one))).to.equal(digest(phantomVolume(one)));
    }
  });

  it("holds the nodule with its density and size, and grown in the follow-up", () => {
    const [first, second] = [
      phantomVolume(study("KP-0001", 1)),
      phantomVolume(study("KP-0001", 2)),
    ];
    const [before, after] = [first, second].map((v) => labelRegion(v, LABEL.nodule)!);
    const expectedMl = (4 / 3) * Math.PI * 0.95 ** 3;
    expect(after!.volumeMl / expectedMl).to.be.within(0.7, 1.3);
    expect(after!.volumeMl / before!.volumeMl).to.be.greaterThan(2.5);
    expect(coreMean(second, after!.centerLps, 4)).to.be.closeTo(34, 30);
    // Among lung: all around is air.
    expect(ringMean(second, after!.centerLps, 17)).to.be.lessThan(-550);
  });

  it("holds the effusion with its volume and density, on its side, behind", () => {
    const [large, small] = [study("KP-0002", 1), study("KP-0002", 2)];
    for (const one of [large, small]) {
      const volume = phantomVolume(coarse(one));
      const region = labelRegion(volume, LABEL.effusion)!;
      const [finding] = findingsOf(one.findings, "pleural-effusion");
      expect(region.volumeMl / finding!.volumeMl).to.be.within(0.82, 1.1);
      expect(medianHu(volume, LABEL.effusion)).to.be.closeTo(finding!.meanHu, 8);
      expect(region.centerLps[0]).to.be.lessThan(-30);
      expect(region.centerLps[1]).to.be.greaterThan(10);
    }
  });

  it("turns the stated part of the lungs into emphysema, below -950 HU where blur allows", () => {
    const one = study("KP-0004");
    const volume = phantomVolume({ ...one, acquisition: { ...one.acquisition, noiseHu: 0 } });
    const lungs = [LABEL.rightLung, LABEL.leftLung, LABEL.emphysema, LABEL.lungVessel].map(
      (label) => labelRegion(volume, label)!.voxels,
    );
    const share = lungs[2]! / lungs.reduce((sum, count) => sum + count, 0);
    expect(share).to.be.closeTo(0.32, 0.03);
    expect(medianHu(volume, LABEL.emphysema)).to.be.lessThan(-955);
    expect(medianHu(volume, LABEL.rightLung)).to.be.within(-930, -840);
  });

  it("holds liver lesion, renal cyst, consolidation and hemorrhage with their densities", () => {
    const cases = [
      { id: "KP-0003", label: LABEL.liverLesion, code: "liver-lesion" },
      { id: "KP-0005", label: LABEL.renalCyst, code: "renal-cyst" },
      { id: "KP-0006", label: LABEL.consolidation, code: "consolidation" },
      { id: "KP-0009", label: LABEL.hemorrhage, code: "intracranial-hemorrhage" },
    ] as const;
    for (const { id, label, code } of cases) {
      const one = study(id);
      // Rough margins and airways need the full resolution.
      const volume = phantomVolume(code === "consolidation" ? one : coarse(one));
      const [finding] = findingsOf(one.findings, code);
      expect(medianHu(volume, label), code).to.be.closeTo(finding!.meanHu, 9);
      expect(labelRegion(volume, label)!.volumeMl, code).to.be.greaterThan(8);
    }
  });

  it("enlarges the heart of the patient with cardiomegaly", () => {
    const width = (id: string): number => {
      const volume = phantomVolume(coarse(study(id)));
      const [, ny, nx] = volume.sizeVoxels;
      const columns = new Set<number>();
      volume.labelsZyx.forEach((label, i) => {
        if (label === LABEL.heart) columns.add((i % (nx * ny)) % nx);
      });
      return columns.size * volume.spacingMm[2];
    };
    expect(width("KP-0010")).to.be.greaterThan(width("KP-0006") * 1.12);
  });

  it("widens the ventricles of the patient with hydrocephalus", () => {
    const ml = (id: string): number =>
      labelRegion(phantomVolume(coarse(study(id))), LABEL.ventricle)!.volumeMl;
    expect(ml("KP-0008")).to.be.greaterThan(2.5 * ml("KP-0009"));
  });

  it("has organs of human size and Hounsfield units of human tissue", () => {
    const volume = phantomVolume(coarse(study("KP-0003")));
    const ml = (label: number): number => labelRegion(volume, label)!.volumeMl;
    expect(ml(LABEL.liver)).to.be.within(900, 2200);
    expect(ml(LABEL.spleen)).to.be.within(80, 420);
    expect(ml(LABEL.leftKidney)).to.be.within(70, 280);
    expect(ml(LABEL.rightLung) + ml(LABEL.leftLung)).to.be.within(2500, 7500);
    expect(medianHu(volume, LABEL.aorta)).to.be.within(140, 190);
    expect(medianHu(volume, LABEL.muscle)).to.be.within(40, 65);
    expect(medianHu(volume, LABEL.fat)).to.be.within(-115, -85);
    expect(medianHu(volume, LABEL.rightLung)).to.be.within(-900, -800);
    expect(medianHu(volume, LABEL.bone)).to.be.within(150, 900);
  });

  it("paints patients drawn at random without a voxel out of range", () => {
    for (const one of population(5, 26).slice(14)) {
      const volume = phantomVolume(coarse(one));
      const [low, high] = volume.voxelsZyx.reduce(
        ([a, b], v) => [Math.min(a!, v), Math.max(b!, v)],
        [0, 0],
      );
      expect(low).to.be.at.least(-1024);
      expect(high).to.be.within(300, 3071);
      expect(volume.labelsZyx.includes(255)).to.equal(false);
    }
  });

  it("is painted in a time worth printing", () => {
    for (const id of ["KP-0001", "KP-0002", "KP-0005", "KP-0009"]) {
      const start = performance.now();
      const { sizeVoxels } = phantomVolume(study(id));
      const ms = Math.round(performance.now() - start);
      console.log(`      ${id}: ${sizeVoxels.join(" x ")} in ${ms} ms`);
    }
  });
});

/** Mean HU of the voxels nearer than `radiusMm` to a place. */
function coreMean(volume: PhantomVolume, center: readonly number[], radiusMm: number): number {
  return meanWhere(volume, center, (distance) => distance < radiusMm);
}

/** Mean HU of the voxels about `radiusMm` from a place. */
function ringMean(volume: PhantomVolume, center: readonly number[], radiusMm: number): number {
  return meanWhere(volume, center, (distance) => Math.abs(distance - radiusMm) < 2);
}

function meanWhere(
  volume: PhantomVolume,
  center: readonly number[],
  isWanted: (distanceMm: number) => boolean,
): number {
  const [nz, ny, nx] = volume.sizeVoxels;
  const [dz, dy, dx] = volume.spacingMm;
  const [ox, oy, oz] = volume.originLps;
  let [sum, count] = [0, 0];
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) {
        const distance = Math.hypot(
          ox + x * dx - center[0]!,
          oy + y * dy - center[1]!,
          oz + z * dz - center[2]!,
        );
        if (!isWanted(distance)) continue;
        sum += volume.voxelsZyx[(z * ny + y) * nx + x]!;
        count++;
      }
  return sum / count;
}
