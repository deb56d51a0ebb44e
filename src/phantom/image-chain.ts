/**
 * What a scanner does to the painted body: slice profile and point spread of the reconstruction kernel, then
 * quantum noise with the texture of that kernel, more of it where the body absorbs more.
 */
import type { Canvas } from "./canvas.ts";
import type { PhantomAcquisition } from "./phantom-study.ts";
import type { Random } from "./random.ts";

/** Side of the periodic noise tile, pixels. */
const TILE = 512;

interface KernelShape {
  /** Weight of the two neighbors in a three-point blur along x and y. */
  readonly blur: number;
  /** Width of noise grain, pixels, and how much of the coarse grain is taken out. */
  readonly grain: number;
  readonly highPass: number;
  readonly noiseFactor: number;
}

const KERNELS: Readonly<Record<PhantomAcquisition["kernel"], KernelShape>> = {
  soft: { blur: 0.2, grain: 1.15, highPass: 0, noiseFactor: 1 },
  medium: { blur: 0.14, grain: 0.85, highPass: 0.25, noiseFactor: 1.25 },
  sharp: { blur: 0.05, grain: 0.6, highPass: 0.55, noiseFactor: 2 },
};

/** HU as the scanner gives them, `[z][y][x]`, in [-1024, 3071]. */
export function scan(canvas: Canvas, acquisition: PhantomAcquisition, random: Random): Int16Array {
  const { nx, ny, nz } = canvas;
  const kernel = KERNELS[acquisition.kernel];
  const voxels = new Int16Array(nx * ny * nz);
  const overlap = acquisition.thicknessMm / acquisition.sliceMm - 1;
  const zBlur = Math.min(0.24, 0.09 + 0.1 * Math.max(0, overlap));
  const tile = noiseTile(kernel, random);
  const slice = new Float32Array(nx * ny);
  const gain = new Float32Array(nx * ny);
  for (let z = 0; z < nz; z++) {
    blurSlice(canvas, z, zBlur, kernel.blur, slice);
    const sigma = acquisition.noiseHu * kernel.noiseFactor * noiseOfLevel(canvas, z);
    noiseGain(canvas, z, sigma, gain);
    const offset = random.integer(TILE * TILE);
    addNoise(slice, gain, tile, offset, nx, ny, voxels, z * nx * ny);
  }
  return voxels;
}

function blurSlice(
  canvas: Canvas,
  z: number,
  zBlur: number,
  blur: number,
  out: Float32Array,
): void {
  const { nx, ny, nz, hu } = canvas;
  const size = nx * ny;
  const here = z * size;
  const below = (z > 0 ? z - 1 : z) * size;
  const above = (z < nz - 1 ? z + 1 : z) * size;
  const zCore = 1 - 2 * zBlur;
  const core = 1 - 2 * blur;
  const rowsBlurred = new Float32Array(size);
  for (let y = 0; y < ny; y++) {
    const at = y * nx;
    let left = 0;
    let middle = hu[here + at]! * zCore + (hu[below + at]! + hu[above + at]!) * zBlur;
    left = middle;
    for (let x = 0; x < nx; x++) {
      const i = at + (x + 1 < nx ? x + 1 : x);
      const right = hu[here + i]! * zCore + (hu[below + i]! + hu[above + i]!) * zBlur;
      rowsBlurred[at + x] = middle * core + (left + right) * blur;
      left = middle;
      middle = right;
    }
  }
  for (let y = 0; y < ny; y++) {
    const up = (y > 0 ? y - 1 : y) * nx;
    const down = (y + 1 < ny ? y + 1 : y) * nx;
    const at = y * nx;
    for (let x = 0; x < nx; x++)
      out[at + x] =
        rowsBlurred[at + x]! * core + (rowsBlurred[up + x]! + rowsBlurred[down + x]!) * blur;
  }
}

/** Shoulders and pelvis absorb more than the chest. */
function noiseOfLevel(canvas: Canvas, z: number): number {
  const mm = canvas.zs[z]!;
  const shoulders = mm > 160 ? 0.5 * Math.min(1, (mm - 160) / 40) : 0;
  const belly = mm < -20 ? 0.25 * Math.min(1, (-20 - mm) / 80) : 0;
  return 0.95 + shoulders + belly;
}

/** Noise rises toward the middle of the body and is low in the air around it. */
function noiseGain(canvas: Canvas, z: number, sigma: number, gain: Float32Array): void {
  const { nx, ny, xCol, xRow, yRow, yCol } = canvas;
  for (let y = 0; y < ny; y++)
    for (let x = 0; x < nx; x++) {
      const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
      const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
      const q = (px * px) / 22500 + (py * py) / 11000;
      gain[y * nx + x] = sigma * (0.42 + 0.75 / (1 + q * q));
    }
}

function addNoise(
  slice: Float32Array,
  gain: Float32Array,
  tile: Float32Array,
  offset: number,
  nx: number,
  ny: number,
  voxels: Int16Array,
  at: number,
): void {
  const mask = TILE * TILE - 1;
  for (let y = 0; y < ny; y++) {
    const row = offset + y * TILE;
    for (let x = 0; x < nx; x++) {
      const i = y * nx + x;
      const value = slice[i]! + gain[i]! * tile[(row + x) & mask]!;
      voxels[at + i] = (value < -1024 ? 1024 : value > 3071 ? 5119 : (value + 2048.5) | 0) - 2048;
    }
  }
}

/** Periodic noise of unit variance with the grain of a kernel. */
function noiseTile(kernel: KernelShape, random: Random): Float32Array {
  const white = new Float32Array(TILE * TILE);
  // A sum of four uniform numbers is near enough to a Gaussian here, and four times faster.
  for (let i = 0; i < white.length; i++)
    white[i] = random.next() + random.next() + random.next() + random.next() - 2;
  const fine = blurTile(white, kernel.grain);
  const out = fine;
  if (kernel.highPass > 0) {
    const coarse = blurTile(fine, 1.8);
    for (let i = 0; i < out.length; i++) out[i] = fine[i]! - kernel.highPass * coarse[i]!;
  }
  let square = 0;
  for (const value of out) square += value * value;
  const scale = 1 / Math.sqrt(square / out.length);
  for (let i = 0; i < out.length; i++) out[i] = out[i]! * scale;
  return out;
}

/** Gaussian blur of a periodic tile, five points each way. */
function blurTile(tile: Float32Array, sigma: number): Float32Array {
  const w1 = Math.exp(-1 / (2 * sigma * sigma));
  const w2 = Math.exp(-4 / (2 * sigma * sigma));
  const total = 1 + 2 * w1 + 2 * w2;
  const mask = TILE * TILE - 1;
  const pass = (source: Float32Array, step: number): Float32Array => {
    const target = new Float32Array(source.length);
    for (let i = 0; i < source.length; i++) {
      const one = source[(i + step) & mask]! + source[(i - step) & mask]!;
      const two = source[(i + 2 * step) & mask]! + source[(i - 2 * step) & mask]!;
      target[i] = (source[i]! + w1 * one + w2 * two) / total;
    }
    return target;
  };
  return pass(pass(tile, 1), TILE);
}
