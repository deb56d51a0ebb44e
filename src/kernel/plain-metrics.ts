/**
 * Metrics that every instance touches, kept as plain numbers until they are asked for. prom-client checks and hashes the labels at each
 * call: the three that a C-STORE needs took 65 µs, a twentieth of all that receiving it costs.
 */
import Counter from "prom-client/lib/counter.js";
import type Registry from "prom-client/lib/registry.js";

interface Described {
  readonly registry: Registry;
  readonly name: string;
  readonly help: string;
}

export interface PlainCounter {
  inc(count: number): void;
}

export function plainCounter({ registry, ...described }: Described): PlainCounter {
  let pending = 0;
  new Counter({
    ...described,
    registers: [registry],
    collect() {
      this.inc(pending);
      pending = 0;
    },
  });
  return {
    inc(count) {
      pending += count;
    },
  };
}

/** A counter with one label of few values. */
export interface LabelledCounter {
  inc(value: string): void;
}

export function labelledCounter({
  registry,
  label,
  ...described
}: Described & { readonly label: string }): LabelledCounter {
  const pending = new Map<string, number>();
  new Counter({
    ...described,
    labelNames: [label],
    registers: [registry],
    collect() {
      for (const [value, count] of pending) this.inc({ [label]: value }, count);
      pending.clear();
    },
  });
  return { inc: (value) => void pending.set(value, (pending.get(value) ?? 0) + 1) };
}

export interface PlainHistogram {
  observe(value: number): void;
}

/** A histogram without labels. @param buckets - upper bounds, rising */
export function plainHistogram({
  registry,
  buckets,
  ...described
}: Described & { readonly buckets: readonly number[] }): PlainHistogram {
  const counts = new Array<number>(buckets.length).fill(0);
  let sum = 0;
  let count = 0;
  const samples = () => {
    let upTo = 0;
    const bounded = buckets.map((le, index) => {
      upTo += counts[index]!;
      return { metricName: `${described.name}_bucket`, labels: { le }, value: upTo };
    });
    return [
      ...bounded,
      { metricName: `${described.name}_bucket`, labels: { le: "+Inf" }, value: count },
      { metricName: `${described.name}_sum`, labels: {}, value: sum },
      { metricName: `${described.name}_count`, labels: {}, value: count },
    ];
  };
  const metric = {
    ...described,
    type: "histogram",
    aggregator: "sum",
    get: async () => ({ ...described, type: "histogram", aggregator: "sum", values: samples() }),
  };
  // Of a metric the registry asks no more than this.
  registry.registerMetric(metric as unknown as Parameters<Registry["registerMetric"]>[0]);
  return {
    observe(value) {
      const index = buckets.findIndex((bound) => value <= bound);
      if (index >= 0) counts[index]!++;
      sum += value;
      count++;
    },
  };
}
