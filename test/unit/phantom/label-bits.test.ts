import { expect } from "chai";
import { BITS, CELLS, labelBits } from "../../../bench/phantom-vle/label-bits.ts";
import { PROFILE } from "../../../bench/phantom-vle/steps.ts";
import { coarse, trainingStudy } from "../../../bench/phantom-vle/training-population.ts";
import { preprocess } from "../../../src/encoder/preprocess.ts";
import { LABEL } from "../../../src/phantom/labels.ts";
import { type PhantomVolume, phantomVolume } from "../../../src/phantom/phantom-volume.ts";

const VOXELS_A_CELL = 4;
const SIZE = [96, 80, 104] as const;

/** Of each cell, the largest value of its voxels. */
function strongest(tensor: Float32Array): Float32Array {
  const out = new Float32Array(CELLS[0] * CELLS[1] * CELLS[2]).fill(-Infinity);
  for (let i = 0; i < tensor.length; i++) {
    const x = i % SIZE[2];
    const y = Math.floor(i / SIZE[2]) % SIZE[1];
    const z = Math.floor(i / SIZE[2] / SIZE[1]);
    const [cz, cy, cx] = [z, y, x].map((at) => Math.floor(at / VOXELS_A_CELL)) as [
      number,
      number,
      number,
    ];
    const cell = (cz * CELLS[1] + cy) * CELLS[2] + cx;
    out[cell] = Math.max(out[cell]!, tensor[i]!);
  }
  return out;
}

/** The label alone, through the very steps that make the input of the model. */
function painted(volume: PhantomVolume, label: number): Float32Array {
  const voxelsZyx = Int16Array.from(volume.labelsZyx, (one) => (one === label ? 0 : -1024));
  return preprocess({ ...volume, voxelsZyx }, PROFILE).tensor;
}

describe("what each cell of a phantom holds", () => {
  it("lies where the input of the model has it, for every label", () => {
    const looked = new Set<number>();
    for (const index of [0, 1, 3]) {
      const volume = phantomVolume(coarse(trainingStudy("train", index)));
      const bits = labelBits(volume);
      for (const [bit, label] of BITS.entries()) {
        const held = bits.map((one) => (one >> bit) & 1);
        const count = held.reduce((sum, one) => sum + one, 0);
        if (count < 4) continue;
        looked.add(label);
        const shares = strongest(painted(volume, label)).map((one) => one + 1.024);
        const name = `label ${label} of phantom ${index}`;
        // Where a voxel of the input is mostly of the label, its cell says so.
        const full = [...shares.keys()].filter((i) => shares[i]! > 0.8);
        const told = full.filter((i) => held[i] === 1).length;
        expect(told, `${name}: told of ${full.length}`).to.be.at.least(full.length * 0.95);
        // And a cell that says so holds some of it; slivers of half a voxel lie on the other side of an edge.
        const right = [...held.keys()].filter((i) => held[i] === 1 && shares[i]! > 0.01).length;
        expect(right, `${name}: right of ${count}`).to.be.at.least(count * 0.85);
      }
    }
    expect([...looked]).to.include.members([LABEL.heart, LABEL.liver, LABEL.rightLung]);
    expect(looked.size).to.be.greaterThan(7);
  });

  it("says nothing of what is not painted", () => {
    const volume = phantomVolume(coarse(trainingStudy("train", 0)));
    const empty = { ...volume, labelsZyx: new Uint8Array(volume.labelsZyx.length) };
    expect(labelBits(empty).some((bits) => bits !== 0)).to.equal(false);
  });
});
