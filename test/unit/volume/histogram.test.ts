import { expect } from "chai";
import { randomFrom } from "../../../src/phantom/random.ts";
import {
  addCounts,
  countStored,
  judgeCounts,
  judgeHistogram,
  judgeOutside,
  noCounts,
} from "../../../src/volume/histogram.ts";
import { plane } from "./planes.ts";

/** Stored values are Hounsfield units. */
const HU = plane(0, { isSigned: true, rescaleSlope: 1, rescaleIntercept: 0 });

/** A body of parts of voxels around peaks, HU; the rest lies in air. */
function body(parts: readonly (readonly [number, number])[], change = (hu: number) => hu) {
  const random = randomFrom("body");
  const voxels = new Int16Array(61 * 4000);
  for (let i = 0; i < voxels.length; i++) {
    let at = random.next();
    const [, hu] = parts.find(([part]) => {
      at -= part;
      return at < 0;
    }) ?? [0, -1000];
    voxels[i] = Math.max(-1024, change(random.normal(hu, 15)));
  }
  return judgeHistogram(countStored(voxels, HU).histogram);
}

const CHEST = [
  [0.25, -860],
  [0.1, -95],
  [0.2, 45],
  [0.04, 400],
] as const;
const HEAD = [
  [0.3, 35],
  [0.05, -90],
  [0.08, 900],
] as const;
/** A narrow field with no air around the body. */
const SPINE = [
  [0.25, -100],
  [0.55, 55],
  [0.2, 450],
] as const;
const LUNG = [
  [0.85, -850],
  [0.15, 40],
] as const;

describe("the look of Hounsfield units", () => {
  for (const [name, parts] of Object.entries({ CHEST, HEAD, SPINE, LUNG })) {
    it(`is right in a ${name.toLowerCase()}`, () => {
      expect(body(parts)).to.deep.equal([]);
    });
  }

  it("is wrong in a head phantom taken 1024 HU too high, which leaves no air and little bone", () => {
    const phantom = [
      [0.18, 60],
      [0.05, 150],
      [0.03, 900],
    ] as const;
    expect(body(phantom)).to.deep.equal([]);
    const [first] = body(phantom, (hu) => hu + 1024);
    expect(first?.message).to.match(/no air/);
  });

  // Of a head taken 1024 HU too low, the brain looks like air and the bone like fat: only a chest shows that.
  const wrong: readonly [string, (hu: number) => number][] = [
    ["shifted by a missing intercept", (hu) => hu + 1024],
    ["shifted by an intercept applied twice", (hu) => hu - 1024],
    ["doubled", (hu) => 2 * (hu + 1000) - 1000],
    ["a tenth", (hu) => (hu + 1024) / 10 - 1024],
    ["negated", (hu) => -hu],
    ["in thousands", (hu) => hu * 30],
  ];
  for (const [title, change] of wrong) {
    it(`is suspect when values are ${title}`, () => {
      for (const parts of title.includes("twice") ? [CHEST] : [CHEST, HEAD]) {
        const [first, ...more] = body(parts, change);
        expect(first).to.include({ code: "HU_SUSPECT" });
        expect(first!.value).to.be.a("number");
        expect(more).to.deep.equal([]);
      }
    });
  }

  it("says nothing of no voxels, and counts every 61st", () => {
    const counts = noCounts();
    expect(judgeCounts(counts)).to.deep.equal([]);
    addCounts(counts, countStored(new Int16Array(610).fill(40), HU));
    expect([...counts.histogram].reduce((a, b) => a + b)).to.equal(10);
    addCounts(counts, countStored(Int16Array.of(-32768), HU));
    addCounts(counts, countStored(Int16Array.of(32767), HU));
    expect([counts.histogram[0], counts.histogram.at(-1)]).to.deep.equal([1, 1]);
    expect([counts.voxels, counts.below]).to.deep.equal([12, 1]);
  });

  it("takes declared padding for no value below air", () => {
    const padded = { ...HU, paddingValue: -2000 };
    const stored = new Int16Array(6100).fill(-2000);
    expect(countStored(stored, padded).below).to.equal(0);
    expect(countStored(stored, HU).below).to.equal(100);
  });

  it("tells of a circle of values below air", () => {
    expect(judgeOutside(0, 1000)).to.deep.equal([]);
    expect(judgeOutside(0, 0)).to.deep.equal([]);
    expect(judgeOutside(215, 1000)[0]).to.include({
      code: "OUTSIDE_CIRCLE",
      value: 21.5,
      unit: "%",
    });
  });
});
