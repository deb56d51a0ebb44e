import { expect } from "chai";
import fc from "fast-check";
import { AggregatorRegistry, Counter, Histogram, Registry } from "prom-client";
import {
  labelledCounter,
  plainCounter,
  plainHistogram,
} from "../../../src/kernel/plain-metrics.ts";

const BUCKETS = [0.001, 0.02, 0.5, 10];

/** One process's metrics, ours or the library's. */
function ours() {
  const registry = new Registry();
  const histogram = plainHistogram({ registry, name: "h", help: "a time", buckets: BUCKETS });
  const bytes = plainCounter({ registry, name: "b", help: "bytes" });
  const answers = labelledCounter({ registry, name: "a", help: "answers", label: "status" });
  return {
    registry,
    take(value: number, status: string) {
      histogram.observe(value);
      bytes.inc(7);
      answers.inc(status);
    },
  };
}

function theirs() {
  const registry = new Registry();
  const registers = [registry];
  const histogram = new Histogram({ name: "h", help: "a time", buckets: BUCKETS, registers });
  const bytes = new Counter({ name: "b", help: "bytes", registers });
  const answers = new Counter({ name: "a", help: "answers", labelNames: ["status"], registers });
  return {
    registry,
    take(value: number, status: string) {
      histogram.observe(value);
      bytes.inc(7);
      answers.inc({ status });
    },
  };
}

const taken = fc.array(
  fc.tuple(
    fc.oneof(fc.constantFrom(...BUCKETS, 0), fc.double({ min: 0, max: 20, noNaN: true })),
    fc.constantFrom("0000H", "A700H", "C000H"),
  ),
  { maxLength: 30 },
);

describe("metrics kept as plain numbers", () => {
  it("read as prom-client's own do, also when they are asked for in between", async () => {
    await fc.assert(
      fc.asyncProperty(taken, fc.nat({ max: 30 }), async (values, askedAfter) => {
        const [own, library] = [ours(), theirs()];
        for (const [index, [value, status]] of values.entries()) {
          own.take(value, status);
          library.take(value, status);
          if (index === askedAfter)
            expect(await own.registry.metrics()).to.equal(await library.registry.metrics());
        }
        expect(await own.registry.metrics()).to.equal(await library.registry.metrics());
      }),
      { numRuns: 60 },
    );
  });

  it("add up over processes as prom-client's own do", async () => {
    const text = async (make: typeof ours | typeof theirs) => {
      const [first, second] = [make(), make()];
      for (const [one, value] of [
        [first, 0.3],
        [second, 0.01],
        [second, 40],
      ] as const)
        one.take(value, "0000H");
      const all = await Promise.all(
        [first, second].map(({ registry }) => registry.getMetricsAsJSON()),
      );
      return AggregatorRegistry.aggregate(all as unknown as object[]).metrics();
    };
    expect(await text(ours)).to.equal(await text(theirs));
  });
});
