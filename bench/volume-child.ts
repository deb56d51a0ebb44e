/** One reduction in a process of its own, for bench/volume.ts: FRAMES SLICES [plain]; prints its figures as JSON. */
import { readFileSync } from "node:fs";
import { createDepthMixer } from "../src/volume/depth-mixer.ts";
import { createPlaneReducer } from "../src/volume/plane-reducer.ts";
import { COLUMNS, FRAMES, ROWS, volumeCase } from "./volume-case.ts";

export interface ReductionTimes {
  /** CPU seconds. */
  readonly inPlane: number;
  readonly alongZ: number;
  /** Seconds. */
  readonly wall: number;
  readonly peakRssMb: number;
}

const [path, slicesText, mode] = process.argv.slice(2);
const slices = Number(slicesText);
const bytes = readFileSync(path!);
const pixels = ROWS * COLUMNS;
const frames = Array.from(
  { length: FRAMES },
  (_, i) => new Int16Array(bytes.buffer, bytes.byteOffset + i * pixels * 2, pixels),
);
const intensity = {
  rescaleSlope: 1,
  rescaleIntercept: -1024,
  paddingValue: -2000,
  paddingRangeLimit: undefined,
};
const options = { plain: mode === "plain" };

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

function reduce(count: number): Omit<ReductionTimes, "peakRssMb"> {
  const wallFrom = performance.now();
  let from = cpu();
  let inPlane = 0;
  let alongZ = 0;
  const lap = () => {
    const to = cpu();
    const spent = to - from;
    from = to;
    return spent;
  };
  const { plan } = volumeCase(count);
  const reducer = createPlaneReducer([plan], options);
  const mixer = createDepthMixer(plan, options);
  const planes = [new Float32Array(plan.rows.sampling.outputs * plan.columns.sampling.outputs)];
  inPlane += lap();
  for (let k = 0; k < count; k++) {
    reducer.reduce(k, frames[k % FRAMES]!, intensity, planes);
    inPlane += lap();
    mixer.add(k, planes[0]!);
    alongZ += lap();
  }
  mixer.finish();
  alongZ += lap();
  return { inPlane, alongZ, wall: (performance.now() - wallFrom) / 1000 };
}

const times = reduce(slices);
const peakRssMb = (process.resourceUsage().maxRSS * 1024) / 1e6;
console.log(JSON.stringify({ ...times, peakRssMb }));
