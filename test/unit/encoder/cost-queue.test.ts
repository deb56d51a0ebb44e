import { expect } from "chai";
import { createCostQueue } from "../../../src/encoder/cost-queue.ts";

describe("cost queue", () => {
  /** A queue on a clock of its own: each task takes as long as it costs. */
  const play = async (arrivals: readonly (readonly [at: number, cost: number, name: string])[]) => {
    let now = 0;
    const order: string[] = [];
    const queue = createCostQueue(() => now);
    const waiting = [...arrivals];
    const done: Promise<void>[] = [];
    const arrive = () => {
      while (waiting.length > 0 && waiting[0]![0] <= now) {
        const [, cost, name] = waiting.shift()!;
        const task = async () => {
          order.push(name);
          now += cost;
          // What came while it ran stands in the queue when it ends.
          arrive();
        };
        done.push(queue.run(cost, task));
      }
    };
    arrive();
    for (let i = 0; i < done.length; i++) await done[i];
    expect(order.length).to.equal(arrivals.length);
    return order;
  };

  it("lets the cheap pass the dear", async () => {
    const order = await play([
      [0, 1, "first"],
      [0, 600, "dear"],
      [0, 5, "cheap"],
      [0, 3, "cheaper"],
    ]);
    expect(order).to.deep.equal(["first", "cheaper", "cheap", "dear"]);
  });

  it("does not starve the dear one under a stream of cheap ones", async () => {
    const stream = Array.from({ length: 200 }, (_, i) => [i * 10, 10, "cheap"] as const);
    const order = await play([[0, 600, "dear"] as const, ...stream].sort((a, b) => a[0] - b[0]));
    const before = order.indexOf("dear");
    expect(before).to.be.within(50, 62);
  });

  it("goes on after a task that fails", async () => {
    const queue = createCostQueue();
    const failed = queue.run(0, () => Promise.reject(new Error("no")));
    const thrown = queue.run(0, () => {
      throw new Error("at once");
    });
    const answers = await Promise.allSettled([failed, thrown, queue.run(1, async () => "yes")]);
    expect(answers.map((one) => one.status)).to.deep.equal(["rejected", "rejected", "fulfilled"]);
  });
});
