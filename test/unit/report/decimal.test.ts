import { expect } from "chai";
import fc from "fast-check";
import { KindredError } from "../../../src/kernel/errors.ts";
import { decimalString, grouped, readable } from "../../../src/report/decimal.ts";

describe("numbers as decimal strings", () => {
  it("fit into 16 characters and are the nearest number that does", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = decimalString(value);
        expect(text.length).to.be.at.most(16);
        expect(text).to.match(/^-?\d+(?:\.\d+)?(?:e[-+]\d+)?$/);
        expect(Math.abs(Number(text) - value)).to.be.at.most(Math.abs(value) * 1e-7);
      }),
      { numRuns: 2_000, examples: [[-950000000000000000000], [Number.MAX_VALUE], [-1e16 / 3]] },
    );
  });

  it("keep every digit that fits of numbers that JavaScript writes out in full", () => {
    expect(decimalString(-950000000000000000000)).to.equal("-9.5e+20");
    expect(decimalString(123456789012345680000)).to.equal("1.2345678901e+20");
    expect(decimalString(1234567890123456)).to.equal("1234567890123456");
  });

  it("keep the exponent of a small number", () => {
    expect(decimalString(1.234567890123e-10)).to.equal("1.2345678901e-10");
  });

  it("are refused when the number is none", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => decimalString(value)).to.throw(KindredError, /not finite/);
    }
  });

  it("are never a negative zero", () => {
    expect(decimalString(-0)).to.equal("0");
    expect(readable(-0.0001, 2)).to.equal("0");
  });

  it("are grouped by thousands for people", () => {
    expect([7, 1_204, 1_000_000].map(grouped)).to.deep.equal(["7", "1,204", "1,000,000"]);
  });
});
