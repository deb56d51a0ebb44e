import { expect } from "chai";
import fc from "fast-check";
import { countOf, type HostTensor } from "../../../../src/encoder/run/host-tensor.ts";
import { applyStage, type PlainStage } from "../../../../src/encoder/run/ops.ts";
import { KindredError } from "../../../../src/kernel/errors.ts";

const ramp = (dims: number[]): HostTensor => ({
  dims,
  data: Float32Array.from({ length: countOf(dims) }, (_, i) => i * i - 7 * i),
});

/** An element by its place: the plainest reading of row-major. */
function at({ dims, data }: HostTensor, place: readonly number[]): number {
  return data[place.reduce((index, n, axis) => index * dims[axis]! + n, 0)]!;
}

function places(dims: readonly number[]): number[][] {
  return dims.reduce<number[][]>(
    (all, n) => all.flatMap((one) => Array.from({ length: n }, (_, i) => [...one, i])),
    [[]],
  );
}

const apply = (stage: object, ...given: HostTensor[]) =>
  applyStage({ id: "one", in: ["a"], ...stage } as unknown as PlainStage, given);

const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 });
const shapeAndAxis = shape.chain((dims) =>
  fc.tuple(fc.constant(dims), fc.integer({ min: 1, max: dims.length - 1 })),
);

describe("stages that are no graph", () => {
  it("transpose puts every element where the order says", () => {
    fc.assert(
      fc.property(
        shape.chain((dims) =>
          fc.tuple(
            fc.constant(dims),
            fc.shuffledSubarray(
              dims.slice(1).map((_, i) => i + 1),
              { minLength: dims.length - 1 },
            ),
          ),
        ),
        ([dims, rest]) => {
          const order = [0, ...rest];
          const from = ramp(dims);
          const to = apply({ op: "transpose", order }, from);
          expect(to.dims).to.deep.equal(order.map((axis) => dims[axis]));
          for (const place of places(to.dims)) {
            const origin = dims.map((_, axis) => place[order.indexOf(axis)]!);
            expect(at(to, place)).to.equal(at(from, origin));
          }
        },
      ),
    );
  });

  it("select and mean remove the axis", () => {
    fc.assert(
      fc.property(shapeAndAxis, ([dims, axis]) => {
        const from = ramp(dims);
        const index = dims[axis]! - 1;
        const chosen = apply({ op: "select", axis, index }, from);
        const mean = apply({ op: "mean", axes: [axis] }, from);
        expect(chosen.dims).to.deep.equal(dims.filter((_, i) => i !== axis));
        for (const place of places(chosen.dims)) {
          const along = Array.from({ length: dims[axis]! }, (_, i) =>
            at(from, place.toSpliced(axis, 0, i)),
          );
          expect(at(chosen, place)).to.equal(along.at(-1));
          const average = along.reduce((sum, n) => sum + n, 0) / along.length;
          expect(at(mean, place)).to.equal(Math.fround(average));
        }
      }),
    );
  });

  it("mean takes several axes in whatever order they are named", () => {
    const from = ramp([2, 3, 4, 5]);
    const mean = apply({ op: "mean", axes: [1, 3] }, from);
    expect(mean.dims).to.deep.equal([2, 4]);
    expect(apply({ op: "mean", axes: [3, 1] }, from)).to.deep.equal(mean);
    const sum = [0, 1, 2].flatMap((i) => [0, 1, 2, 3, 4].map((k) => at(from, [1, i, 2, k])));
    expect(at(mean, [1, 2])).to.be.closeTo(sum.reduce((a, b) => a + b) / 15, 1e-3);
  });

  it("concat joins along the axis and nothing else", () => {
    fc.assert(
      fc.property(shapeAndAxis, fc.integer({ min: 1, max: 3 }), ([dims, axis], more) => {
        const [a, b] = [ramp(dims), ramp(dims.with(axis, more))];
        const joined = apply({ op: "concat", axis }, a, b);
        expect(joined.dims[axis]).to.equal(dims[axis]! + more);
        for (const place of places(joined.dims)) {
          const i = place[axis]!;
          const wanted = i < dims[axis]! ? at(a, place) : at(b, place.with(axis, i - dims[axis]!));
          expect(at(joined, place)).to.equal(wanted);
        }
      }),
    );
  });

  it("l2 makes rows of unit length and leaves nothing as nothing", () => {
    const { data } = apply({ op: "l2" }, { dims: [1, 2, 2], data: Float32Array.of(3, 4, 0, 0) });
    expect([...data]).to.deep.equal([Math.fround(0.6), Math.fround(0.8), 0, 0]);
  });

  it("flatten joins the axis and all after it", () => {
    expect(apply({ op: "flatten", axis: 2 }, ramp([1, 2, 3, 4])).dims).to.deep.equal([1, 2, 12]);
  });

  it("refuses what a run makes of a shape that varies", () => {
    for (const [stage, ...given] of [
      [{ op: "select", axis: 1, index: 3 }, ramp([1, 3])],
      [{ op: "mean", axes: [2] }, ramp([1, 3])],
      [{ op: "flatten", axis: 2 }, ramp([1, 3])],
      [{ op: "transpose", order: [0, 2, 1] }, ramp([1, 3])],
      [{ op: "concat", axis: 1 }, ramp([1, 3, 2]), ramp([1, 3, 3])],
    ] as [object, ...HostTensor[]][])
      expect(() => apply(stage, ...given), JSON.stringify(stage)).to.throw(
        KindredError,
        "does not fit",
      );
  });
});
