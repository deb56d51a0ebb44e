/** Damaged DICOM images in number: `npm run bench:mutants -- --count 5000 --seed 1`. */
import { parseArgs } from "node:util";
import { playMutants } from "../test/support/pixel-mutant-run.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "5000" },
    seed: { type: "string", default: "1" },
  },
});

const startedMs = performance.now();
const figures = await playMutants(values.seed, Number(values.count));
const seconds = (performance.now() - startedMs) / 1000;
for (const [reason, count] of [...figures.reasons].sort(([, a], [, b]) => b - a))
  console.log(String(count).padStart(6), reason);
console.log(
  `${values.count} mutants in ${seconds.toFixed(0)} s: ${figures.refused} refused, ${figures.decoded} decoded,`,
  `${figures.discarded} threads thrown away, ${figures.violations.length} violations;`,
  `slowest ${figures.slowestMs.toFixed(0)} ms, resident at most ${figures.residentMbMax.toFixed(0)} MB`,
);
for (const violation of figures.violations) console.log("VIOLATION", violation);
process.exitCode = figures.violations.length === 0 ? 0 : 1;
