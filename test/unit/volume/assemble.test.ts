import { expect } from "chai";
import fc from "fast-check";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { examineSlices } from "../../../src/volume/geometry.ts";
import { toHounsfield } from "../../../src/volume/intensity.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";
import { plane, stack } from "./planes.ts";

function builderOf(planes: readonly SlicePlane[]) {
  const { geometry, order } = examineSlices(planes, { slicesMin: 2 });
  if (geometry === null) throw new Error("the test stack is plain");
  return createVolumeBuilder(geometry, order, planes);
}
const filled = (value: number) => new Int16Array(20).fill(value);

describe("a volume builder", () => {
  it("puts slices at their place whatever the order of arrival", () => {
    const planes = stack(6).reverse();
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), (arrival) => {
        const builder = builderOf(planes);
        for (const index of arrival) builder.addSlice(index, filled(1024 + 5 - index));
        const { voxelsZyx } = builder.finish();
        expect(voxelsZyx).to.be.instanceOf(Int16Array);
        for (let z = 0; z < 6; z++) expect(voxelsZyx[z * 20 + 7]).to.equal(z);
      }),
    );
  });

  it("does not finish with a slice missing", () => {
    const builder = builderOf(stack(4));
    for (const index of [0, 1, 3]) builder.addSlice(index, filled(0));
    expect(() => builder.finish())
      .to.throw("missing")
      .with.property("code", "NOT_A_VOLUME");
  });

  it("refuses a slice of another size and a stranger", () => {
    const builder = builderOf(stack(4));
    expect(() => builder.addSlice(0, new Int16Array(19))).to.throw("does not belong");
    expect(() => builder.addSlice(9, filled(0))).to.throw("does not belong");
  });

  it("uses floats when a rescale is not whole, each slice by its own", () => {
    const planes = stack(3, (k) => ({ rescaleSlope: k === 1 ? 0.5 : 1 }));
    const builder = builderOf(planes);
    for (const index of [0, 1, 2]) builder.addSlice(index, filled(1025));
    const { voxelsZyx } = builder.finish();
    expect(voxelsZyx).to.be.instanceOf(Float32Array);
    expect([voxelsZyx[0], voxelsZyx[20], voxelsZyx[40]]).to.deep.equal([1, -511.5, 1]);
  });
});

describe("Hounsfield units", () => {
  it("turn stored padding into air before the rescale, as a value and as a range", () => {
    const target = new Int16Array(5);
    const stored = Int16Array.of(-2000, -1999, 0, 40, 3000);
    const one = plane(0, { paddingValue: -2000, rescaleIntercept: 0 });
    expect(toHounsfield(stored, one, target, 0), "undeclared").to.equal(1);
    expect([...target]).to.deep.equal([-1024, -1024, 0, 40, 3000]);
    const range = plane(0, { paddingValue: -1999, paddingRangeLimit: -2000, rescaleIntercept: 0 });
    expect(toHounsfield(stored, range, target, 0), "undeclared").to.equal(0);
    expect([...target]).to.deep.equal([-1024, -1024, 0, 40, 3000]);
  });

  it("take padding as it is stored, also above the bits that are used", () => {
    const target = new Int16Array(3);
    // 63536 is -2000 in 16 bits, in a slice that says it uses 12 of them.
    const odd = plane(0, { paddingValue: 63536, bitsStored: 12, highBit: 11 });
    toHounsfield(Uint16Array.of(63536, 0, 1064), odd, target, 0);
    expect([...target]).to.deep.equal([-1024, -1024, 40]);
  });

  it("hold air where a padding is stated in HU instead of stored values", () => {
    const target = new Int16Array(3);
    const wrong = plane(0, { paddingValue: -2000, isSigned: true });
    const below = toHounsfield(Int16Array.of(-976, 24, 1064), wrong, target, 0);
    expect([...target]).to.deep.equal([-1024, -1000, 40]);
    expect(below).to.equal(1);
  });

  it("are clamped, not wrapped", () => {
    const target = new Int16Array(2);
    toHounsfield(
      Uint16Array.of(65535, 0),
      plane(0, { rescaleSlope: 4, rescaleIntercept: -40000 }),
      target,
      0,
    );
    expect([...target]).to.deep.equal([32767, -1024]);
  });
});
