import { expect } from "chai";
import fc from "fast-check";
import { collidingSlices, splitSeries } from "../../../src/series/split-series.ts";
import { examineSlices } from "../../../src/volume/geometry.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";
import { plane, stack } from "../volume/planes.ts";

const CORONAL = [1, 0, 0, 0, 0, -1] as const;
const LOCALIZER = ["ORIGINAL", "PRIMARY", "LOCALIZER"];

let nextUid = 5000;
/** Slices from `startMm` on, with names of their own. */
function series(count: number, startMm: number, change: Partial<SlicePlane> = {}, stepMm = 2.5) {
  return Array.from({ length: count }, (_, k) =>
    plane(k, {
      sopInstanceUid: `1.2.3.${nextUid++}`,
      positionLpsMm: [-10, -20, startMm + stepMm * k],
      ...change,
    }),
  );
}
const different = (): string | undefined => undefined;
const split = (
  planes: readonly SlicePlane[],
  digestOf: (index: number) => string | undefined = different,
) => splitSeries(planes, { digestOf, slicesMin: 4 });

/** Slices and findings of each volume, and its outcome. */
function outcomes(planes: readonly SlicePlane[], digestOf = different) {
  const { candidates } = split(planes, digestOf);
  return candidates.map(({ indices, findings, label }) => {
    const { verdict } = examineSlices(
      indices.map((index) => planes[index]!),
      { slicesMin: 4, findings },
    );
    return {
      outcome: verdict.outcome,
      count: indices.length,
      codes: verdict.findings.map(({ code }) => code),
      label,
    };
  });
}

describe("splitting a series", () => {
  it("leaves one stack whole and gives its slices in order", () => {
    const { candidates, excluded } = split(stack(8).reverse());
    expect(candidates).to.deep.equal([
      { indices: [7, 6, 5, 4, 3, 2, 1, 0], label: "", findings: [] },
    ]);
    expect(excluded).to.deep.equal([]);
    expect(split([])).to.deep.equal({ candidates: [], excluded: [] });
  });

  it("does not depend on the order of arrival", () => {
    const planes = [
      ...series(9, 0, { kernel: "B40f" }),
      ...series(9, 0, { kernel: "B70f" }),
      ...series(3, 500, { orientation: CORONAL }),
      ...series(2, 0, { imageType: LOCALIZER }),
    ];
    const named = (list: readonly SlicePlane[]) => {
      const { candidates, excluded } = split(list);
      const nameOf = (index: number) => list[index]!.sopInstanceUid;
      return {
        candidates: candidates.map((one) => ({ ...one, indices: one.indices.map(nameOf) })),
        excluded: excluded.map((one) => ({ ...one, indices: one.indices.map(nameOf).sort() })),
      };
    };
    const expected = named(planes);
    expect(expected.candidates).to.have.length(2);
    fc.assert(
      fc.property(fc.shuffledSubarray(planes, { minLength: planes.length }), (shuffled) => {
        expect(named(shuffled)).to.deep.equal(expected);
      }),
    );
  });

  const whole: readonly [string, () => SlicePlane[]][] = [
    [
      "each rotation of a sequential scan is an acquisition of its own",
      () => stack(20, (k) => ({ acquisitionNumber: k >> 1, acquisitionTime: `1200${k >> 1}` })),
    ],
    [
      "rotations are long",
      () =>
        stack(40, (k) => ({
          acquisitionNumber: k >> 3,
          imageType: ["ORIGINAL", "PRIMARY", "AXIAL"],
        })),
    ],
    [
      "two kinds of slices lie end to end",
      () =>
        stack(20, (k) => ({
          imageType: ["ORIGINAL", "PRIMARY", "AXIAL", ...(k < 10 ? ["ADD"] : [])],
          kernel: k < 10 ? "H40" : "H31",
        })),
    ],
    [
      "one slice says another kernel",
      () => stack(20, (k) => ({ kernel: k === 7 ? "B41" : "B40" })),
    ],
    [
      "an archive rewrote some slices as derived",
      () => stack(20, (k) => ({ imageType: [k % 3 ? "ORIGINAL" : "DERIVED", "PRIMARY", "AXIAL"] })),
    ],
    [
      "orientations are rounded",
      () => stack(20, (k) => ({ orientation: [1, 4e-4 * (k % 3), 0, 0, 1, 0] })),
    ],
  ];
  for (const [title, make] of whole) {
    it(`keeps one volume where ${title}`, () => {
      const [first, ...more] = outcomes(make());
      expect(more).to.deep.equal([]);
      expect(first).to.include({ outcome: "ok", count: make().length, label: "" });
    });
  }

  const several: readonly [string, readonly number[], () => SlicePlane[]][] = [
    ["kernels", [9, 9], () => [...series(9, 0, { kernel: "A" }), ...series(9, 0, { kernel: "B" })]],
    [
      "kernels, half a step apart",
      [9, 9],
      () => [...series(9, 0, { kernel: "A" }), ...series(9, 1.25, { kernel: "B" })],
    ],
    [
      "acquisitions, the second continuing the first with an overlap",
      [30, 20],
      () => [
        ...series(30, 0, { acquisitionNumber: 1 }),
        ...series(20, 70, { acquisitionNumber: 2 }),
      ],
    ],
    [
      "temporal positions",
      [6, 6, 6],
      () => [1, 2, 3].flatMap((temporalPosition) => series(6, 0, { temporalPosition })),
    ],
    [
      "thicknesses, told apart by the image type",
      [20, 10],
      () => [
        ...series(20, 0, {}, 2.5),
        ...series(10, 0, { imageType: ["ORIGINAL", "PRIMARY", "AXIAL", "ADD"] }, 5),
      ],
    ],
    [
      "orientations",
      [9, 6],
      () => [
        ...series(9, 0),
        ...series(6, 0, { orientation: [0, 1, 0, 0, 0, -1] }).map((one, k) => ({
          ...one,
          positionLpsMm: [3 * k, 0, 0] as const,
        })),
      ],
    ],
    ["matrices", [9, 6], () => [...series(9, 0), ...series(6, 0, { rows: 8 })]],
    [
      "Stack IDs",
      [9, 6],
      () => [...series(9, 0, { stackId: "1" }), ...series(6, 200, { stackId: "2" })],
    ],
    [
      "phases told by the time of each slice",
      [8, 8],
      () =>
        [0, 1].flatMap((phase) =>
          series(8, 0).map((one, k) => ({ ...one, acquisitionTime: `12000${phase}.${100 + k}` })),
        ),
    ],
    [
      "phases told by nothing but instance numbers",
      [8, 8, 8],
      () =>
        [0, 1, 2].flatMap((phase) =>
          series(8, 0).map((one, k) => ({ ...one, instanceNumber: 3 * k + phase })),
        ),
    ],
    [
      "a stack and its copy with loss",
      [8, 8],
      () => [
        ...series(8, 0),
        ...series(8, 0, { isLossy: true, imageType: ["DERIVED", "PRIMARY", "AXIAL"] }),
      ],
    ],
    [
      "regions scanned one after the other",
      [20, 12],
      () => [
        ...series(20, 0, { acquisitionNumber: 2 }),
        ...series(12, 400, { acquisitionNumber: 3 }),
      ],
    ],
  ];
  for (const [title, counts, make] of several) {
    it(`makes a volume of each of several ${title}`, () => {
      const found = outcomes(make());
      expect(found.map(({ count }) => count)).to.deep.equal(counts);
      expect(found.map(({ outcome }) => outcome)).to.deep.equal(counts.map(() => "ok"));
    });
  }

  it("tells phases and names each", () => {
    const found = outcomes([
      ...series(9, 0, { kernel: "A", acquisitionNumber: 4 }),
      ...series(9, 0, { kernel: "B", acquisitionNumber: 4 }),
      ...series(9, 0, { kernel: "B", acquisitionNumber: 5 }),
    ]);
    expect(found.map(({ label }) => label)).to.have.members([
      "kernel A",
      "kernel B, acquisition 4",
      "kernel B, acquisition 5",
    ]);
    for (const { codes } of found) expect(codes).to.deep.equal(["PHASES"]);
  });

  it("does not take missing rotations for two regions", () => {
    const lost = stack(40, (k) => ({ acquisitionNumber: k >> 2 })).filter(
      (_, k) => k < 16 || k >= 24,
    );
    const [first, ...more] = outcomes(lost);
    expect(more).to.deep.equal([]);
    expect(first).to.deep.include({ outcome: "refused", codes: ["MISSING_SLICES"] });
  });

  it("uses the later of a rotation that was scanned twice, and says so", () => {
    const planes = stack(20, (k) => ({ acquisitionNumber: k >> 1 }));
    const again = [8, 9].map((k) =>
      plane(k, { sopInstanceUid: `1.9.${k}`, acquisitionNumber: 77 }),
    );
    const all = [...planes, ...again];
    expect(outcomes(all)).to.deep.equal([
      { outcome: "ok", count: 20, codes: ["EXCLUDED_REPEATED"], label: "" },
    ]);
    expect(split(all).candidates[0]!.indices).to.include.members([20, 21]);
  });

  it("leaves bolus tracking out of the volume beside it", () => {
    const tracking = series(1, 12.5).flatMap((one) =>
      Array.from({ length: 9 }, (_, k) => ({
        ...one,
        sopInstanceUid: `1.8.${k}`,
        acquisitionNumber: 10 + k,
      })),
    );
    const [first, ...more] = outcomes([...tracking, ...series(30, 0)]);
    expect(more).to.deep.equal([]);
    expect(first).to.deep.include({ outcome: "ok", count: 30, codes: ["EXCLUDED_REPEATED"] });
  });

  it("refuses a time series at one position, and one position twice without a way to tell", () => {
    const one = series(6, 0, {}, 0).map((slice, k) => ({ ...slice, acquisitionNumber: k }));
    expect(outcomes(one)).to.deep.equal([
      { outcome: "refused", count: 6, codes: ["DUPLICATE_POSITION"], label: "" },
    ]);
    const twice = [...series(8, 0), ...series(1, 5)];
    expect(outcomes(twice)[0]).to.deep.include({
      outcome: "refused",
      codes: ["DUPLICATE_POSITION"],
    });
  });

  it("leaves out what is no slice, and makes the volume of the rest", () => {
    const planes = [
      ...series(1, 0, { imageType: LOCALIZER, orientation: CORONAL, rows: 512 }),
      ...series(1, 0, { samplesPerPixel: 3, photometricInterpretation: "RGB" }),
      ...series(2, 0, { imageType: ["DERIVED", "SECONDARY", "AXIAL"] }),
      ...series(5, 0, { rescaleType: "Z_EFF" }),
      ...series(6, 0, { imageType: ["DERIVED", "PRIMARY", "MPR"], orientation: CORONAL }),
      ...series(1, 0, { orientation: CORONAL }),
      ...series(1, 0, { positionLpsMm: undefined }),
      ...series(12, 0),
    ];
    const { candidates, excluded } = split(planes);
    expect(candidates).to.have.length(1);
    expect(candidates[0]!.indices).to.have.length(12);
    expect(
      Object.fromEntries(excluded.map(({ code, indices }) => [code, indices.length])),
    ).to.deep.equal({
      EXCLUDED_LOCALIZER: 1,
      EXCLUDED_COLOR: 1,
      EXCLUDED_PROCESSED: 2,
      EXCLUDED_NOT_HU: 5,
      EXCLUDED_REFORMAT: 6,
      EXCLUDED_STRAY: 1,
      EXCLUDED_UNPLACED: 1,
    });
    expect(candidates[0]!.findings.map(({ code, value }) => [code, value])).to.have.deep.members(
      excluded.map(({ code, indices }) => [code, indices.length]),
    );
    expect(
      candidates[0]!.findings.find(({ code }) => code === "EXCLUDED_LOCALIZER")!.message,
    ).to.equal("Localizer (scout) images are not part of the volume (1 image).");
  });

  it("gives a series without a slice to the judge, who says why", () => {
    const scouts = series(2, 0, { imageType: LOCALIZER });
    expect(outcomes(scouts)[0]).to.deep.include({
      outcome: "refused",
      codes: ["LOCALIZER", "TOO_FEW_SLICES"],
    });
    const page = series(1, 0, { imageType: ["DERIVED", "SECONDARY"], positionLpsMm: undefined });
    expect(outcomes([...scouts, ...page])[0]!.codes).to.deep.equal([
      "LOCALIZER",
      "TOO_FEW_SLICES",
      "EXCLUDED_PROCESSED",
    ]);
    expect(outcomes(series(5, 0, { positionLpsMm: undefined }))[0]!.codes).to.deep.equal([
      "NO_POSITION",
    ]);
  });

  it("keeps derived axial slices when there are no others", () => {
    const derived = { imageType: ["DERIVED", "PRIMARY", "AXIAL"] };
    expect(outcomes(series(9, 0, derived))[0]).to.deep.include({
      outcome: "ok",
      codes: ["DERIVED"],
    });
  });

  it("uses one of slices that came twice, the same one whatever the order of arrival", () => {
    const planes = stack(10);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(9), { minLength: 1 }),
        fc.infiniteStream(fc.nat()),
        (twice, random) => {
          const copies = twice.map((k) =>
            plane(k, { sopInstanceUid: `1.2.3.0${k}`, instanceNumber: 7 }),
          );
          const all = [...planes, ...copies]
            .map((one) => ({ one, at: random.next().value }))
            .sort((a, b) => a.at - b.at)
            .map(({ one }) => one);
          const digestOf = (index: number) => `${all[index]!.positionLpsMm}`;
          expect(collidingSlices(all)).to.have.length(2 * twice.length);
          const { candidates, excluded } = split(all, digestOf);
          expect(excluded).to.deep.equal([]);
          expect(candidates).to.have.length(1);
          const used = candidates[0]!.indices.map((index) => all[index]!);
          expect(candidates[0]!.findings.map(({ code, value }) => [code, value])).to.deep.equal([
            ["DUPLICATE_SLICES", twice.length],
          ]);
          const names = used.map(({ sopInstanceUid }) => sopInstanceUid);
          for (const k of twice) expect(names).to.include(`1.2.3.0${k}`);
          const { verdict, geometry } = examineSlices(used, { slicesMin: 4 });
          expect(verdict.outcome).to.equal("ok");
          expect(geometry).to.deep.equal(examineSlices(planes, { slicesMin: 4 }).geometry);
        },
      ),
    );
  });

  it("does not take equal pixels for a copy when they mean other values or lie elsewhere", () => {
    const planes = [...series(8, 0), ...series(8, 0, { rescaleIntercept: 0 })];
    expect(outcomes(planes, () => "same")[0]!.codes).to.not.include("DUPLICATE_SLICES");
    const beside = [
      ...series(8, 0),
      ...series(8, 0).map((one) => ({
        ...one,
        positionLpsMm: [90, 0, one.positionLpsMm![2]] as const,
      })),
    ];
    expect(outcomes(beside, () => "same")[0]!.codes).to.not.include("DUPLICATE_SLICES");
  });

  describe("judges 20000 slices within two seconds, on a busy machine", () => {
    const COUNT = 20_000;
    const many = (change: (k: number) => Partial<SlicePlane>) => stack(COUNT, change);
    const constellations: readonly [string, (k: number) => Partial<SlicePlane>][] = [
      ["one stack", (k) => ({ positionLpsMm: [0, 0, 0.5 * k] })],
      ["one position", () => ({ positionLpsMm: [0, 0, 0] })],
      [
        "one position, each another acquisition",
        (k) => ({ positionLpsMm: [0, 0, 0], acquisitionNumber: k }),
      ],
      [
        "each another acquisition, kernel and time",
        (k) => ({
          positionLpsMm: [0, 0, 0.5 * k],
          acquisitionNumber: k,
          kernel: `${k}`,
          acquisitionTime: `${k}`,
          temporalPosition: k,
        }),
      ],
      [
        "pairs of positions, each another kernel",
        (k) => ({ positionLpsMm: [0, 0, k >> 1], kernel: `${k}` }),
      ],
      [
        "each another orientation",
        (k) => ({ orientation: [Math.cos(k), Math.sin(k), 0, 0, 0, 1] }),
      ],
      ["each another matrix", (k) => ({ rows: 2 + (k % 4000), columns: 2 + k })],
      [
        "five slices a part, all over each other",
        (k) => ({
          positionLpsMm: [0, 0, (k * 7919) % COUNT],
          acquisitionNumber: Math.floor(k / 5),
        }),
      ],
      [
        "sixty phases",
        (k) => ({ positionLpsMm: [0, 0, Math.floor(k / 60)], acquisitionNumber: k % 60 }),
      ],
      [
        "phases by instance number",
        (k) => ({ positionLpsMm: [0, 0, Math.floor(k / 2)], instanceNumber: k }),
      ],
      ["a stack drifting by less than one position", (k) => ({ positionLpsMm: [0, 0, k * 0.009] })],
      ["huge and tiny gaps", (k) => ({ positionLpsMm: [0, 0, ((k * k) % 1_000_003) - 5e5] })],
      ["no positions", () => ({ positionLpsMm: undefined })],
      ["localizers", () => ({ imageType: LOCALIZER })],
    ];
    for (const [title, change] of constellations) {
      it(title, () => {
        const planes = many(change);
        const start = performance.now();
        collidingSlices(planes);
        const { candidates } = split(planes, () => "same");
        for (const { indices, findings } of candidates) {
          examineSlices(
            indices.map((index) => planes[index]!),
            { slicesMin: 4, findings },
          );
        }
        expect(performance.now() - start, "ms").to.be.lessThan(2000);
      });
    }
  });
});
