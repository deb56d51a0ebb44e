/** The files of prom-client that we load one by one; it ships types for its entry point only. */
declare module "prom-client/lib/counter.js" {
  import { Counter } from "prom-client";

  export = Counter;
}
declare module "prom-client/lib/gauge.js" {
  import { Gauge } from "prom-client";

  export = Gauge;
}
declare module "prom-client/lib/histogram.js" {
  import { Histogram } from "prom-client";

  export = Histogram;
}
declare module "prom-client/lib/registry.js" {
  import { Registry } from "prom-client";

  export = Registry;
}
declare module "prom-client/lib/cluster.js" {
  import { AggregatorRegistry } from "prom-client";

  export = AggregatorRegistry;
}
declare module "prom-client/lib/metrics/*.js" {
  import type { Registry } from "prom-client";

  const collect: (registry: Registry, options: object) => void;
  export = collect;
}
