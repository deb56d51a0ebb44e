import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { DEFAULT_RULES } from "../../../src/volume/rules.ts";

describe("the rules of volumes", () => {
  it("are by default what the configuration says", () => {
    const { volume, series } = configSchema.parse({});
    const { positionTolerance, ...configurable } = DEFAULT_RULES;
    expect({ ...volume, slicesMin: series.slicesMin }).to.deep.equal(configurable);
    expect(positionTolerance).to.equal(0.01);
  });
});
