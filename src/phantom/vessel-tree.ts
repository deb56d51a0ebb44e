/**
 * Branching tubes that reach into an organ: a root is led to a cloud of target points by splitting the cloud in two
 * again and again. Radii follow Murray's law (1926) with exponent 2.7, as measured in lungs.
 */
import type { Point } from "./canvas.ts";
import type { Random } from "./random.ts";

export interface Branch {
  readonly from: Point;
  readonly to: Point;
  readonly fromRadiusMm: number;
  readonly toRadiusMm: number;
  /** 0 at the root. */
  readonly generation: number;
}

export interface TreeOptions {
  /** Radius of the thinnest twig, mm. */
  readonly twigRadiusMm: number;
  /** How far each piece goes toward the middle of its targets, 0 to 1. */
  readonly stride: number;
}

/** The branches of a tree from `root` to every target. */
export function growTree(
  root: Point,
  targets: readonly Point[],
  options: TreeOptions,
  random: Random,
): Branch[] {
  const branches: Branch[] = [];
  const radius = (count: number): number => options.twigRadiusMm * count ** (1 / 2.7);
  const grow = (from: Point, cloud: readonly Point[], generation: number): void => {
    const center = middle(cloud);
    const isTwig = cloud.length === 1;
    const stride = isTwig ? 1 : options.stride * random.range(0.8, 1.2);
    const sway = isTwig ? 0 : 0.07 * distance(from, center);
    const to: Point = [
      from[0] + (center[0] - from[0]) * stride + random.normal(0, sway),
      from[1] + (center[1] - from[1]) * stride + random.normal(0, sway),
      from[2] + (center[2] - from[2]) * stride + random.normal(0, sway),
    ];
    const thick = radius(cloud.length);
    branches.push({
      from,
      to,
      fromRadiusMm: thick,
      toRadiusMm: isTwig ? thick * 0.6 : thick * 0.92,
      generation,
    });
    if (isTwig) return;
    const [near, far] = split(cloud, center);
    grow(to, near, generation + 1);
    grow(to, far, generation + 1);
  };
  if (targets.length > 0) grow(root, targets, 0);
  return branches;
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

function middle(cloud: readonly Point[]): Point {
  let [x, y, z] = [0, 0, 0];
  for (const point of cloud) {
    x += point[0];
    y += point[1];
    z += point[2];
  }
  return [x / cloud.length, y / cloud.length, z / cloud.length];
}

/** Two halves of a cloud across its longest direction (power iteration on the covariance). */
function split(cloud: readonly Point[], center: Point): [Point[], Point[]] {
  let axis: [number, number, number] = [0.62, 0.5, 0.61];
  for (let round = 0; round < 4; round++) {
    const sum: [number, number, number] = [0, 0, 0];
    for (const point of cloud) {
      const [x, y, z] = [point[0] - center[0], point[1] - center[1], point[2] - center[2]];
      const along = x * axis[0] + y * axis[1] + z * axis[2];
      sum[0] += along * x;
      sum[1] += along * y;
      sum[2] += along * z;
    }
    const length = Math.hypot(sum[0], sum[1], sum[2]);
    if (length < 1e-9) break;
    axis = [sum[0] / length, sum[1] / length, sum[2] / length];
  }
  const along = (p: Point): number => p[0] * axis[0] + p[1] * axis[1] + p[2] * axis[2];
  const sorted = [...cloud].sort((a, b) => along(a) - along(b));
  const half = Math.ceil(sorted.length / 2);
  return [sorted.slice(0, half), sorted.slice(half)];
}
