/** The fixture of the flavours against the libraries that are installed here; skips without torch, monai and torchio. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";

const root = new URL("../../../", import.meta.url).pathname;

/** A Python with the libraries: KINDRED_TORCH_PYTHON, or a virtual environment in .cache/py-bench. */
function pythonWithTorch(): string | undefined {
  const candidates = [process.env.KINDRED_TORCH_PYTHON, `${root}.cache/py-bench/bin/python`];
  const found = candidates.find((path) => path !== undefined && existsSync(path));
  if (found === undefined && process.env.KINDRED_REQUIRE_TORCH === "1")
    throw new Error("KINDRED_REQUIRE_TORCH is set and no Python with torch was found");
  return found;
}

interface Fixture {
  readonly resampled: readonly { expectedSize: number[]; expected: number[] }[];
  readonly cropped: readonly { expected: number[] }[];
}

describe("the fixture of resampling flavours", () => {
  it("is what torch, MONAI, TorchIO and SimpleITK make", function () {
    this.timeout(180_000);
    const python = pythonWithTorch();
    if (python === undefined) return this.skip();
    const script = `${root}test/support/flavour-golden.py`;
    const text = execFileSync(python, [script], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const made = JSON.parse(text) as Fixture;
    const path = `${root}test/fixtures/resample-flavours.json`;
    const kept = JSON.parse(readFileSync(path, "utf8")) as Fixture;
    expect(made.cropped).to.deep.equal(kept.cropped);
    expect(made.resampled.length).to.equal(kept.resampled.length);
    for (const [i, one] of made.resampled.entries()) {
      expect(one.expectedSize).to.deep.equal(kept.resampled[i]!.expectedSize);
      for (const [j, value] of one.expected.entries())
        expect(value).to.be.closeTo(kept.resampled[i]!.expected[j]!, 0.02);
    }
  });
});
