import { expect } from "chai";
import fc from "fast-check";
import { fromHalf, toHalf } from "../../../../src/encoder/run/half.ts";

describe("halves", () => {
  it("come back as they were, each of the 65536", () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const back = toHalf(fromHalf(all));
    const wrong = [...all].filter((half) => {
      const isNan = (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0;
      return isNan
        ? (back[half]! & 0x7c00) !== 0x7c00 || !(back[half]! & 0x3ff)
        : back[half] !== half;
    });
    expect(wrong).to.deep.equal([]);
  });

  it("are what numpy.float16 makes of a value", () => {
    const bits: [number, number][] = [
      [1, 0x3c00],
      [-2, 0xc000],
      [65_504, 0x7bff],
      [65_519.996, 0x7bff],
      [65_520, 0x7c00],
      [0.1, 0x2e66],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [1.0001 * 2 ** -25, 0x0001],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [-0, 0x8000],
    ];
    for (const [value, wanted] of bits)
      expect(toHalf(Float32Array.of(value))[0], String(value)).to.equal(wanted);
  });

  it("are the nearest there is", () => {
    fc.assert(
      fc.property(fc.float({ min: -65_504, max: 65_504, noNaN: true }), (value) => {
        const [half] = toHalf(Float32Array.of(value));
        const [near] = fromHalf(Uint16Array.of(half!));
        for (const other of [half! - 1, half! + 1]) {
          const [next] = fromHalf(Uint16Array.of(other & 0xffff));
          if (Number.isFinite(next))
            expect(Math.abs(near! - value)).to.be.at.most(Math.abs(next! - value));
        }
      }),
    );
  });
});
