import { expect } from "chai";
import fc from "fast-check";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { createDepthMixer } from "../../../src/volume/depth-mixer.ts";
import { createPlaneReducer } from "../../../src/volume/plane-reducer.ts";
import { planReduction } from "../../../src/volume/reduction-plan.ts";
import { applySteps, type VolumeStep } from "../../../src/volume/steps.ts";
import type { CtVolume, SlicePlane, StackGeometry } from "../../../src/volume/types.ts";
import { stack } from "./planes.ts";

/** A stack, its stored pixels, and steps that begin with a resampling. */
interface Case {
  readonly slices: readonly SlicePlane[];
  readonly geometry: StackGeometry;
  readonly stored: readonly (Int16Array | Uint16Array)[];
  readonly steps: readonly VolumeStep[];
}

const identity = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
] as const;

const spacing = fc.double({ min: 0.4, max: 3, noNaN: true });
const edge = fc.integer({ min: 1, max: 12 });

/** How slices lie on the grid: plain, shifted by whole pixels, tilted, with gaps bridged, irregular, or all of it. */
const placement = fc.record({
  isIrregular: fc.boolean(),
  hasGap: fc.boolean(),
  shear: fc.constantFrom(0, 0, 1, 0.37, -0.61),
  jitter: fc.double({ min: -0.4, max: 0.4, noNaN: true }),
});

const resampling = fc
  .record({
    antialias: fc.boolean(),
    bySize: fc.boolean(),
    spacingMm: fc.tuple(spacing, spacing, spacing),
    sizeVoxels: fc.tuple(edge, edge, edge),
    flavour: fc.constantFrom("torch", "monai", "torchio", "simpleitk"),
    sizeFlavour: fc.constantFrom("torch", "area"),
    stepFrom: fc.constantFrom("spacing", "size"),
    sizeRule: fc.constantFrom("round", "floor", "ceil", undefined),
    outsideValue: fc.constantFrom(undefined, -1000),
  })
  .map(({ bySize, spacingMm, sizeVoxels, sizeFlavour, ...rest }): VolumeStep => {
    const by = bySize ? { sizeVoxels } : { spacingMm };
    return {
      op: "resample",
      ...by,
      ...rest,
      flavour: bySize ? sizeFlavour : rest.flavour,
    } as VolumeStep;
  });

const before = fc.array(
  fc.oneof(
    fc.constantFrom<VolumeStep>(
      { op: "reorient", axes: "LPS" },
      { op: "reorient", axes: "RAS" },
      { op: "reorient", axes: "SAR" },
      { op: "reorient", axes: "PIR" },
      { op: "clipHu", min: -900, max: 400 },
      { op: "foregroundCrop", above: -500 },
      { op: "scale", multiply: -0.5, add: 3 },
      { op: "scale", multiply: 0.01, add: 1.024 },
    ),
  ),
  { maxLength: 3 },
);
const after = fc.constantFrom<VolumeStep[]>(
  [],
  [{ op: "cropPad", sizeVoxels: [5, 6, 7], value: -1024 }],
  [{ op: "foregroundCrop", above: 40 }],
  [
    { op: "clipHu", min: -500, max: 500 },
    { op: "scale", multiply: 0.002, add: 1 },
  ],
  [{ op: "resample", sizeVoxels: [3, 4, 5], antialias: true }],
);

const aCase: fc.Arbitrary<Case> = fc
  .record({
    count: fc.integer({ min: 2, max: 9 }),
    rows: fc.integer({ min: 2, max: 19 }),
    columns: fc.integer({ min: 2, max: 37 }),
    placement,
    native: fc.tuple(spacing, spacing, spacing),
    before,
    resampling,
    after,
    isSigned: fc.boolean(),
    slope: fc.constantFrom(1, 1, 2, 0.5),
    padding: fc.constantFrom<Partial<SlicePlane>>(
      {},
      { paddingValue: 100 },
      { paddingValue: -2000, paddingRangeLimit: 300 },
      { paddingValue: 65000, paddingRangeLimit: 3000 },
    ),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .map((p) => {
    const slices = stack(p.count, () => ({
      rows: p.rows,
      columns: p.columns,
      isSigned: p.isSigned,
      rescaleSlope: p.slope,
      ...p.padding,
    }));
    let state = p.seed;
    const random = () => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state >>> 8;
    };
    const stored = slices.map(() => {
      const pixels = Array.from({ length: p.rows * p.columns }, () => random() % 4096);
      return p.isSigned ? Int16Array.from(pixels, (v) => v - 1000) : Uint16Array.from(pixels);
    });
    const { isIrregular, hasGap, shear, jitter } = p.placement;
    const middle = p.count >> 1;
    const z = slices.map((_, k) => {
      const bridged = hasGap && k >= middle && middle > 0 ? 2 : 0;
      const isInner = k > 0 && k < p.count - 1;
      return k + bridged + (isIrregular && isInner ? jitter : 0);
    });
    const depth = z.at(-1)! + 1;
    const reach = shear * (depth - 1);
    const grown = Math.ceil(Math.abs(reach));
    const geometry: StackGeometry = {
      sizeVoxels: [depth, p.rows + grown, p.columns],
      spacingMm: p.native,
      originLps: [1, 2, 3],
      axesZyx: identity,
      placements: z.map((at) => ({ z: at, row: shear * at - Math.min(0, reach), column: shear })),
    };
    return { slices, geometry, stored, steps: [...p.before, p.resampling, ...p.after] };
  });

function streamed(one: Case, plain: boolean): CtVolume | null {
  const slice = one.slices[0]!;
  const plan = planReduction(one.geometry, one.steps, slice);
  if (plan === null) return null;
  const posted = structuredClone(plan);
  const reducer = createPlaneReducer([posted], { plain });
  const mixer = createDepthMixer(posted, { plain });
  for (const [k, stored] of one.stored.entries())
    mixer.add(k, reducer.reduce(k, stored, one.slices[k]!)[0]!);
  return mixer.finish();
}

function reference(one: Case): CtVolume {
  const builder = createVolumeBuilder(
    one.geometry,
    one.slices.map((_, k) => k),
    one.slices,
  );
  for (const [k, stored] of one.stored.entries()) builder.addSlice(k, stored);
  return applySteps(builder.finish(), one.steps);
}

function expectNear(got: CtVolume, expected: CtVolume): void {
  expect(got.sizeVoxels).to.deep.equal(expected.sizeVoxels);
  for (const i of [0, 1, 2] as const) {
    expect(got.spacingMm[i]).to.be.closeTo(expected.spacingMm[i], 1e-9);
    expect(got.originLps[i]).to.be.closeTo(expected.originLps[i], 1e-6);
    expect(got.axesZyx[i]).to.deep.equal(expected.axesZyx[i]);
  }
  let worst = 0;
  for (const [i, value] of expected.voxelsZyx.entries())
    worst = Math.max(worst, Math.abs(got.voxelsZyx[i]! - value));
  expect(worst).to.be.below(0.05);
}

describe("reducing slice by slice", () => {
  for (const plain of [true, false]) {
    it(`makes what the steps make of the native volume (${plain ? "TypeScript" : "SIMD"})`, () => {
      let folded = 0;
      fc.assert(
        fc.property(aCase, (one) => {
          const got = streamed(one, plain);
          if (got === null) return;
          folded++;
          expectNear(got, reference(one));
        }),
        { numRuns: 300 },
      );
      expect(folded, "cases that could be folded").to.be.above(100);
    });
  }

  it("takes planes in the order of the slices, each once, and all of them", () => {
    fc.assert(
      fc.property(aCase, fc.nat(), (one, at) => {
        const plan = planReduction(one.geometry, one.steps, one.slices[0]!);
        if (plan === null) return;
        const plane = new Float32Array(plan.rows.sampling.outputs * plan.columns.sampling.outputs);
        const mixer = createDepthMixer(plan);
        const count = at % plan.slices;
        for (let k = 0; k < count; k++) mixer.add(k, plane);
        for (const wrong of [count - 1, count + 1, plan.slices, Number.NaN])
          expect(() => mixer.add(wrong, plane)).to.throw(/does not belong/);
        expect(() => mixer.add(count, plane.subarray(1))).to.throw(/does not belong/);
        expect(() => mixer.finish()).to.throw(`${plan.slices - count} slices of the volume`);
      }),
      { numRuns: 60 },
    );
  });
});
