import { expect } from "chai";
import { parseManifest } from "../../../../src/encoder/manifest.ts";
import { execute, type RunGraph } from "../../../../src/encoder/run/execute.ts";
import { countOf, type HostTensor, type Values } from "../../../../src/encoder/run/host-tensor.ts";
import { planRun } from "../../../../src/encoder/run/plan.ts";
import { KindredError } from "../../../../src/kernel/errors.ts";
import { stagedManifest } from "../../../support/graph-bundle.ts";

const files = ["backbone.onnx", "pool.onnx", "gridded.onnx"].map((path) => ({
  path,
  sha256: "a".repeat(64),
  bytes: 1,
}));
const manifest = parseManifest(JSON.stringify({ ...stagedManifest("staged"), files }));

/** Graphs that give zeros of the right shape; windows of a run are noted. */
function graphs(memoryForWindows = Number.POSITIVE_INFINITY) {
  const batches: number[] = [];
  const runGraph: RunGraph = async (graph, feeds, wanted) => {
    const [batch = 1] = [...feeds.values()][0]!.dims;
    if (graph === "backbone") {
      batches.push(batch);
      if (batch > memoryForWindows) throw new KindredError("MODEL_OUT_OF_MEMORY", "too much");
    }
    const shapes: Record<string, number[]> = {
      dense: [batch, 4, 4, 4, 4],
      pooled: [batch, 6],
      logits: [batch, 2],
      vector: [batch, 7],
    };
    return new Map(
      wanted.map((name): [string, HostTensor] => {
        const dims = shapes[name]!;
        return [name, { dims, data: new Float32Array(countOf(dims)) }];
      }),
    );
  };
  return { batches, runGraph };
}

const inputOf = (profileId: string): Values => {
  const { shape } = manifest.profiles.find((one) => one.id === profileId)!;
  return new Map([["input", { dims: shape, data: new Float32Array(countOf(shape)) }]]);
};

describe("a run", () => {
  it("takes the stages that are needed and no others", () => {
    const stagesFor = (...wanted: string[]) =>
      planRun(manifest, "plain", wanted).steps.map(({ stage }) => stage.id);
    expect(stagesFor("average")).to.deep.equal(["dense", "average"]);
    expect(stagesFor("gridded.vector")).to.deep.equal(["dense", "gridded"]);
    expect(stagesFor("unit", "both")).to.deep.equal([
      ...["dense", "flat", "tokens", "pool", "unit", "first", "average", "both"],
    ]);
    const [pool] = planRun(manifest, "plain", ["pool.logits"]).steps.slice(-1);
    expect(pool!.outputs).to.deep.equal(["logits"]);
  });

  it("lets a tensor go with the last stage that reads it, and keeps what is wanted", async () => {
    const plan = planRun(manifest, "plain", ["unit", "dense.dense"]);
    const dropped = plan.steps.map(({ stage, drop }) => [stage.id, ...drop]);
    expect(dropped).to.deep.equal([
      ["dense", "input"],
      ["flat"],
      ["tokens", "flat"],
      ["pool", "tokens"],
      ["unit", "pool.pooled"],
    ]);
    const values = inputOf("plain");
    await execute(plan, values, graphs().runGraph, 1);
    expect([...values.keys()].sort()).to.deep.equal(["dense.dense", "unit"]);
  });

  it("takes as many windows at a time as manifest and provider allow", async () => {
    for (const [batchMax, wanted] of [
      [1, [1, 1, 1, 1, 1, 1, 1, 1]],
      [2, [2, 2, 2, 2]],
      [99, [3, 3, 2]],
    ] as const) {
      const { batches, runGraph } = graphs();
      await execute(planRun(manifest, "tiled", ["unit"]), inputOf("tiled"), runGraph, batchMax);
      expect(batches).to.deep.equal(wanted);
    }
  });

  it("takes fewer windows when memory is short, and ends when one is too much", async () => {
    const plan = planRun(manifest, "tiled", ["unit"]);
    const some = graphs(1);
    await execute(plan, inputOf("tiled"), some.runGraph, 3);
    expect(some.batches).to.deep.equal([3, 1, 1, 1, 1, 1, 1, 1, 1]);
    const none = graphs(0);
    const error = await execute(plan, inputOf("tiled"), none.runGraph, 3).catch((e: unknown) => e);
    expect((error as KindredError).code).to.equal("MODEL_OUT_OF_MEMORY");
    expect(none.batches).to.deep.equal([3, 1]);
  });
});
