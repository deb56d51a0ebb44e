import { expect } from "chai";
import { createMemoryBudget, defaultMegabytes } from "../../../src/encoder/memory-budget.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

describe("memory budget", () => {
  const budget = (megabytes: number) => {
    const freed: string[] = [];
    const memory = createMemoryBudget(megabytes, async (place, id) => {
      freed.push(`${place} ${id}`);
    });
    return { memory, freed };
  };
  const nothing = async () => undefined;

  it("frees what was not used for the longest time, and no more than it must", async () => {
    const { memory, freed } = budget(100);
    await memory.use("cpu", "a", 40, nothing);
    await memory.use("cpu", "b", 40, nothing);
    await memory.use("cpu", "a", 40, nothing);
    expect(freed).to.deep.equal([]);
    await memory.use("cpu", "c", 50, nothing);
    expect(freed).to.deep.equal(["cpu b"]);
    await memory.use("cpu", "d", 100, nothing);
    expect(freed).to.deep.equal(["cpu b", "cpu a", "cpu c"]);
  });

  it("waits for a model that works, and does not free it", async () => {
    const { memory, freed } = budget(100);
    const work = Promise.withResolvers<void>();
    const order: string[] = [];
    const first = memory.use("cuda", "a", 80, async () => {
      await work.promise;
      order.push("a");
    });
    const second = memory.use("cpu", "b", 80, async () => {
      order.push("b");
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(freed).to.deep.equal([]);
    work.resolve();
    await Promise.all([first, second]);
    expect(order).to.deep.equal(["a", "b"]);
    expect(freed).to.deep.equal(["cuda a"]);
  });

  it("refuses what is larger than all of it, with what to do", async () => {
    const { memory } = budget(100);
    const refused = await memory.use("cpu", "huge", 101, nothing).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(KindredError);
    expect((refused as KindredError).code).to.equal("MODEL_OUT_OF_MEMORY");
    expect((refused as KindredError).message).to.include("encoder.memoryMegabytes");
  });

  it("knows that a process takes along what it held", async () => {
    const { memory, freed } = budget(100);
    await memory.use("cpu", "a", 80, nothing);
    memory.forget("cpu");
    await memory.use("cuda", "b", 80, nothing);
    expect(freed).to.deep.equal([]);
  });

  it("counts a container's limit, not the whole machine's", () => {
    expect(defaultMegabytes()).to.be.within(64, 64 * 1024 * 1024);
  });
});
