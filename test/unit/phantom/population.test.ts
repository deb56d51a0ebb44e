import { expect } from "chai";
import fc from "fast-check";
import { isValidUid } from "../../../src/dicom/uids.ts";
import { population } from "../../../src/phantom/population.ts";

describe("phantom population", () => {
  it("has fourteen studies of ten patients, four of whom come twice", () => {
    const studies = population(1);
    const perPatient = Map.groupBy(studies, (study) => study.patient.id);
    expect(studies).to.have.length(14);
    expect(perPatient.size).to.equal(10);
    expect([...perPatient.values()].filter((visits) => visits.length === 2)).to.have.length(4);
  });

  it("covers chest, abdomen, trunk and head with unlike acquisitions", () => {
    const studies = population(1);
    const regions = new Set(studies.map((study) => study.region));
    expect([...regions].sort()).to.deep.equal(["abdomen", "chest", "chest-abdomen", "head"]);
    expect(new Set(studies.map((s) => s.acquisition.sliceMm)).size).to.equal(3);
    expect(new Set(studies.map((s) => s.acquisition.kernel)).size).to.equal(3);
    expect(new Set(studies.map((s) => s.acquisition.isSigned)).size).to.equal(2);
    expect(studies.some((s) => s.acquisition.paddingValue !== undefined)).to.equal(true);
    expect(studies.some((s) => s.acquisition.isContrastEnhanced)).to.equal(true);
  });

  it("says of every patient that it is synthetic", () => {
    for (const study of population(1, 60)) {
      expect(study.patient.name).to.match(/^Phantom\^/);
      expect(study.patient.id).to.match(/^KP-\d{4}$/);
    }
  });

  it("is the same for the same seed and other for another", () => {
    expect(population(7, 40)).to.deep.equal(population(7, 40));
    const uids = new Set(population(7).map((study) => study.studyInstanceUid));
    expect(population(8).some((study) => uids.has(study.studyInstanceUid))).to.equal(false);
  });

  it("begins with the smaller population of the same seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }), (a, b) => {
        const small = population(3, Math.min(a, b));
        expect(population(3, Math.max(a, b)).slice(0, small.length)).to.deep.equal(small);
      }),
      { numRuns: 15 },
    );
  });

  it("gives every study, series and frame of reference its own valid UID", () => {
    const uids = population(1, 200).flatMap((study) => [
      study.studyInstanceUid,
      study.seriesInstanceUid,
      study.frameOfReferenceUid,
    ]);
    expect(uids.every(isValidUid)).to.equal(true);
    expect(new Set(uids).size).to.equal(uids.length);
  });

  it("finds a nodule of a follow-up at the same place, larger", () => {
    const [first, second] = population(1).filter((study) => study.patient.id === "KP-0001");
    const [before] = first!.findings;
    const [after] = second!.findings;
    expect(before!.code).to.equal("lung-nodule");
    if (before!.code !== "lung-nodule" || after!.code !== "lung-nodule") return;
    expect(after!.center).to.deep.equal(before!.center);
    expect(after!.diameterMm).to.be.greaterThan(before!.diameterMm);
    expect(second!.report).to.include("increased from 11 to 19 mm");
  });

  it("mentions every finding in the report and denies what is not there", () => {
    for (const study of population(2, 120)) {
      for (const finding of study.findings) {
        if ("diameterMm" in finding) expect(study.report).to.include(`${finding.diameterMm} mm`);
        if ("volumeMl" in finding) expect(study.report).to.include(`${finding.volumeMl} mL`);
      }
      const hasFluid = study.findings.some((finding) => finding.code === "pleural-effusion");
      if (hasFluid) expect(study.report).not.to.include("No pleural effusion");
      expect(study.report).to.match(/^CT of the .*Impression: .*\.$/);
    }
  });

  it("has no study at all when asked for none, and refuses nonsense", () => {
    expect(population(1, 0)).to.deep.equal([]);
    expect(() => population(1, -1))
      .to.throw()
      .with.property("code", "BAD_REQUEST");
    expect(() => population(1, 1.5))
      .to.throw()
      .with.property("code", "BAD_REQUEST");
    expect(() => population(1, 1e9))
      .to.throw()
      .with.property("code", "BAD_REQUEST");
  });
});
