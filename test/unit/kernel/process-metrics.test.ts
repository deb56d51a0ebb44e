import { expect } from "chai";
import { collectDefaultMetrics, Registry } from "prom-client";
import { collectProcessMetrics } from "../../../src/kernel/process-metrics.ts";

const NAMES = { prefix: "kindred_", eventLoopMonitoringPrecision: 5 };

describe("the metrics of a process", () => {
  it("are those of prom-client, by name, kind and words, but for garbage collection", async () => {
    const ours = new Registry();
    collectProcessMetrics(ours, NAMES);
    const theirs = new Registry();
    collectDefaultMetrics({ register: theirs, ...NAMES });
    const described = async (registry: Registry) =>
      (await registry.getMetricsAsJSON()).map(({ name, type, help }) => ({ name, type, help }));
    const expected = await described(theirs);
    expect(await described(ours)).to.deep.equal(
      expected.filter(({ name }) => name !== "kindred_nodejs_gc_duration_seconds"),
    );
  });

  it("count CPU seconds, of which user and system are parts", async () => {
    const registry = new Registry();
    collectProcessMetrics(registry, NAMES);
    const until = process.cpuUsage().user + 20_000;
    while (process.cpuUsage().user < until) Math.random();
    // Read once: every reading counts on.
    const all = (await registry.getMetricsAsJSON()) as {
      name: string;
      values: { value: number }[];
    }[];
    const value = (part: string) =>
      all.find(({ name }) => name === `kindred_process_cpu_${part}seconds_total`)!.values[0]!.value;
    const total = value("");
    expect(total).to.be.at.least(0.02);
    expect(total).to.be.closeTo(value("user_") + value("system_"), 1e-9);
  });
});
