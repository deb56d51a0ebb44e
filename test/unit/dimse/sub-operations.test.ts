import { expect } from "chai";
import { groupBySyntax } from "../../../src/dimse/services/destination-sender.ts";
import { createTally } from "../../../src/dimse/services/tally.ts";
import { createTurns } from "../../../src/dimse/services/turns.ts";

describe("the counts of sub-operations", () => {
  it("make the final response", () => {
    const final = (outcomes: ("completed" | "warning" | "failed")[], total = outcomes.length) => {
      const tally = createTally(total);
      outcomes.forEach((one, index) => {
        const failed = { failed: "destination refused the instance" } as const;
        tally.count(`1.${index}`, one === "failed" ? failed : one);
      });
      return tally.final(outcomes.length < total);
    };
    const done = { completed: 0, failed: 0, warning: 0 };
    expect(final([])).to.deep.equal({
      status: 0,
      comment: undefined,
      subOperations: done,
      failedUids: [],
    });
    expect(final(["completed", "completed"]).status).to.equal(0);
    expect(final(["completed", "warning"]).status).to.equal(0xb000);
    expect(final(["completed", "failed"]).status).to.equal(0xb000);
    expect(final(["failed", "warning"]).status).to.equal(0xb000);
    expect(final(["failed", "failed"]).status).to.equal(0xa702);
    expect(final(["completed", "failed"], 5)).to.deep.equal({
      status: 0xfe00,
      comment: "1 failed: destination refused the instance",
      subOperations: { remaining: 3, completed: 1, failed: 1, warning: 0 },
      failedUids: ["1.1"],
    });
  });

  it("keep the list of failed instances in what a UI element can hold, and the counts exact", () => {
    const tally = createTally(2_000);
    const uid = `1.2.${"3".repeat(59)}`;
    for (let n = 0; n < 2_000; n++) tally.count(uid, { failed: "destination cannot be reached" });
    const { failedUids, subOperations } = tally.final(false);
    expect(subOperations.failed).to.equal(2_000);
    expect(failedUids.join("\\").length).to.be.at.most(65_534).and.above(65_400);
  });

  it("every comment fits 64 characters", () => {
    const tally = createTally(65_535);
    for (let n = 0; n < 65_535; n++)
      tally.count("1.2", { failed: "SOP class or transfer syntax not accepted" });
    expect(tally.final(false).comment).to.have.length.at.most(64);
  });
});

describe("instances by presentation context", () => {
  const instance = (sopClassUid: string, transferSyntaxUid: string) => ({
    sopClassUid,
    transferSyntaxUid,
  });

  it("stay in order while one association can propose them all", () => {
    const all = [instance("1", "a"), instance("2", "a"), instance("1", "b"), instance("1", "a")];
    const { groups, ordered } = groupBySyntax(all);
    expect(ordered).to.deep.equal(all);
    expect(groups).to.deep.equal([all.slice(0, 3)]);
  });

  it("come association by association when there are more than 128 pairs", () => {
    const all = Array.from({ length: 300 }, (_, n) => instance(String(n % 150), "a"));
    const { groups, ordered } = groupBySyntax(all);
    expect(groups.map((group) => group.length)).to.deep.equal([128, 22]);
    expect(ordered).to.have.length(300);
    const firstOfSecond = ordered.findIndex((one) => Number(one.sopClassUid) >= 128);
    expect(ordered.slice(0, firstOfSecond).every((one) => Number(one.sopClassUid) < 128)).to.equal(
      true,
    );
    expect(ordered.slice(firstOfSecond).every((one) => Number(one.sopClassUid) >= 128)).to.equal(
      true,
    );
  });
});

describe("turns", () => {
  const never = new AbortController().signal;

  it("are given in order, so many at once, each key for itself", async () => {
    const counts: number[] = [];
    const turns = createTurns(2, (count) => counts.push(count));
    const order: string[] = [];
    const take = async (name: string, key = "A") => {
      const giveBack = await turns.take(key, never);
      order.push(name);
      return giveBack!;
    };
    const [one, two] = [await take("one"), await take("two")];
    const three = take("three");
    const four = take("four");
    (await take("other", "B"))();
    one();
    one();
    (await three)();
    two();
    (await four)();
    expect(order).to.deep.equal(["one", "two", "other", "three", "four"]);
    expect(counts).to.deep.equal([1, 2, 1, 0]);
  });

  it("leave the queue when the signal fires", async () => {
    const turns = createTurns(1, () => undefined);
    const first = (await turns.take("A", never))!;
    const controller = new AbortController();
    const left = turns.take("A", controller.signal);
    const last = turns.take("A", never);
    controller.abort();
    expect(await left).to.equal(undefined);
    first();
    expect(await last).to.be.a("function");
    expect(await turns.take("A", AbortSignal.abort())).to.equal(undefined);
  });
});
