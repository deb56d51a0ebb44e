import { expect } from "chai";
import { noiseField } from "../../../src/phantom/noise-field.ts";
import { randomFrom } from "../../../src/phantom/random.ts";

describe("phantom randomness", () => {
  it("repeats for a name and differs for another", () => {
    const take = (name: string): number[] => {
      const random = randomFrom(name);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(take("a")).to.deep.equal(take("a"));
    expect(take("a")).not.to.deep.equal(take("b"));
  });

  it("gives the numbers it has always given, so that populations stay what they are", () => {
    const random = randomFrom("kindred");
    expect([random.integer(1000), random.integer(1000), random.integer(1000)]).to.deep.equal(
      GOLDEN,
    );
  });

  it("is even, and gaussian where asked", () => {
    const random = randomFrom("statistics");
    const even = Array.from({ length: 20_000 }, () => random.next());
    const bell = Array.from({ length: 20_000 }, () => random.normal(5, 2));
    const mean = (list: number[]): number => list.reduce((sum, v) => sum + v, 0) / list.length;
    expect(mean(even)).to.be.closeTo(0.5, 0.01);
    expect(mean(bell)).to.be.closeTo(5, 0.06);
    expect(Math.sqrt(mean(bell.map((v) => (v - 5) ** 2)))).to.be.closeTo(2, 0.06);
    expect(Math.max(...bell)).to.be.at.most(11);
  });

  it("makes noise that is smooth and stays within one", () => {
    const noise = noiseField(randomFrom("field"));
    for (let k = 0; k < 500; k++) {
      const [x, y, z] = [k * 0.37 - 60, k * 0.11, -k * 0.23];
      expect(Math.abs(noise(x, y, z))).to.be.at.most(1);
      expect(noise(x + 1e-4, y, z)).to.be.closeTo(noise(x, y, z), 1e-3);
    }
  });
});

const GOLDEN = [555, 992, 864];
