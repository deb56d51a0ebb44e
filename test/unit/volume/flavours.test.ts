/** The fixture holds what the real libraries made: test/support/flavour-golden.py. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { type CentringFlavour, cropPad } from "../../../src/volume/crop-pad.ts";
import { cropForeground } from "../../../src/volume/foreground.ts";
import { resample } from "../../../src/volume/resample.ts";
import type { Resampling, Triple } from "../../../src/volume/sampling.ts";
import type { CtVolume } from "../../../src/volume/types.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../fixtures/resample-flavours.json", import.meta.url), "utf8"),
) as {
  readonly versions: Readonly<Record<string, string>>;
  readonly resampled: readonly {
    readonly step: Resampling;
    readonly sizeVoxels: Triple;
    readonly spacingMm: Triple;
    readonly voxels: readonly number[];
    readonly expectedSize: Triple;
    readonly expected: readonly number[];
    readonly expectedOriginMm?: Triple;
  }[];
  readonly foreground: readonly {
    readonly above: number;
    readonly sizeVoxels: Triple;
    readonly spacingMm: Triple;
    readonly voxels: readonly number[];
    readonly expectedSize: Triple;
    readonly expected: readonly number[];
    readonly expectedOriginMm: Triple;
  }[];
  readonly cropped: readonly {
    readonly flavour: CentringFlavour;
    readonly size: number;
    readonly target: number;
    readonly expected: readonly number[];
  }[];
};

type Voxels = Pick<CtVolume, "sizeVoxels" | "spacingMm"> & { readonly voxels: readonly number[] };

function volumeOf({ voxels, sizeVoxels, spacingMm }: Voxels): CtVolume {
  return {
    voxelsZyx: Float32Array.from(voxels),
    sizeVoxels,
    spacingMm,
    originLps: [0, 0, 0],
    // Axes z, y, x as the fixture's affine has them: along the first, second and third coordinate.
    axesZyx: [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
  };
}

describe("flavours of resampling", () => {
  for (const [index, one] of golden.resampled.entries()) {
    const { step, expected } = one;
    const how = Object.entries(step).map(([key, value]) => `${key} ${String(value)}`);
    it(`${index}: ${how.join(", ")}, as the library`, () => {
      const made = resample(volumeOf(one), step);
      expect(made.sizeVoxels).to.deep.equal(one.expectedSize);
      for (const [i, value] of expected.entries())
        expect(made.voxelsZyx[i], `voxel ${i}`).to.be.closeTo(value, 0.02);
      if (one.expectedOriginMm === undefined) return;
      for (const i of [0, 1, 2] as const)
        expect(made.originLps[i]).to.be.closeTo(one.expectedOriginMm[i], 1e-5);
    });
  }
});

describe("cropping to the foreground", () => {
  for (const [index, one] of golden.foreground.entries()) {
    it(`${index}: to ${one.expectedSize.join(" × ")}, as MONAI ${golden.versions.monai}`, () => {
      for (const whole of [Float32Array, Int16Array]) {
        const volume = { ...volumeOf(one), voxelsZyx: whole.from(one.voxels) };
        const made = cropForeground(volume, one.above);
        expect(made.sizeVoxels).to.deep.equal(one.expectedSize);
        expect([...made.voxelsZyx]).to.deep.equal(one.expected);
        for (const i of [0, 1, 2] as const)
          expect(made.originLps[i]).to.be.closeTo(one.expectedOriginMm[i], 1e-5);
      }
    });
  }
});

describe("flavours of centring", () => {
  for (const flavour of ["monai", "torchio"] as const) {
    it(`puts an odd voxel where ${flavour} ${golden.versions[flavour]} puts it`, () => {
      const cases = golden.cropped.filter((one) => one.flavour === flavour);
      expect(cases.length).to.be.above(20);
      for (const { size, target, expected } of cases) {
        const line = Float32Array.from({ length: size }, (_, i) => i + 1);
        const made = cropPad(line, [1, 1, size], [1, 1, target], 0, flavour);
        expect([...made], `${size} → ${target}`).to.deep.equal(expected);
      }
    });
  }
});
