import { readFileSync } from "node:fs";
import { expect } from "chai";
import { KERNEL_MODULE, kernelModuleText } from "../support/kernel-module.ts";

describe("the compiled kernel", () => {
  it("is what its source compiles to (npm run build:kernel)", async () => {
    expect(readFileSync(KERNEL_MODULE, "utf8")).to.equal(await kernelModuleText());
  });
});
