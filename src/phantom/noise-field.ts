/** Smooth three-dimensional noise for organ texture, from one small periodic lattice. */
import type { Random } from "./random.ts";

const SIZE = 32;
const MASK = SIZE - 1;

/** A smooth random field in about [-1, 1]; `x`, `y`, `z` in lattice steps, repeating after 32. */
export type NoiseField = (x: number, y: number, z: number) => number;

export function noiseField(random: Random): NoiseField {
  const lattice = new Float32Array(SIZE * SIZE * SIZE);
  for (let i = 0; i < lattice.length; i++) lattice[i] = random.next() * 2 - 1;
  return (x, y, z) => {
    const fx = Math.floor(x);
    const fy = Math.floor(y);
    const fz = Math.floor(z);
    let u = x - fx;
    let v = y - fy;
    let w = z - fz;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    w = w * w * (3 - 2 * w);
    const x0 = fx & MASK;
    const x1 = (fx + 1) & MASK;
    const y0 = (fy & MASK) * SIZE;
    const y1 = ((fy + 1) & MASK) * SIZE;
    const z0 = (fz & MASK) * SIZE * SIZE;
    const z1 = ((fz + 1) & MASK) * SIZE * SIZE;
    const a = lattice[z0 + y0 + x0]! + (lattice[z0 + y0 + x1]! - lattice[z0 + y0 + x0]!) * u;
    const b = lattice[z0 + y1 + x0]! + (lattice[z0 + y1 + x1]! - lattice[z0 + y1 + x0]!) * u;
    const c = lattice[z1 + y0 + x0]! + (lattice[z1 + y0 + x1]! - lattice[z1 + y0 + x0]!) * u;
    const d = lattice[z1 + y1 + x0]! + (lattice[z1 + y1 + x1]! - lattice[z1 + y1 + x0]!) * u;
    const near = a + (b - a) * v;
    return near + (c + (d - c) * v - near) * w;
  };
}
